import { PIN } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent, TakeRequest } from '../../api/pinning.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { IntentStore } from '../intents/store.ts';
import { AssumedPods } from '../placement/assumedpods.ts';
import type { State } from '../placement/state.ts';
import { SideCounter } from '../sides/counter.ts';

/** A leader's state with slots of one owner, and its clock. */

export const log = createLogger({ component: 'slots', level: 'silent' });

/** Counts nothing: it never leads. */
export const noSides = new SideCounter({
  client: { list: () => Promise.reject(new Error('nobody lists')) },
  log,
  now: Date.now,
});

export const owner = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'web',
  uid: 'owner',
  controller: true,
};

export const pod = (name: string, nodeName?: string, intentId?: string): Pod => ({
  metadata: {
    name,
    namespace: 'n',
    uid: name,
    ownerReferences: [owner],
    ...(intentId && { annotations: { [PIN]: intentId } }),
  },
  spec: {
    containers: [{ name: 'main', resources: { requests: { cpu: '100m' } } }],
    ...(nodeName && { nodeName }),
  },
});

export const node = (name: string, pods: string): Node => ({
  metadata: { name },
  status: { allocatable: { cpu: '64', memory: '64Gi', pods } },
});

export const intent = (nodeName: string, count: number, names: readonly string[] = []): Intent => ({
  id: `pin/${nodeName}`,
  plan: 'plan',
  nodeClaim: `claim-${nodeName}`,
  nodeName,
  pin: { namespace: 'n', owner: { kind: 'ReplicaSet', name: 'web', uid: 'owner', count, names } },
});

export const scene = (counts: readonly number[], room = '100') => {
  let now = 1_000_000;
  const store = new IntentStore(log);
  const pods = new FakeCache(PODS, POD_INDEXES);
  const nodes = new FakeCache(NODES);
  const assumedPods = new AssumedPods(() => now);
  pods.onChange((change) => assumedPods.observe(change));
  counts.forEach((count, at) => {
    nodes.put(node(`node-${at}`, room));
    store.upsert(intent(`node-${at}`, count), at);
  });
  const refusals = { closedReason: () => undefined };
  const requestsOf = memoizeRequests();
  const state: State = { store, pods, nodes, assumedPods, refusals, requestsOf, now: () => now };
  return { state, pods, nodes, pass: (ms: number) => (now += ms) };
};

/** What a webhook replica asks when a pod of the owner is created. */
export const takeRequest = (requestUid: string): TakeRequest => ({
  requestUid,
  namespace: 'n',
  ownerKind: 'ReplicaSet',
  ownerName: 'web',
  ownerUid: 'owner',
  pod: JSON.stringify(pod('')),
  coexisting: false,
});
