import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';

/** A fault injected instead of, or within, the API server's answer. */
export type Fault =
  | { readonly kind: 'status'; readonly code: number; readonly retryAfter?: number }
  /** The watch is cut off inside an event, with a proper end of the response. */
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  /** An ERROR event of that code ends the watch. */
  | { readonly kind: 'error-event'; readonly code: number };

export interface Upstream {
  readonly server: string;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

const REASONS: Readonly<Record<number, string>> = {
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

const statusOf = (code: number): string =>
  JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    message: `fault ${code}`,
    reason: REASONS[code] ?? 'Unknown',
    code,
  });

/** An HTTPS proxy in front of the API server, with its own certificate, that can inject faults. */
export class ApiProxy {
  readonly certificate: string;
  readonly #server: https.Server;
  readonly #agent: https.Agent;
  readonly #upstream: URL;
  #fault: ((request: IncomingMessage) => Fault | undefined) | undefined;

  private constructor(upstream: Upstream, pems: { readonly cert: string; readonly private: string }) {
    this.certificate = pems.cert;
    this.#upstream = new URL(upstream.server);
    this.#agent = new https.Agent({
      keepAlive: true,
      ca: upstream.ca,
      cert: upstream.cert,
      key: upstream.key,
      servername: 'kubernetes.default.svc',
    });
    this.#server = https.createServer({ cert: pems.cert, key: pems.private }, (request, response) =>
      this.#handle(request, response),
    );
    this.#server.on('tlsClientError', () => {});
  }

  static async to(upstream: Upstream): Promise<ApiProxy> {
    const pems = await generate([{ name: 'commonName', value: 'localhost' }], {
      algorithm: 'sha256',
      keyType: 'ec',
      curve: 'P-256',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    });
    const proxy = new ApiProxy(upstream, pems);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sets the function that chooses each request's fault; undefined passes the request on. */
  set(fault: ((request: IncomingMessage) => Fault | undefined) | undefined): void {
    this.#fault = fault;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const fault = this.#fault?.(request);
    if (fault?.kind === 'status') {
      response.writeHead(fault.code, {
        'content-type': 'application/json',
        ...(fault.retryAfter !== undefined && { 'retry-after': String(fault.retryAfter) }),
      });
      response.end(statusOf(fault.code));
      return;
    }
    if (fault?.kind === 'error-event') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"type":"ERROR","object":${statusOf(fault.code)}}\n`);
      return;
    }
    this.#forward(request, response, fault?.afterBytes);
  }

  #forward(request: IncomingMessage, response: ServerResponse, limit: number | undefined): void {
    const { host: _, ...headers } = request.headers;
    const upstream = https.request(
      {
        host: this.#upstream.hostname,
        port: this.#upstream.port,
        method: request.method,
        path: request.url,
        headers,
        agent: this.#agent,
      },
      (answer) => {
        const {
          'content-length': length,
          connection: __,
          'transfer-encoding': ___,
          ...rest
        } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, {
          ...rest,
          ...(length !== undefined && limit === undefined && { 'content-length': length }),
        });
        response.flushHeaders();
        let passed = 0;
        answer.on('data', (chunk: Buffer) => {
          const room = limit === undefined ? chunk.length : Math.max(0, limit - passed);
          response.write(chunk.subarray(0, room));
          passed += chunk.length;
          if (limit !== undefined && passed >= limit) {
            response.end();
            answer.destroy();
          }
        });
        answer.once('end', () => response.end());
        answer.once('error', () => response.destroy());
      },
    );
    upstream.once('error', () => response.destroy());
    response.once('close', () => upstream.destroy());
    request.pipe(upstream);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await once(this.#server, 'close');
  }
}
