import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Registry } from 'prom-client';
import { Callers, type Connection } from './callers.ts';
import { DOOR_LIMITS, type DoorLimits } from './limits.ts';
import { countRefusals } from './refusals.ts';

/** A body that is not taken; `statusCode` is the answer. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused';
  readonly statusCode: number;

  constructor(message: string, statusCode: number) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** How often Node looks for late heads and bodies, in milliseconds. */
const CHECK_MS = 1_000;
const MAX_HEADER_BYTES = 16 * 1024;

export interface HttpDoorOptions {
  /** Name of the door in metrics. */
  readonly name: string;
  readonly limits?: Partial<DoorLimits>;
  readonly metrics?: Registry | undefined;
}

/**
 * The one way in which we serve HTTP: who may connect, how much a body may hold and how long everything may take is
 * decided before a handler sees a request.
 */
export class HttpDoor {
  readonly limits: DoorLimits;
  readonly callers: Callers;

  constructor(o: HttpDoorOptions) {
    this.limits = { ...DOOR_LIMITS, ...o.limits };
    this.callers = new Callers({ limits: this.limits, onRefusal: countRefusals(o) });
  }

  plain(handler: RequestListener): http.Server {
    const { headMs, requestMs, idleMs } = this.limits;
    const server = http.createServer(
      {
        headersTimeout: headMs,
        requestTimeout: requestMs,
        keepAliveTimeout: idleMs,
        connectionsCheckingInterval: CHECK_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      this.#bounded(handler),
    );
    return this.#guarded(server);
  }

  /** With `asksForCertificate`, a handshake without a client certificate of the server's authorities fails. */
  secure(handler: RequestListener, o: { readonly asksForCertificate?: boolean } = {}): https.Server {
    const { headMs, requestMs, idleMs } = this.limits;
    const server = https.createServer(
      {
        minVersion: 'TLSv1.2',
        ...(o.asksForCertificate && { requestCert: true, rejectUnauthorized: true }),
        handshakeTimeout: headMs,
        headersTimeout: headMs,
        requestTimeout: requestMs,
        keepAliveTimeout: idleMs,
        connectionsCheckingInterval: CHECK_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      this.#bounded(handler),
    );
    return this.#guarded(server);
  }

  /**
   * Receives a body in pieces. Its declared length is judged before a byte is read, and held until the answer was
   * taken. Throws BodyRefused.
   */
  receive(request: IncomingMessage, onChunk: (chunk: Buffer) => void): Promise<void> {
    const connection = this.callers.of(request.socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const declared = request.headers['content-length'];
    let received = 0;
    const stop = (error: unknown): void => {
      request.off('data', take).off('end', end).off('error', stop).off('close', cut);
      request.pause();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      try {
        received += chunk.length;
        this.#judge(received);
        if (declared === undefined) this.#hold(connection, chunk.length);
        onChunk(chunk);
      } catch (error) {
        stop(error);
      }
    };
    const end = (): void => {
      request.off('close', cut);
      resolve();
    };
    const cut = (): void => stop(new BodyRefused('the connection was closed before the body was whole', 400));
    try {
      if (declared !== undefined) {
        this.#judge(Number(declared));
        this.#hold(connection, Number(declared));
      }
    } catch (error) {
      reject(error);
      return promise;
    }
    request.on('data', take).once('end', end).once('error', stop).once('close', cut);
    return promise;
  }

  #judge(bytes: number): void {
    const { bodyBytes } = this.limits;
    if (!(bytes <= bodyBytes)) throw new BodyRefused(`the body is over the limit of ${bodyBytes} bytes`, 413);
  }

  #hold(connection: Connection | undefined, bytes: number): void {
    if (connection && !this.callers.hold(connection, bytes))
      throw new BodyRefused('too many bodies are held at once: try again later', 503);
  }

  #guarded<S extends http.Server>(server: S): S {
    this.callers.guard(server);
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      const connection = this.callers.of(socket);
      // Go opens connections that it may use later, and would take an answer here for that of its first request.
      if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0) {
        if (connection) this.callers.excuse(connection);
        socket.destroy();
        return;
      }
      if (connection) this.callers.offend(connection);
      // A framework that listens as well answers by itself.
      if (server.listenerCount('clientError') > 1) return;
      const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
      socket.destroySoon();
    });
    return server;
  }

  /** The handler for one request at a time on a connection, whose answer has to be taken in time. */
  #bounded(handler: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      const connection = this.callers.of(socket);
      if (!connection || connection.isBusy) {
        // Our callers never send a request before the answer to the last one.
        if (connection) this.callers.offend(connection);
        socket.destroy();
        return;
      }
      connection.isBusy = true;
      const timer = setTimeout(() => {
        this.callers.offend(connection);
        socket.destroy();
      }, this.limits.answerMs);
      closeOnRefusal(response);
      response.once('close', () => {
        clearTimeout(timer);
        connection.isBusy = false;
        this.callers.release(connection);
        const { statusCode, writableFinished } = response;
        if ((statusCode >= 400 && statusCode < 500) || !request.complete) this.callers.offend(connection);
        else if (statusCode < 400 && writableFinished) this.callers.serve(connection);
        // A caller that lost its patience, or met a fault of ours, has not offended.
        else connection.hasServed = true;
      });
      handler(request, response);
    };
  }
}

/** Closes the connection after an answer of 400 or above: what is left of the request is not read. */
const closeOnRefusal = (response: ServerResponse): void => {
  const writeHead = response.writeHead;
  response.writeHead = ((status: number, ...rest: never[]) => {
    if (status >= 400) response.shouldKeepAlive = false;
    return writeHead.call(response, status, ...rest);
  }) as typeof writeHead;
};
