import { readFile } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { aborted, fromNetwork, isAborted, KubeError, messageOf } from '../errors.ts';
import { type Credentials, credentialsOf, type Identity } from './credentials.ts';
import type { Env } from './execplugin.ts';
import type { Target } from './kubeconfig.ts';

/** One HTTP request as it is sent. */
export interface WireRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
  /** Called when the connection is ready and only the write is left; an error that it throws ends the request. */
  readonly guard?: (() => void) | undefined;
  /**
   * Called once the server asks for the body, which is when it has authenticated and authorized the request; the body
   * is sent when it resolves.
   */
  readonly hold?: (() => Promise<void>) | undefined;
  /** Milliseconds without a byte in either direction after which the request is given up. */
  readonly inactivityMs: number;
}

// kube-apiserver closes idle connections after 90 s; ours close first, so that no request meets a closing one.
const IDLE_MS = 60_000;
const MAX_SOCKETS = 256;
/** Wait for a server to ask for a body that is held back. */
const CONTINUE_MS = 5_000;

const timeout = (ms: number): Error => Object.assign(new Error(`no byte in ${ms} ms`), { code: 'ETIMEDOUT' });

/** A pool of kept-alive connections to one API server. */
export class Transport {
  readonly server: string;
  readonly credentials: Credentials;
  readonly #target: Target;
  readonly #url: URL;
  #agent: http.Agent | undefined;
  #isClosed = false;
  /** The pool of the last client certificate, perhaps not ready yet. */
  #pooled: { cert: string | undefined; key: string | undefined; agent: Promise<http.Agent> } | undefined;

  constructor(target: Target, env?: Env) {
    this.#target = target;
    this.#url = new URL(target.cluster.server);
    this.server = target.cluster.server;
    this.credentials = credentialsOf(target, env);
  }

  /** Sockets in the pool, in use and idle. */
  get sockets(): number {
    const count = (all: NodeJS.ReadOnlyDict<unknown[]> | undefined): number =>
      Object.values(all ?? {}).reduce((n, list) => n + (list?.length ?? 0), 0);
    return count(this.#agent?.sockets) + count(this.#agent?.freeSockets);
  }

  async #secureContext(identity: Identity): Promise<SecureContext> {
    const { caData, caFile } = this.#target.cluster;
    const ca = caData ? Buffer.from(caData, 'base64') : caFile ? await readFile(caFile) : undefined;
    const { cert, key } = identity;
    return createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  }

