import { PIN, PIN_GATE, PREPARING_TAINT } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent, NodeIntent } from '../../api/pinning.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { IntentStore } from '../intents/store.ts';
import { AssumedPods } from '../placement/assumedpods.ts';
import { Refusals } from '../placement/refusals.ts';
import type { State } from '../placement/state.ts';

type PodPhase = NonNullable<NonNullable<Pod['status']>['phase']>;

export const OWNER = 'owner';
/** Milliseconds since the epoch at which each scene starts. */
export const START = 1_000_000;

/** A leader's state with caches and a clock that tests change directly. */
export const createScene = () => {
  let now = START;
  const store = new IntentStore(createLogger({ component: 'scene', level: 'silent' }));
  const pods = new FakeCache<Pod>(PODS, POD_INDEXES);
  const nodes = new FakeCache<Node>(NODES);
  const assumedPods = new AssumedPods(() => now);
  const refusals = new Refusals(pods, () => now);
  pods.onChange((change) => refusals.observe(change));
  const state: State = {
    store,
    pods,
    nodes,
    assumedPods,
    refusals,
    requestsOf: memoizeRequests(),
    now: () => now,
  };
  const advance = (ms: number): void => {
    now += ms;
  };
  return { state, store, pods, nodes, assumedPods, advance };
};

/** A pod of OWNER: pending, on a node, or behind our gate for an intent. */
export const podOf = (
  name: string,
  o: { readonly nodeName?: string; readonly gatedFor?: string; readonly phase?: PodPhase } = {},
): Pod => ({
  metadata: {
    name,
    namespace: 'n',
    uid: name,
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: OWNER, controller: true },
    ],
    ...(o.gatedFor !== undefined && { annotations: { [PIN]: o.gatedFor } }),
  },
  spec: {
    containers: [{ name: 'main', resources: { requests: { cpu: '100m' } } }],
    ...(o.nodeName !== undefined && { nodeName: o.nodeName }),
    ...(o.gatedFor !== undefined && { schedulingGates: [{ name: PIN_GATE }] }),
  },
  ...(o.phase !== undefined && { status: { phase: o.phase } }),
});

/** A Node that is reserved for a plan unless `isOpen`, and whose kubelet has joined unless told otherwise. */
export const nodeOf = (
  name: string,
  o: {
    readonly hasJoined?: boolean;
    readonly isDeleting?: boolean;
    readonly isOpen?: boolean;
    readonly providerID?: string;
  } = {},
): Node => ({
  metadata: { name, ...(o.isDeleting && { deletionTimestamp: '2030-01-01T00:00:00Z' }) },
  spec: {
    ...(o.providerID !== undefined && { providerID: o.providerID }),
    ...(!o.isOpen && { taints: [{ key: PREPARING_TAINT, effect: 'NoSchedule' }] }),
  },
  status: {
    allocatable: { cpu: '8', memory: '32Gi', pods: '110' },
    ...(o.hasJoined !== false && {
      nodeInfo: { kubeletVersion: 'v1.36.0' },
      conditions: [{ type: 'Ready', status: 'True' }],
    }),
  },
});

/** The intent for a node's machine. */
export const nodeIntentOf = (nodeName: string, more: Partial<NodeIntent> = {}): Intent => ({
  id: `node/${nodeName}`,
  plan: 'saving',
  nodeClaim: 'claim',
  nodeName,
  node: {
    providerId: `machine/${nodeName}`,
    labels: {},
    annotations: {},
    taints: [],
    capacity: {},
    allocatable: {},
    joinDeadlineMs: 0,
    nodeClaimUid: '',
    ...more,
  },
});

/** The pin intent for `count` pods of OWNER on a node; an empty name stands for a node without one. */
export const slotsIntentOf = (nodeName: string, count: number, id = `pin/${nodeName}`): Intent => ({
  id,
  plan: 'saving',
  nodeClaim: 'claim',
  nodeName,
  pin: { namespace: 'n', owner: { kind: 'ReplicaSet', name: 'web', uid: OWNER, count } },
});

/** The pin intent for one pod, whose uid is its name. */
export const podIntentOf = (name: string, nodeName: string): Intent => ({
  id: `pin/${name}`,
  plan: 'saving',
  nodeClaim: 'claim',
  nodeName,
  pin: { namespace: 'n', pod: { name, uid: name } },
});
