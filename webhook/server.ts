import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Logger } from '../kube/component/log.ts';
import { messageOf } from '../kube/errors.ts';
import type { KeyPair } from './certificates/x509.ts';
import { type Admission, mutate } from './mutate.ts';
import { InvalidReviewError } from './review.ts';

// Requests to the API server, and so the pods in reviews, are limited to 3 MiB.
const BODY_LIMIT = 8 * 1024 * 1024;
// Longer than the 90 s after which Go's http.Transport closes idle connections, so that the client closes first.
const KEEP_ALIVE_MS = 120_000;

/** A TLS socket; Node keeps the TCP socket beneath it in an undocumented field. */
type TlsSocket = Socket & { readonly _parent?: Socket };

export interface WebhookServer {
  readonly app: FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger>;
  /** Serves new connections with this certificate; open ones stay. */
  setCertificate(leaf: KeyPair): void;
  /** Answers calls at these paths, and 404 at all others. */
  setPaths(paths: readonly string[]): void;
  /** Closes each connection after its next answer, so that callers move to another replica. */
  startDraining(): void;
}

/** The admission server over TLS. Handshakes fail until a certificate is set, and nothing is served without a path. */
export const createWebhookServer = (o: {
  readonly admission: Admission;
  readonly log: Logger;
}): WebhookServer => {
  const { admission, log } = o;
  let isDraining = false;
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    keepAliveTimeout: KEEP_ALIVE_MS,
    https: { minVersion: 'TLSv1.2' },
  });
  // Node caches the remote address on first read, and can't read it once the socket is closed.
  app.server.on('connection', (socket: Socket) => void socket.remoteAddress);
  app.server.on('tlsClientError', (error: Error & { code?: string }, socket: TlsSocket) => {
    const reason = error.code === 'ECONNRESET' ? 'EOF' : error.message;
    const { remoteAddress = 'unknown', remotePort = 0 } = socket._parent ?? socket;
    log.info(`http: TLS handshake error from ${remoteAddress}:${remotePort}: ${reason}`);
  });
  // Plain JSON.parse instead of Fastify's secure-json-parse, which scans each body a second time.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, JSON.parse(text as string));
    } catch {
      done(new InvalidReviewError('The body is not valid JSON.'));
    }
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (isDraining) reply.header('connection', 'close');
    done();
  });
  let paths: ReadonlySet<string> = new Set();
  // Before the body is read: a stranger who does not know the path costs a few bytes.
  app.addHook('onRequest', async ({ url }, reply) => {
    const end = url.indexOf('?');
    if (paths.has(end < 0 ? url : url.slice(0, end))) return;
    return reply.code(404).header('connection', 'close').send({ message: 'nothing is served here' });
  });
  app.post('*', async ({ body }, reply) => {
    const text = await mutate(admission, body);
    reply.header('content-type', 'application/json');
    return text;
  });
  app.setErrorHandler((error, _request, reply) => {
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status >= 500) log.error({ err: error }, 'admission review failed');
    return reply.code(status >= 400 && status < 500 ? 400 : 500).send({ message: messageOf(error) });
  });
  return {
    app,
    setCertificate: ({ cert, key }) => app.server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' }),
    setPaths: (next) => {
      paths = new Set(next);
    },
    startDraining: () => {
      isDraining = true;
    },
  };
};