  async #makeAgent(identity: Identity): Promise<http.Agent> {
    const common = {
      keepAlive: true,
      timeout: IDLE_MS,
      maxSockets: MAX_SOCKETS,
      scheduling: 'lifo' as const,
    };
    if (this.#url.protocol === 'http:') return new http.Agent(common);
    const { skipTLSVerify, tlsServerName } = this.#target.cluster;
    const secureContext = await this.#secureContext(identity).catch((cause: unknown) => {
      const why = messageOf(cause);
      throw new KubeError(`the certificates for ${this.server} cannot be used: ${why}`, {
        kind: 'forbidden',
        cause,
      });
    });
    return new https.Agent({
      ...common,
      secureContext,
      rejectUnauthorized: !skipTLSVerify,
      ...(tlsServerName && { servername: tlsServerName }),
    });
  }

  /** The pool for a client certificate; a new certificate gets a new pool. */
  async #pool(identity: Identity): Promise<http.Agent> {
    const { cert, key } = identity;
    if (this.#pooled && this.#pooled.cert === cert && this.#pooled.key === key)
      return await this.#pooled.agent;
    const agent = this.#makeAgent(identity);
    this.#pooled = { cert, key, agent };
    try {
      this.#agent = await agent;
      return this.#agent;
    } catch (e) {
      this.#pooled = undefined;
      throw e;
    }
  }

  /** Sends one request, once. Throws KubeError for the network, AbortError for the signal, and the guard's errors. */
  async send(outgoing: WireRequest): Promise<IncomingMessage> {
    if (outgoing.signal?.aborted) throw aborted(outgoing.signal);
    if (this.#isClosed) throw new KubeError('the client was closed', { kind: 'terminal' });
    const identity = await this.credentials.identity();
    const agent = await this.#pool(identity);
    if (outgoing.signal?.aborted) throw aborted(outgoing.signal);
    return await this.#exchange(outgoing, identity, agent);
  }

  #exchange(outgoing: WireRequest, identity: Identity, agent: http.Agent): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = (this.#url.protocol === 'http:' ? http : https).request({
      host: this.#url.hostname.replace(/^\[|\]$/g, ''),
      port: this.#url.port || (this.#url.protocol === 'http:' ? 80 : 443),
      method: outgoing.method,
      path: this.#url.pathname.replace(/\/$/, '') + outgoing.path,
      headers: {
        ...outgoing.headers,
        ...identity.headers,
        ...(outgoing.body !== undefined && { 'content-length': Buffer.byteLength(outgoing.body) }),
        ...(outgoing.hold && { expect: '100-continue' }),
      },
      agent,
    });
    const refusal: { error?: unknown } = {};
    const stop = (): void => void request.destroy(aborted(outgoing.signal));
    outgoing.signal?.addEventListener('abort', stop, { once: true });
    request.once('close', () => outgoing.signal?.removeEventListener('abort', stop));
    request.setTimeout(outgoing.inactivityMs, () => {
      // The fault of this connection may have broken the idle ones too.
      for (const list of Object.values(agent.freeSockets)) for (const s of list ?? []) s.destroy();
      request.destroy(timeout(outgoing.inactivityMs));
    });
    request.once('response', resolve);
    request.once('error', (e) => {
      reject(isAborted(e) || e === refusal.error ? e : fromNetwork(this.server, e));
    });
    if (outgoing.hold) this.#endHeld(request, outgoing, refusal);
    else if (outgoing.guard) this.#endGuarded(request, outgoing.guard, outgoing.body, refusal);
    else request.end(outgoing.body);
    return promise;
  }

  /** Sends the header, and the body once the server has asked for it and `hold` has resolved. */
  #endHeld(request: http.ClientRequest, outgoing: WireRequest, refusal: { error?: unknown }): void {
    const go = (): void => {
      clearTimeout(timer);
      if (request.writableEnded || request.destroyed) return;
      try {
        outgoing.guard?.();
        request.end(outgoing.body);
      } catch (e) {
        refusal.error = e;
        request.destroy(e as Error);
      }
    };
    // A server that does not know the question, or refuses the request, is sent the body all the same.
    const timer = setTimeout(go, CONTINUE_MS);
    request.once('response', go).once('close', () => clearTimeout(timer));
    request.once('continue', () => {
      clearTimeout(timer);
      outgoing.hold?.().then(go, (e: unknown) => request.destroy(e as Error));
    });
    request.flushHeaders();
  }

  /** Waits for the handshake before the guard runs, so that only the write itself comes after it. */
  #endGuarded(
    request: http.ClientRequest,
    guard: () => void,
    body: string | undefined,
    refusal: { error?: unknown },
  ): void {
    const go = (): void => {
      try {
        guard();
      } catch (e) {
        refusal.error = e;
        request.destroy(e as Error);
        return;
      }
      request.end(body);
    };
    request.once('socket', (socket) => {
      const secure = socket instanceof TLSSocket;
      const isUnderWay =
        socket.connecting || (secure && 'secureConnecting' in socket && socket.secureConnecting);
      if (isUnderWay) socket.once(secure ? 'secureConnect' : 'connect', go);
      else go();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#agent?.destroy();
    this.#agent = undefined;
    this.#pooled = undefined;
  }
}

/** Reads a whole body. Throws KubeError when the connection ends before the body does. */
export const readAll = async (server: string, response: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (e) {
    if (isAborted(e)) throw e;
    throw fromNetwork(server, e);
  }
  return Buffer.concat(chunks);
};
