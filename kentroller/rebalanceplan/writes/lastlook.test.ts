import t from 'tap';
import { SURGED } from '../../../api/labels.ts';
import type { KubeObject, Node, NodeClaim, Pod } from '../../../api/objects.ts';
import type { Resource } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { KubeError } from '../../../kube/errors.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, CORDONED, DELETE } from '../../testing/decisions.ts';
import { apply } from '../apply.ts';
import type { ExecutionState } from '../state/state.ts';
import type { Step } from '../state/step.ts';
import { SKIPPED, type Writer } from './writer.ts';

/** The fault of late pods, at the write itself: the API server knows what the cache does not show yet. */

interface Server {
  readonly pods?: readonly Pod[];
  readonly node?: Node;
  readonly claim?: NodeClaim;
  readonly replicaSets?: readonly KubeObject[];
}

const named = (objects: readonly (KubeObject | undefined)[], name: string): KubeObject => {
  const found = objects.find((object) => object?.metadata.name === name);
  if (!found) throw new KubeError('gone', { kind: 'not-found', status: 404 });
  return found;
};

/** A writer on a server with these objects, and the writes that it received. */
const writing = ({ pods = [], node, claim, replicaSets = [] }: Server) => {
  const writes: string[] = [];
  const client = {
    get: async (resource: Resource, { name }: { name: string }) =>
      named(resource.kind === 'Pod' ? pods : [resource.kind === 'Node' ? node : claim], name),
    list: async (r: Resource) => ({ items: r.kind === 'Pod' ? pods : replicaSets, resourceVersion: '1' }),
    evict: async ({ name, uid, resourceVersion }: Record<string, string>) =>
      void writes.push(`evict ${name} ${uid} ${resourceVersion}`),
    delete: async (r: Resource, { name }: { name: string }, o: Record<string, string>) =>
      void writes.push(`delete ${r.kind} ${name} ${o.uid} ${o.resourceVersion ?? '-'}`),
    create: async (r: Resource, object: KubeObject) =>
      void writes.push(`create ${r.kind} ${object.metadata.name}`),
  };
  const writer = {
    client: client as unknown as KubeClient,
    pins: () => ({ connected: true, goneForMs: 0, acknowledged: true }),
    signal: new AbortController().signal,
  } as unknown as Writer;
  return { writes, writer };
};

const state: ExecutionState = make.executionState(make.plan(DELETE, {}, 'PinsReady'), {
  ...BLUE,
  nodes: new Map([['blue', CORDONED]]),
});
const at = (pod: Pod, resourceVersion: string): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, resourceVersion },
});
const why = { reason: 'x', message: 'x' };
const target = { name: 'web-1', namespace: 'shop', uid: 'web-1-uid' };
const EVICT: Step = { kind: 'evict', ...target, ...why };
const DELETE_POD: Step = { kind: 'delete-pod', ...target, ...why };
const REMOVE_POD: Step = { kind: 'remove-pod', ...target, ...why };
const DELETE_CLAIM: Step = { kind: 'delete-claim', claim: 'blue', uid: 'blue-uid', isDrained: true, ...why };
const MIGRATE: Step = {
  kind: 'create-migration',
  claim: 'blue',
  migration: { metadata: { name: 'plan-blue' }, spec: { migrations: [] } },
  ...why,
};

const WEB = at(make.pod('web-1'), '7');
const PROTECTED = at(make.pod('web-1', { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } }), '8');
const DETACHED = make.pod('web-1', {
  ownerReferences: [],
  annotations: {
    [SURGED]: JSON.stringify({ plan: 'plan', hash: 'abc', replicaSet: { name: 'rs', uid: 'rs-uid' } }),
  },
});
const onBlue = (pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec, nodeName: 'node-blue' } });
const CLAIM: NodeClaim = {
  ...make.nodeClaim('blue', { resourceVersion: '9' }),
  status: { nodeName: 'node-blue' },
};
const DAEMON = make.pod('agent', {
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'd', controller: true }],
});

