import t from 'tap';
import { JOIN_DEADLINE, NODE_CLAIM, NOT_READY, PLACEHOLDER, PREPARING_TAINT } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent, NodeIntent } from '../../api/pinning.ts';
import { decidePlaceholder, type PlaceholderFacts, type PlaceholderStep, placeholderOf } from './decide.ts';

const NOW = Date.parse('2030-01-01T00:00:00Z');
const PROVIDER = 'aws:///us-west-2a/i-1';

const intent = (change: Partial<NonNullable<Intent['node']>> = {}): Intent => ({
  id: 'node/n',
  plan: 'plan',
  nodeClaim: 'claim',
  nodeName: 'n',
  node: {
    providerId: PROVIDER,
    labels: { zone: 'a' },
    annotations: {},
    taints: [{ key: PREPARING_TAINT, value: 'true', effect: 'NoSchedule' }],
    capacity: { cpu: '4', 'nvidia.com/gpu': '1' },
    allocatable: { cpu: '3900m', 'nvidia.com/gpu': '1' },
    joinDeadlineMs: NOW + 60_000,
    nodeClaimUid: 'uid',
    ...change,
  },
});

interface Shape {
  readonly isOurs?: boolean;
  readonly joined?: boolean;
  readonly providerID?: string;
  readonly deleting?: boolean;
  readonly made?: string;
  readonly complete?: boolean;
  readonly deadline?: string;
  readonly taints?: readonly string[];
}

const node = (s: Shape = {}): Node => ({
  metadata: {
    name: 'n',
    creationTimestamp: s.made ?? '2030-01-01T00:00:00Z',
    labels: {
      ...(s.complete === false ? {} : { zone: 'a' }),
      ...(s.isOurs && { [PLACEHOLDER]: 'true' }),
    },
    annotations:
      s.complete === false
        ? {}
        : { [NODE_CLAIM]: 'claim', [JOIN_DEADLINE]: s.deadline ?? '2030-01-01T00:01:00.000Z' },
    ...(s.deleting && { deletionTimestamp: '2030-01-01T00:00:00Z' }),
  },
  spec: {
    providerID: s.providerID ?? PROVIDER,
    taints: (s.taints ?? []).map((key) => ({ key, effect: 'NoSchedule' as const })),
  },
  status: s.joined ? { nodeInfo: { kubeletVersion: 'v1.36.3' } } : {},
});

const someonesPod: Pod = { metadata: { name: 'p' }, spec: { containers: [], nodeName: 'n' } };

const facts = (change: Partial<PlaceholderFacts> = {}): PlaceholderFacts => ({
  name: 'n',
  intent: intent(),
  node: undefined,
  pods: [],
  hasPins: false,
  hasFullState: true,
  isDisabled: false,
  now: NOW,
  ...change,
});

const none = undefined;

const rows: readonly (readonly [
  string,
  Partial<PlaceholderFacts>,
  PlaceholderStep['kind'],
  PlaceholderStep['state'],
])[] = [
  ['a machine on its way gets a placeholder', {}, 'create', 'PLACED'],
  ['a placeholder deleted by a user is created again', { hasFullState: false }, 'create', 'PLACED'],
  [
    'a machine without providerID gets no placeholder',
    { intent: intent({ providerId: '' }) },
    'delete-pods',
    'UNKNOWN',
  ],
  ['a deadline that passed makes no placeholder', { now: NOW + 60_000 }, 'delete-pods', 'GIVEN_UP'],
  ['a placeholder is kept', { node: node({ isOurs: true }) }, 'keep', 'PLACED'],
  [
    'a placeholder is deleted at its deadline',
    { node: node({ isOurs: true }), now: NOW + 60_000 },
    'delete',
    'GIVEN_UP',
  ],
  ['a kubelet takes its placeholder over', { node: node({ isOurs: true, joined: true }) }, 'patch', 'JOINED'],
  [
    'a Node whose kubelet joined is never deleted',
    { node: node({ joined: true }), now: NOW + 90_000 },
    'none',
    'JOINED',
  ],
  [
    'a kubelet that joined at the last moment keeps its Node too',
    { node: node({ isOurs: true, joined: true }), now: NOW + 90_000 },
    'patch',
    'JOINED',
  ],
  [
    'a node that its kubelet created first is completed',
    { node: node({ joined: true, complete: false }) },
    'patch',
    'JOINED',
  ],
  ['a node that lacks nothing is left alone', { node: node({ joined: true }) }, 'none', 'JOINED'],
  [
    "another machine's Node of that name is waited for",
    { node: node({ joined: true, providerID: 'other' }) },
    'wait',
    'REJECTED',
  ],
  [
    'our own placeholder for another machine is deleted',
    { node: node({ isOurs: true, providerID: 'other' }) },
    'delete',
    'UNKNOWN',
  ],
  [
    'a placeholder that is being deleted loses its pods',
    { node: node({ isOurs: true, deleting: true }) },
    'delete',
    'GIVEN_UP',
  ],
  [
    'a joined node that is being deleted keeps its pods',
    { node: node({ joined: true, deleting: true }) },
    'wait',
    'JOINED',
  ],
  ["someone else's Node is never renewed or deleted", { node: node(), now: NOW + 90_000 }, 'none', 'PLACED'],
  [
    'a placeholder that no plan wants is deleted',
    { intent: none, node: node({ isOurs: true }) },
    'delete',
    'UNKNOWN',
  ],
  [
    'a placeholder is kept while the autoscaler has not sent its state',
    { intent: none, node: node({ isOurs: true }), hasFullState: false },
    'keep',
    'UNKNOWN',
  ],
  [
    'its deadline holds without the autoscaler, too',
    { intent: none, node: node({ isOurs: true }), hasFullState: false, now: NOW + 60_000 },
    'delete',
    'UNKNOWN',
  ],
  [
    'a joined placeholder that no plan wants stays as a node',
    { intent: none, node: node({ isOurs: true, joined: true }) },
    'patch',
    'UNKNOWN',
  ],
  [
    'while pinning is off a placeholder stays, else Karpenter would terminate its machine',
    { intent: none, node: node({ isOurs: true }), hasFullState: false, isDisabled: true },
    'keep',
    'UNKNOWN',
  ],
  [
    'while pinning is off its deadline holds',
    { intent: none, node: node({ isOurs: true }), hasFullState: false, isDisabled: true, now: NOW + 60_000 },
    'delete',
    'UNKNOWN',
  ],
  [
    'while pinning is off a joined node loses its reservation',
    {
      intent: none,
      node: node({ joined: true, taints: [PREPARING_TAINT] }),
      hasFullState: false,
      isDisabled: true,
    },
    'patch',
    'UNKNOWN',
  ],
  [
    'while pinning is off pods on a missing node are deleted',
    { intent: none, hasFullState: false, isDisabled: true },
    'delete-pods',
    'UNKNOWN',
  ],
  [
    'a node that no plan reserves any more loses its taint',
    { intent: none, node: node({ joined: true, taints: [PREPARING_TAINT] }) },
    'patch',
    'UNKNOWN',
  ],
  [
    'a node that pins still go to stays reserved',
    { intent: none, node: node({ joined: true, taints: [PREPARING_TAINT] }), hasPins: true },
    'none',
    'UNKNOWN',
  ],
  [
    'a reserved node that is not ours keeps its taint',
    { intent: none, node: node({ joined: true, complete: false, taints: [PREPARING_TAINT] }) },
    'none',
    'UNKNOWN',
  ],
  ['a foreign node is not ours', { intent: none, node: node({ complete: false }) }, 'none', 'UNKNOWN'],
  ['pods on a missing Node are deleted', { intent: none }, 'delete-pods', 'UNKNOWN'],
];

