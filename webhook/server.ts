import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Logger } from '../kube/component/log.ts';
import { messageOf } from '../kube/errors.ts';
import type { Pair } from './certificates/x509.ts';
import { type Admission, mutate } from './mutate.ts';
import { BadReview } from './review.ts';

// The API server sends at most 3 MiB.
const BODY_LIMIT = 8 * 1024 * 1024;
// Longer than the 90 s after which Go closes idle connections.
const KEEP_ALIVE_MS = 120_000;

/** A TLS socket, with the one beneath it, where Node tells. */
type Wrapped = Socket & { readonly _parent?: Socket };

export interface WebhookServer {
  readonly app: FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger>;
  /** Connections from now on are served with this certificate. */
  load(leaf: Pair): void;
  /** From now on each answer asks the caller to close its connection. */
  leave(): void;
}

/** The admission server: POST /mutate over TLS. Handshakes fail until a certificate is loaded. */
export const webhookServer = (o: { readonly admission: Admission; readonly log: Logger }): WebhookServer => {
  const { admission, log } = o;
  let isLeaving = false;
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    keepAliveTimeout: KEEP_ALIVE_MS,
    https: { minVersion: 'TLSv1.2' },
  });
  // A socket that has ended knows its peer only if it was asked before.
  app.server.on('connection', (socket: Socket) => void socket.remoteAddress);
  app.server.on('tlsClientError', (error: Error & { code?: string }, socket: Wrapped) => {
    const said = error.code === 'ECONNRESET' ? 'EOF' : error.message;
    const { remoteAddress = 'unknown', remotePort = 0 } = socket._parent ?? socket;
    log.info(`http: TLS handshake error from ${remoteAddress}:${remotePort}: ${said}`);
  });
  // Reviews are read once and as they are: no other parser looks at them.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, JSON.parse(text as string));
    } catch {
      done(new BadReview('The body is no JSON.'));
    }
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (isLeaving) reply.header('connection', 'close');
    done();
  });
  app.post('/mutate', async ({ body }, reply) => {
    const text = await mutate(admission, body);
    reply.header('content-type', 'application/json');
    return text;
  });
  app.setErrorHandler((error, _request, reply) => {
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status >= 500) log.error({ err: error }, 'a review failed');
    const said = messageOf(error);
    return reply.code(status >= 400 && status < 500 ? 400 : 500).send({ message: said });
  });
  return {
    app,
    load: ({ cert, key }) => app.server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' }),
    leave: () => {
      isLeaving = true;
    },
  };
};
