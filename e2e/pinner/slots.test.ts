import { setTimeout as sleep } from 'node:timers/promises';
import {
  credentials,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import fc from 'fast-check';
import t from 'tap';
import { PIN } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import {
  type Intent,
  loadPinningServices,
  type TakeReplies,
  type TakeReply,
  type TakeRequest,
  type TakeRequests,
} from '../../api/pinning.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { IntentStore } from '../../extender/intents/store.ts';
import { AssumedPods } from '../../extender/placement/assumedpods.ts';
import type { State } from '../../extender/placement/state.ts';
import { SlotAllocator } from '../../extender/slotservice/allocator.ts';
import { createSlotsService } from '../../extender/slotservice/grpc.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { rememberRequests } from '../../planner/scheduling/fit.ts';
import { SlotPrefetcher } from '../../webhook/slots/prefetcher.ts';
import { type GrpcSlotsClient, SlotStream } from '../../webhook/slots/stream.ts';

/** The path from the webhook's replicas to the pinner's leader, over a real stream. */

const log = createLogger({ component: 'slots', level: 'silent' });
const { slots } = loadPinningServices();
const OWNER = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'owner', controller: true };

const serve = async (implementation: Parameters<Server['addService']>[1]) => {
  const server = new Server();
  server.addService(slots, implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const Client = makeGenericClientConstructor(slots, 'Slots');
  const clients: GrpcSlotsClient[] = [];
  const connect = (): GrpcSlotsClient => {
    const client = new Client(
      `127.0.0.1:${port}`,
      credentials.createInsecure(),
    ) as unknown as GrpcSlotsClient;
    clients.push(client);
    return client;
  };
  const dial = (onEnd: () => void = () => {}): SlotStream =>
    new SlotStream(connect(), { now: Date.now, onEnd });
  const dialHand = (): SlotPrefetcher => {
    const stream = new SlotStream(connect(), {
      now: Date.now,
      onEnd: () => hand.end(),
      onRecall: (ownerUid) => hand.recall(ownerUid),
    });
    const hand = new SlotPrefetcher(stream, Date.now);
    return hand;
  };
  const close = (): void => {
    for (const client of clients) client.close();
    server.forceShutdown();
  };
  return { dial, dialHand, close };
};

const request = (requestUid: string): TakeRequest => ({
  requestUid,
  namespace: 'n',
  ownerKind: 'ReplicaSet',
  ownerName: 'web',
  ownerUid: 'owner',
  pod: JSON.stringify({
    metadata: { generateName: 'web-', ownerReferences: [OWNER] },
    spec: { containers: [{ name: 'main', resources: { requests: { cpu: '1m' } } }] },
  }),
  coexisting: false,
});

/** A leader whose owner has this many slots on each node. */
const leading = (counts: readonly number[]) => {
  let now = 1_000_000;
  const store = new IntentStore(log);
  const nodes = new FakeCache<Node>(NODES);
  counts.forEach((count, at) => {
    const name = `node-${at}`;
    nodes.put({ metadata: { name }, status: { allocatable: { cpu: '64', memory: '64Gi', pods: '1000' } } });
    const owner = { kind: 'ReplicaSet', name: 'web', uid: 'owner', count };
    const intent: Intent = {
      id: `pin/${name}`,
      plan: 'plan',
      nodeClaim: `claim-${name}`,
      nodeName: name,
      pin: { namespace: 'n', owner },
    };
    store.upsert(intent, at);
  });
  const state: State = {
    store,
    nodes,
    pods: new FakeCache<Pod>(PODS, POD_INDEXES),
    assumedPods: new AssumedPods(() => now),
    requestsOf: rememberRequests(),
    now: () => now,
  };
  const allocator = new SlotAllocator({ log, now: () => now });
  allocator.lead(state);
  now += 1_000;
  return { allocator, state };
};

t.test('two replicas, 500 creations at once, some asked twice: no slot twice, none left over', async () => {
  const counts = fc.array(fc.integer({ min: 0, max: 250 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(counts, fc.integer({ min: 0, max: 2 ** 31 }), async (places, seed) => {
      const { dial, close } = await serve(createSlotsService(leading(places).allocator));
      const streams = [dial(), dial()];
      const ask = (at: number): Promise<TakeReply> => {
        const stream = streams[((at * 2_654_435_761 + seed) >>> 7) % 2] as SlotStream;
        return stream.take(request(`r-${at}`), 20_000);
      };
      const order = Array.from({ length: 500 }, (_, at) => at);
      const replies = await Promise.all(order.map(ask));
      const again = await Promise.all(order.slice(0, 50).map(ask));
      close();
      if (JSON.stringify(again) !== JSON.stringify(replies.slice(0, 50)))
        throw new Error('a replay got another answer');
      places.forEach((count, at) => {
        const given = replies.filter(({ nodeName }) => nodeName === `node-${at}`).length;
        if (given > count) throw new Error(`${given} of ${count} on node-${at}`);
      });
      const given = replies.filter(({ way }) => way === 'assign').length;
      const places500 = Math.min(
        500,
        places.reduce((sum, count) => sum + count, 0),
      );
      if (given !== places500) throw new Error(`${given} slots given instead of ${places500}`);
    }),
    { numRuns: 10, includeErrorInReport: true },
  );
});

const ROLLED_OUT = 100;

/** Two classes of pods, as during a rollout. */
const shapes = ['a', 'b'].map((label) => {
  const { pod, ...rest } = request('');
  const { metadata, spec } = JSON.parse(pod);
  return { ...rest, pod: JSON.stringify({ metadata: { ...metadata, labels: { label } }, spec }) };
});

/** Asks a replica for a slot for a pod of one of the classes. */
const takeFrom = (hand: SlotPrefetcher, at: number, shape = shapes[0]): Promise<TakeReply> => {
  const one = { ...shape, requestUid: `r-${at}` } as TakeRequest;
  return hand.take(one, one.pod, 20_000);
};

/** Adds the pod of a reply to the cluster. */
const show = ({ pods, assumedPods }: State, uid: string, { nodeName, intentId }: TakeReply): void => {
  const object: Pod = {
    metadata: {
      name: uid,
      namespace: 'n',
      uid: `pod-${uid}`,
      annotations: { [PIN]: intentId },
      ownerReferences: [OWNER],
    },
    spec: { nodeName, containers: [] },
  };
  (pods as FakeCache<Pod>).put(object);
  assumedPods.observe({ type: 'add', object });
};

t.test('slots in hand: two replicas, waves of pods: no slot twice, none left over', async (t) => {
  const counts = fc.array(fc.integer({ min: 0, max: 250 }), { minLength: 1, maxLength: 4 });
  let all = 0;
  let waited = 0;
  await fc.assert(
    fc.asyncProperty(counts, fc.integer({ min: 0, max: 2 ** 31 }), async (places, seed) => {
      const { allocator, state } = leading(places);
      const service = createSlotsService(allocator);
      const { dialHand, close } = await serve(service);
      const take = allocator.take.bind(allocator);
      const asked = new Set<string>();
      allocator.take = (one) => {
        asked.add(one.requestUid);
        return take(one);
      };
      const hands = [dialHand(), dialHand()];
      const random = (at: number, below: number): number => ((at * 2_654_435_761 + seed) >>> 9) % below;
      const handOf = (at: number): SlotPrefetcher => hands[random(at, 2)] as SlotPrefetcher;
      const replies: TakeReply[] = [];
      const ask = async (at: number): Promise<void> => {
        // The rollout ends in the middle.
        const shape = shapes[at < ROLLED_OUT ? random(at, 2) : 1];
        const reply = await takeFrom(handOf(at), at, shape);
        if (reply.way === 'assign' && random(at, 3) > 0) show(state, `r-${at}`, reply);
        replies[at] = reply;
      };
      for (let at = 0; at < 500; ) {
        const wave = Array.from({ length: Math.min(500 - at, 1 + random(at, 20)) }, (_, i) => at + i);
        await Promise.all(wave.map(ask));
        at += wave.length;
      }
      const again = replies[499] as TakeReply;
      const { nodeName, way } = await takeFrom(handOf(499), 499, shapes[1]);
      if (nodeName !== again.nodeName || way !== again.way) throw new Error('a replay got another answer');
      close();
      places.forEach((count, at) => {
        const given = replies.filter(({ nodeName }) => nodeName === `node-${at}`).length;
        if (given > count) throw new Error(`${given} of ${count} on node-${at}`);
      });
      const given = replies.filter(({ way }) => way === 'assign').length;
      const room = places.reduce((sum, count) => sum + count, 0);
      if (given !== Math.min(500, room)) throw new Error(`${given} slots given of ${room}`);
      const settled = [...replies.entries()].filter(([at, { way }]) => at >= ROLLED_OUT && way === 'assign');
      all += settled.length;
      waited += settled.filter(([at]) => asked.has(`r-${at}`)).length;
    }),
    // Few slots are drawn often and rarely use prefetching: one round has slots for all.
    { numRuns: 10, examples: [[[250, 250], 1]], includeErrorInReport: true },
  );
  t.comment(`${waited} of ${all} pods waited for the leader`);
  t.ok(all > 0 && waited < all / 2, 'most slots came from the hand');
});

t.test('what is in hand and not used goes back', async (t) => {
  const { allocator, state } = leading([400]);
  const { dialHand, close } = await serve(createSlotsService(allocator));
  const hand = dialHand();
  const take = (at: number) => takeFrom(hand, at);
  for (let at = 0; at < 100; at++) t.match(await take(at), { way: 'assign' });
  t.ok(state.assumedPods.ofOwner('owner').length > 100, 'some are in hand');
  await until(() => state.assumedPods.ofOwner('owner').length === 100);

  for (let at = 100; at < 110; at++) await take(at);
  t.ok(state.assumedPods.ofOwner('owner').length > 110, 'some are in hand again');
  (state.nodes as FakeCache<Node>).drop('node-0');
  await until(() => state.assumedPods.ofOwner('owner').length === 110);
  t.match(await take(110), { way: 'hold' }, 'a node that is gone takes nobody');
  close();
});

t.test('a replica that died with slots in hand is not waited for', async (t) => {
  const { allocator } = leading([100]);
  const { dialHand, close } = await serve(createSlotsService(allocator));
  const [dead, living] = [dialHand(), dialHand()];
  for (let at = 0; at < 20; at++) await takeFrom(dead, at);
  // Hangs: it reads nothing and answers nothing.
  dead.recall = () => {};
  dead.end();
  let given = 0;
  for (let at = 100; at < 200; at++) {
    const { way } = await takeFrom(living, at);
    if (way === 'assign') given++;
  }
  t.ok(given >= 48 && given <= 80, `${given} of the 80 that are left, save those in hand`);
  close();
});

const batches: TakeRequest[][] = [];
let hold: ServerDuplexStream<TakeRequests, TakeReplies> | undefined;
const replyTo = ({ requestUid }: TakeRequest): TakeReply => ({
  nodeName: requestUid,
  intentId: '',
  plan: '',
  way: '',
  reason: '',
});

/** A leader that records its requests and answers on demand. */
const slow = {
  Take: (call: ServerDuplexStream<TakeRequests, TakeReplies>) => {
    hold = call;
    call.on('data', ({ requests }: TakeRequests) => void batches.push([...requests]));
  },
};

const until = async (is: () => boolean): Promise<void> => {
  const began = Date.now();
  while (!is()) {
    if (Date.now() - began > 10_000) throw new Error('not in time');
    await sleep(2);
  }
};

t.test(
  'what is asked at once travels together; while two batches are under way, the rest gathers',
  async (t) => {
    const { dial, close } = await serve(slow);
    const stream = dial();
    const uids = async (prefix: string, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, at) => stream.take(request(`${prefix}-${at}`), 10_000)),
      ).then((replies) => replies.map(({ nodeName }) => nodeName));
    const first = uids('a', 10);
    await until(() => batches.length === 1);
    const second = uids('b', 1);
    await until(() => batches.length === 2);
    const third = uids('c', 5);
    const fourth = uids('d', 1);
    // Late ones are answered so, and no slot is asked for them when the leader answers again.
    await t.rejects(stream.take(request('late'), 20), /no answer within 20 ms/);
    t.equal(batches.length, 2);
    t.ok(stream.silentMs >= 0);
    for (let at = 0; at < 3; at++) {
      await until(() => batches.length > at);
      hold?.write({ replies: (batches[at] ?? []).map(replyTo) });
    }
    t.equal((await first).length, 10);
    t.same(
      await first,
      batches[0]?.map(({ requestUid }) => requestUid),
      'each gets its own answer',
    );
    t.same(await second, ['b-0']);
    t.same([...(await third), ...(await fourth)], ['c-0', 'c-1', 'c-2', 'c-3', 'c-4', 'd-0']);
    t.same(
      batches.map((batch) => batch.length),
      [10, 1, 6],
    );
    close();
  },
);

t.test('a leader that leads no more ends the streams of those who ask it', async (t) => {
  const { allocator } = leading([1]);
  const { dial, close } = await serve(createSlotsService(allocator));
  let ends = 0;
  const stream = dial(() => ends++);
  t.match(await stream.take(request('r'), 5_000), { way: 'assign' });
  allocator.lead(undefined);
  await until(() => ends === 1);
  await t.rejects(stream.take(request('s'), 5_000), /does not lead/);
  const other = dial(() => ends++);
  await t.rejects(other.take(request('s'), 5_000), /does not lead/);
  close();
});
