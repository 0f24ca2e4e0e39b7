import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import type { Registry } from 'prom-client';
import type { Logger } from '../kube/component/log.ts';
import { LogLimit } from '../kube/component/loglimit.ts';
import { HttpDoor } from '../kube/doors/httpdoor.ts';
import { JsonScan } from '../kube/doors/jsonscan.ts';
import type { DoorLimits } from '../kube/doors/limits.ts';
import { messageOf } from '../kube/errors.ts';
import { spotPathOf } from './certificates/path.ts';
import type { KeyPair } from './certificates/x509.ts';
import { type Admission, mutate } from './mutate.ts';
import { InvalidReviewError } from './review.ts';
import { mutateForSpot, type SpotAdmission } from './spot/mutate.ts';

// Requests to the API server, and so the pods in reviews, are limited to 3 MiB.
const BODY_BYTES = 3 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

/** A TLS socket; Node keeps the TCP socket beneath it in an undocumented field. */
type TlsSocket = Socket & { readonly _parent?: Socket };

export interface WebhookServer {
  readonly app: FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger>;
  /** Serves new connections with this certificate; open ones stay. */
  setCertificate(leaf: KeyPair): void;
  /** Answers calls at these paths, and with their suffix those for sides, and 404 at all others. */
  setPaths(paths: readonly string[]): void;
  /** Closes each connection after its next answer, so that callers move to another replica. */
  startDraining(): void;
}

/** The admission server over TLS. Handshakes fail until a certificate is set, and nothing is served without a path. */
export const createWebhookServer = (o: {
  readonly admission: Admission;
  readonly spot: SpotAdmission;
  readonly log: Logger;
  readonly limits?: Partial<DoorLimits>;
  readonly metrics?: Registry;
}): WebhookServer => {
  const { admission, spot, log, metrics } = o;
  let isDraining = false;
  const door = new HttpDoor({
    name: 'webhook',
    limits: { bodyBytes: BODY_BYTES, ...o.limits },
    metrics,
  });
  const app: WebhookServer['app'] = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    serverFactory: (handler) => door.secure(handler),
  });
  const handshakeErrors = new LogLimit();
  app.server.on('tlsClientError', (error: Error & { code?: string }, socket: TlsSocket) => {
    const reason = error.code === 'ECONNRESET' ? 'EOF' : error.message;
    const { remoteAddress = 'unknown', remotePort = 0 } = socket._parent ?? socket;
    handshakeErrors.write((more) =>
      log.info(more, `http: TLS handshake error from ${remoteAddress}:${remotePort}: ${reason}`),
    );
  });
  app.addContentTypeParser('application/json', async (_request: FastifyRequest, payload: IncomingMessage) => {
    const scan = new JsonScan();
    const chunks: Buffer[] = [];
    await door.receive(payload, (chunk) => {
      scan.push(chunk);
      chunks.push(chunk);
    });
    const [first = EMPTY] = chunks;
    const body = chunks.length > 1 ? Buffer.concat(chunks) : first;
    try {
      return JSON.parse(body.toString('utf8'));
    } catch {
      throw new InvalidReviewError('The body is not valid JSON.');
    }
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (isDraining) reply.header('connection', 'close');
    done();
  });
  const forPins = (body: unknown): Promise<string> => mutate(admission, body);
  let answers: ReadonlyMap<string, (body: unknown) => Promise<string>> = new Map();
  const answerAt = (url: string) => {
    const end = url.indexOf('?');
    return answers.get(end < 0 ? url : url.slice(0, end));
  };
  // Before the body is read: a stranger who does not know the path costs a few bytes.
  app.addHook('onRequest', async ({ url }, reply) => {
    if (answerAt(url)) return;
    return reply.code(404).header('connection', 'close').send({ message: 'nothing is served here' });
  });
  app.post('*', async ({ url, body }, reply) => {
    // A path that went while the body came is answered as before.
    const text = await (answerAt(url) ?? forPins)(body);
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
    setPaths: (paths) => {
      answers = new Map(
        paths.flatMap((path) => [
          [path, forPins],
          [spotPathOf(path), (body) => mutateForSpot(spot, body)],
        ]),
      );
    },
    startDraining: () => {
      isDraining = true;
    },
  };
};
