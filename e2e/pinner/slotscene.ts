import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, makeGenericClientConstructor, Server, ServerCredentials } from '@grpc/grpc-js';
import type { Node, Pod } from '../../api/objects.ts';
import { type Intent, loadPinningServices, type TakeRequest } from '../../api/pinning.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { IntentStore } from '../../extender/intents/store.ts';
import { AssumedPods } from '../../extender/placement/assumedpods.ts';
import type { State } from '../../extender/placement/state.ts';
import { SlotAllocator } from '../../extender/slotservice/allocator.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { paced } from '../../kube/testing/pace.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { SlotPrefetcher } from '../../webhook/slots/prefetcher.ts';
import { type GrpcSlotsClient, SlotStream } from '../../webhook/slots/stream.ts';

const log = createLogger({ component: 'slots', level: 'silent' });
const { slots } = loadPinningServices();

export const OWNER = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'web',
  uid: 'owner',
  controller: true,
};

/** Serves the Slots service on loopback; `dial` and `dialPrefetcher` connect as a replica of the webhook does. */
export const serve = async (implementation: Parameters<Server['addService']>[1]) => {
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
  const dialPrefetcher = (): SlotPrefetcher => {
    const stream = new SlotStream(connect(), {
      now: Date.now,
      onEnd: () => prefetcher.end(),
      onRecall: (ownerUid) => prefetcher.recall(ownerUid),
    });
    const prefetcher = new SlotPrefetcher(stream, Date.now);
    return prefetcher;
  };
  const close = (): void => {
    for (const client of clients) client.close();
    server.forceShutdown();
  };
  return { dial, dialPrefetcher, close };
};

/** A request for a slot for a pod of the owner. */
export const request = (requestUid: string): TakeRequest => ({
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
export const leading = (counts: readonly number[]) => {
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
    refusals: { closedReason: () => undefined },
    requestsOf: memoizeRequests(),
    now: () => now,
  };
  const allocator = new SlotAllocator({ log, now: () => now });
  allocator.lead(state);
  now += 1_000;
  return { allocator, state };
};

/** Waits for a condition that takes milliseconds; fails after 10 s. */
export const until = async (is: () => boolean): Promise<void> => {
  const began = Date.now();
  while (!is()) {
    if (Date.now() - began > paced(10_000)) throw new Error('not in time');
    await sleep(2);
  }
};