const DELETED = 'delete NodeClaim blue blue-uid 9';
const CASES: (readonly [string, Step, Server, readonly string[]])[] = [
  ['a pod is evicted as it was seen a moment ago', EVICT, { pods: [WEB] }, ['evict web-1 web-1-uid 7']],
  ['a pod that was protected a moment ago is not evicted', EVICT, { pods: [PROTECTED] }, []],
  [
    'a pod of the same name is another pod',
    EVICT,
    { pods: [at(make.pod('web-1', { uid: 'new' }), '8')] },
    [],
  ],
  [
    'a pod that is going is not evicted',
    EVICT,
    { pods: [make.pod('web-1', { deletionTimestamp: 'x' })] },
    [],
  ],
  ['a pod that is gone is not evicted', EVICT, {}, []],
  ['a pod that may go is deleted in the end', DELETE_POD, { pods: [WEB] }, ['delete Pod web-1 web-1-uid 7']],
  ['a pod that was protected a moment ago is not deleted', DELETE_POD, { pods: [PROTECTED] }, []],
  [
    'a forsaken pod is deleted like the ReplicaSet that it was part of',
    { ...DELETE_POD, forsakenBy: { name: 'rs', uid: 'rs-uid' } },
    { pods: [DETACHED] },
    ['delete Pod web-1 web-1-uid -'],
  ],
  [
    'a detached pod whose ReplicaSet only the cache misses is not deleted',
    { ...DELETE_POD, forsakenBy: { name: 'rs', uid: 'rs-uid' } },
    { pods: [DETACHED], replicaSets: [{ metadata: { name: 'rs', uid: 'rs-uid' } }] },
    [],
  ],
  [
    'a pod on a machine that never joined is removed',
    REMOVE_POD,
    { pods: [onBlue(WEB)], node: make.node('blue', { ready: false }) },
    ['delete Pod web-1 web-1-uid -'],
  ],
  [
    'a pod on a machine that joined a moment ago runs on',
    REMOVE_POD,
    { pods: [onBlue(WEB)], node: make.node('blue') },
    [],
  ],
  [
    'the NodeClaim of an empty node is deleted',
    DELETE_CLAIM,
    { claim: CLAIM, node: CORDONED, pods: [DAEMON] },
    ['delete NodeClaim blue blue-uid 9'],
  ],
  [
    'a NodeClaim stays when a pod was bound to its node a moment ago',
    DELETE_CLAIM,
    { claim: CLAIM, node: CORDONED, pods: [WEB] },
    [],
  ],
  [
    "a NodeClaim stays when a DaemonSet's pod was protected a moment ago",
    DELETE_CLAIM,
    {
      claim: CLAIM,
      node: CORDONED,
      pods: [
        {
          ...DAEMON,
          metadata: { ...DAEMON.metadata, annotations: { 'karpenter.sh/do-not-disrupt': 'true' } },
        },
      ],
    },
    [],
  ],
  [
    'a NodeClaim stays when its node was opened a moment ago',
    DELETE_CLAIM,
    { claim: CLAIM, node: make.locked('blue') },
    [],
  ],
  [
    'a NodeClaim stays when it was protected a moment ago',
    DELETE_CLAIM,
    {
      claim: {
        ...CLAIM,
        metadata: { ...CLAIM.metadata, annotations: { 'karpenter.sh/do-not-disrupt': 'true' } },
      },
      node: CORDONED,
    },
    [],
  ],
  [
    'a NodeClaim of the same name is another one',
    DELETE_CLAIM,
    { claim: { ...CLAIM, metadata: { ...CLAIM.metadata, uid: 'new' } }, node: CORDONED },
    [],
  ],
  [
    'a live migration is asked for',
    MIGRATE,
    { node: CORDONED, pods: [WEB] },
    ['create RebalanceMigrationPlan plan-blue'],
  ],
  [
    'no live migration is asked for once a pod was protected',
    MIGRATE,
    { node: CORDONED, pods: [PROTECTED] },
    [],
  ],
];

const WITHDRAW: Step = { kind: 'delete-claim', claim: 'blue', uid: 'blue-uid', isUnused: true, ...why };
const reserved = (mark: string): NodeClaim => ({
  ...CLAIM,
  metadata: { ...CLAIM.metadata, annotations: make.reservedBy(mark) },
});
const OURS = reserved(make.MARK);
const JOINED = make.node('blue');
const COMING = make.node('blue', { ready: false });
CASES.push(
  [
    'an added machine without pods is given up',
    WITHDRAW,
    { claim: OURS, node: JOINED, pods: [DAEMON] },
    [DELETED],
  ],
  [
    'an added machine stays that got a pod a moment ago',
    WITHDRAW,
    { claim: OURS, node: JOINED, pods: [WEB] },
    [],
  ],
  [
    'one that has not joined is given up, whatever is on it',
    WITHDRAW,
    { claim: OURS, node: COMING, pods: [WEB] },
    [DELETED],
  ],
  ['an added machine that was released a moment ago stays', WITHDRAW, { claim: CLAIM, node: JOINED }, []],
  ['an added machine of another plan stays', WITHDRAW, { claim: reserved('plan/other'), node: JOINED }, []],
);

for (const [name, step, server, expected] of CASES) {
  t.test(name, async (t) => {
    const { writes, writer } = writing(server);
    const result = await apply(writer, state, step);
    t.same(writes, expected);
    t.equal(result === SKIPPED, expected.length === 0, 'what was not done is not reported');
  });
}

t.test('a pod that changed after the look is left to the next pass', async (t) => {
  const { writer } = writing({ pods: [WEB] });
  const conflict = new KubeError('changed', { kind: 'conflict', status: 409 });
  Object.assign(writer.client, {
    evict: async () => {
      throw conflict;
    },
  });
  t.equal(await apply(writer, state, EVICT), SKIPPED);
});