for (const [says, change, kind, state] of rows) {
  t.test(says, async (t) => {
    const step = decidePlaceholder(facts(change));
    t.equal(step.kind, kind, step.reason);
    t.equal(step.state, state);
  });
}

t.test('a placeholder has all labels and taints, no devices, no Ready condition', async (t) => {
  const step = decidePlaceholder(facts());
  if (step.kind !== 'create') return t.fail('not created');
  t.match(step.node, {
    metadata: {
      name: 'n',
      labels: { zone: 'a', [PLACEHOLDER]: 'true' },
      annotations: { [NODE_CLAIM]: 'claim' },
    },
    spec: { providerID: PROVIDER, taints: [{ key: PREPARING_TAINT, effect: 'NoSchedule' }] },
    status: { capacity: { cpu: '4' }, allocatable: { cpu: '3900m' } },
  });
  t.notOk(step.node.status?.capacity?.['nvidia.com/gpu']);
  t.notOk(step.node.status?.conditions);
});

t.test('a node that its kubelet created is reserved only while it is young and empty', async (t) => {
  const taintsOf = (change: Partial<PlaceholderFacts>): readonly string[] => {
    const step = decidePlaceholder(facts(change));
    return step.kind === 'patch' ? (step.patch.spec?.taints ?? []).map(({ key }) => key) : [];
  };
  const fresh = node({ joined: true, complete: false });
  t.same(taintsOf({ node: fresh }), [PREPARING_TAINT]);
  t.same(taintsOf({ node: fresh, pods: [someonesPod] }), []);
  t.same(taintsOf({ node: node({ joined: true, complete: false, made: '2029-12-31T23:00:00Z' }) }), []);
  t.same(taintsOf({ node: node({ joined: true, complete: false, taints: [PREPARING_TAINT] }) }), []);
});

t.test('adoption takes our label off and nothing else', async (t) => {
  const step = decidePlaceholder(
    facts({ node: node({ isOurs: true, joined: true, taints: [PREPARING_TAINT] }) }),
  );
  if (step.kind !== 'patch') return t.fail('no patch');
  t.same(step.patch, { metadata: { labels: { [PLACEHOLDER]: null } } });
  t.ok(step.hasJoined);
});

t.test('a placeholder that Kubernetes is to keep closed says that it is not ready', async (t) => {
  const closed = { key: NOT_READY, value: '', effect: 'NoSchedule' };
  const open = placeholderOf(intent(), intent().node as NodeIntent);
  t.equal(open.status?.conditions, undefined, 'a node that a plan reserves says nothing');
  const step = placeholderOf(intent(), { ...(intent().node as NodeIntent), taints: [closed] });
  t.match(step.status?.conditions, [{ type: 'Ready', status: 'False' }]);
  t.match(step.spec?.taints, [{ key: NOT_READY, effect: 'NoSchedule' }]);
});
