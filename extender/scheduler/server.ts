import type { IncomingMessage } from 'node:http';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import type { Registry } from 'prom-client';
import { isOfDaemonSet } from '../../api/pods.ts';
import type { Logger } from '../../kube/component/log.ts';
import { FairQueue, waiterOf } from '../../kube/doors/fairqueue.ts';
import { HttpDoor } from '../../kube/doors/httpdoor.ts';
import type { DoorLimits } from '../../kube/doors/limits.ts';
import { messageOf } from '../../kube/errors.ts';
import type { State } from '../placement/state.ts';
import { readArgs, readBinding, type SchedulerArgs } from './args.ts';
import { bindFor, type Leader } from './binding.ts';
import { BufferPool } from './bufferpool.ts';
import { callerRefusal, type VerbTls } from './certificates.ts';
import { filterNodes, isUnplaced, placementOf, reservedFor, scoreNodes } from './filter.ts';
import { namesOf, type SplitNames, splitReserved } from './nodenames.ts';

// The names of 10,000 nodes are about half a MiB.
const BODY_BYTES = 2 * 1024 * 1024;

type ByteArgs = Extract<SchedulerArgs, { kind: 'bytes' }>;

/** The start of a filter result, up to its names. */
const NAMES = Buffer.from('{"Nodes":null,"NodeNames":[');
const COMMA = Buffer.from(',');
const OPENING_BRACE = 0x7b;

/** One request at a time has the thread; a connection carries one, so that nobody is given up while waiting. */
const TURNS = { perSecond: 1e6, burst: 1e6, inFlight: 1, isBusyWork: true };

/** Accepts all nodes: the request from the comma before "Nodes" on is the response, once a brace replaces the comma. */
const acceptAll = ({ list, answerFrom }: ByteArgs): Buffer => {
  list.bytes[answerFrom] = OPENING_BRACE;
  return list.bytes.subarray(answerFrom);
};

const acceptUnreserved = ({ kept, reserved }: SplitNames): Buffer => {
  const refused = [...reserved].map(([name, plan]) => [name, reservedFor(plan)]);
  const end = Buffer.from(`],"FailedNodes":${JSON.stringify(Object.fromEntries(refused))}}`);
  return Buffer.concat([NAMES, ...kept.flatMap((piece, i) => (i === 0 ? [piece] : [COMMA, piece])), end]);
};

const filter = (args: SchedulerArgs, state: State | undefined): Buffer | object => {
  if (args.kind === 'bytes') {
    if (!state || state.store.size === 0 || isOfDaemonSet(args.pod)) return acceptAll(args);
    const placement = placementOf(state, args.pod);
    if (isUnplaced(placement)) {
      const { reservedNames } = state.store;
      const split = reservedNames && splitReserved(args.list, reservedNames);
      return split && split.reserved.size > 0 ? acceptUnreserved(split) : acceptAll(args);
    }
  }
  const names = args.kind === 'bytes' ? namesOf(args.list) : args.names;
  const { kept, refused } = state ? filterNodes(state, args.pod, names) : { kept: names, refused: {} };
  if (args.kind !== 'nodes') return { NodeNames: kept, FailedNodes: refused, Error: '' };
  const keptNames = new Set(kept);
  const items = args.nodes.items?.filter(({ metadata }) => keptNames.has(metadata.name));
  return { Nodes: { ...args.nodes, items }, FailedNodes: refused, Error: '' };
};

const prioritize = (args: SchedulerArgs, state: State | undefined): object => {
  if (!state || state.store.size === 0) return [];
  const { own } = placementOf(state, args.pod);
  if (own.size === 0) return [];
  return scoreNodes(own, args.kind === 'bytes' ? namesOf(args.list) : args.names);
};

const JSON_TYPE = 'application/json; charset=utf-8';
const EMPTY = Buffer.alloc(0);

// fastify parses no request without a body.
const bodyBytes = (body: unknown): Buffer => (Buffer.isBuffer(body) ? body : EMPTY);

/**
 * Serves the verbs of a kube-scheduler extender: POST /filter, /prioritize, /bind. `leader` returns undefined on a
 * replica that does not lead, which accepts every node and binds nothing; so does a leader while pinning is off.
 */
export const createExtenderServer = (o: {
  readonly leader: () => Leader | undefined;
  readonly log: Logger;
  /** Plain HTTP when left out. The certificate is set by followVerbFiles. */
  readonly tls?: Pick<VerbTls, 'callers'>;
  readonly limits?: Partial<DoorLimits>;
  readonly metrics?: Registry;
}): FastifyInstance => {
  const door = new HttpDoor({
    name: 'extender',
    limits: { bodyBytes: BODY_BYTES, ...o.limits },
    metrics: o.metrics,
  });
  const app: FastifyInstance = fastify({
    loggerInstance: o.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    serverFactory: (handler) =>
      o.tls ? door.secure(handler, { asksForCertificate: o.tls.callers !== undefined }) : door.plain(handler),
  });
  const state = (): State | undefined => {
    const leading = o.leader()?.state;
    return leading?.store.isDisabled ? undefined : leading;
  };
  const { callers } = o.tls ?? {};
  if (callers)
    app.addHook('onRequest', async ({ raw }, reply) => {
      const refusal = callerRefusal(raw, callers);
      return refusal === undefined ? undefined : reply.code(403).send({ Error: refusal });
    });
  // The verbs parse the bodies themselves.
  const buffers = new BufferPool();
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', ({ headers }: FastifyRequest, payload: IncomingMessage) => {
    const declared = headers['content-length'];
    return buffers.gather(declared === undefined ? undefined : Number(declared), (onChunk) =>
      door.receive(payload, onChunk),
    );
  });
  app.addHook('onResponse', async ({ body }) => {
    if (Buffer.isBuffer(body)) buffers.release(body);
  });
  // kube-scheduler keeps its connection, so a replica that does not lead closes it; the next one may reach the leader.
  app.addHook('onSend', async (_request, reply) => {
    if (!o.leader()) reply.header('connection', 'close');
  });
  const queue = new FairQueue({ ...TURNS, waiting: door.limits.connections });
  /** Does the work on a body when the caller's turn has come. */
  const inTurn = <T>({ raw, body }: FastifyRequest, work: (body: Buffer) => T): Promise<T> =>
    queue.run(waiterOf(raw), async () => work(bodyBytes(body)));
  app.post('/filter', async (request, reply) => {
    const answer = await inTurn(request, (body) => filter(readArgs(body), state()));
    return reply.type(JSON_TYPE).send(answer);
  });
  app.post('/prioritize', (request) => inTurn(request, (body) => prioritize(readArgs(body), state())));
  app.post('/bind', async (request) => ({
    Error: await bindFor(o.leader(), await inTurn(request, readBinding), o.log),
  }));
  app.setErrorHandler((error, _request, reply) => {
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    const message = messageOf(error);
    if (status >= 500) o.log.error({ err: error }, 'extender request failed');
    // A body that is not JSON or too large is a caller's error, too.
    return reply.code(status >= 400 && status < 500 ? 400 : status).send({ Error: message });
  });
  return app;
};
