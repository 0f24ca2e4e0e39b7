import t from 'tap';
import type { PodToMigrate, RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { NodeClaim, Pod } from '../../api/objects.ts';
import * as make from '../testing/builders.ts';
import { type IntentSources, inOrder, intentsOf } from './intents.ts';

const OWNER = { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' };
const move = (name: string, to: string, o: Partial<PodToMigrate> = {}): PodToMigrate => ({
  name,
  namespace: 'shop',
  srcNode: 'node-blue',
  dstNodeClaimName: to,
  owner: OWNER,
  ...o,
});
const attempts = (...names: readonly string[]) => ({
  nodesCreation: {
    green: {
      name: 'green',
      attempts: names.map((nodeClaimName, i) => ({
        instanceType: 'm5.large',
        nodeClaimName,
        status: i < names.length - 1 ? ('Failed' as const) : ('InProgress' as const),
      })),
    },
  },
});
const running = (
  moves: readonly PodToMigrate[],
  o: Partial<RebalancePlan['metadata']> = {},
  reached: Parameters<typeof make.plan>[2] = 'SavingsValidated',
): RebalancePlan => {
  const plan = make.plan(
    { nodeClaimsToAdd: [make.toAdd('green')], podsToMigrate: [...moves] },
    attempts('green'),
    reached,
  );
  return { ...plan, metadata: { ...plan.metadata, ...o } };
};
const LAUNCHED: NodeClaim = {
  ...make.nodeClaim('green', {
    labels: { 'karpenter.sh/nodepool': 'general', 'topology.kubernetes.io/zone': 'us-west-2a' },
  }),
  spec: {
    nodeClassRef: { group: 'g', kind: 'K', name: 'n' },
    requirements: [
      { key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.large'] },
      { key: 'team', operator: 'In', values: ['a', 'b'] },
    ],
    taints: [{ key: 't', effect: 'NoSchedule' }],
    startupTaints: [{ key: 's', value: 'v', effect: 'NoExecute' }],
  },
  status: { providerID: 'aws:///us-west-2a/i-1', capacity: { cpu: '2' }, allocatable: { cpu: '1930m' } },
};

interface Scene extends IntentSources {
  readonly plan: RebalancePlan;
}
const deriveIntents = ({ plan, ...s }: Scene) => inOrder([intentsOf(s, plan)]);

const sources = (plan: RebalancePlan, o: Partial<IntentSources> = {}): Scene => ({
  plan,
  claim: (name) => (name === 'green' ? LAUNCHED : name === 'stays' ? make.nodeClaim('stays') : undefined),
  node: (claim) => (claim.metadata.name === 'stays' ? make.node('stays') : undefined),
  nodeNamed: (name) => (name === 'managed' ? make.node('managed') : undefined),
  pod: () => undefined,
  nodeName: () => 'ip-10-0-0-4',
  joinDeadlineMs: 600_000,
  ...o,
});

t.test('a launched machine gives a node intent with the labels and taints of its Node', async (t) => {
  const [found] = deriveIntents(sources(running([])));
  t.match(found, { plan: 'plan', nodeClaim: 'green', nodeName: 'ip-10-0-0-4' });
  t.match(found?.node, {
    providerId: 'aws:///us-west-2a/i-1',
    labels: {
      'kubernetes.io/hostname': 'ip-10-0-0-4',
      'kubernetes.io/os': 'linux',
      'node.kubernetes.io/instance-type': 'm5.large',
      'topology.kubernetes.io/region': 'us-west-2',
      'topology.kubernetes.io/zone': 'us-west-2a',
    },
    taints: [
      { key: 't', value: '', effect: 'NoSchedule' },
      { key: 's', value: 'v', effect: 'NoExecute' },
    ],
    capacity: { cpu: '2' },
    allocatable: { cpu: '1930m' },
    nodeClaimUid: 'green-uid',
  });
  t.notOk('team' in (found?.node?.labels ?? {}), 'a requirement that is open is no label');
  t.equal(found?.node?.joinDeadlineMs, Date.parse(LAUNCHED.metadata.creationTimestamp ?? '') + 600_000);
});

t.test('a machine has no intent before its name is known', async (t) => {
  const intents = deriveIntents(sources(running([move('web-1', 'green')]), { nodeName: () => undefined }));
  t.same(
    intents.map((i) => [i.node !== undefined, i.nodeName]),
    [[false, '']],
    'but pins may come before',
  );
});

t.test('pods of one owner to one node are one slot count; pins come before nodes', async (t) => {
  const intents = deriveIntents(sources(running([move('web-1', 'green'), move('web-2', 'green')])));
  t.same(
    intents.map((i) => i.pin?.owner?.count ?? 'node'),
    [2, 'node'],
  );
});

t.test('fault 11: an owner has no slots while the plan orders its machines', async (t) => {
  const { srcNode: _, ...pending } = move('waits', 'green');
  for (const reached of [undefined, 'NodesCreated'] as const) {
    const plan = running([move('web-1', 'green'), move('web-2', 'stays'), pending], {}, reached);
    const plain = { ...plan, status: { ...plan.status, ...(reached === undefined && { conditions: [] }) } };
    const intents = deriveIntents(sources(plain, { pod: () => make.pod('waits') }));
    t.same(
      intents.map(({ pin }) => (pin ? (pin.pod?.name ?? 'slots') : 'node')),
      ['waits', 'node'],
      'its machine and the pod that it is bought for are known',
    );
  }
});

t.test('an owner has its slots on an added node that is ready: what that replaces is closed', async (t) => {
  const plan = running([move('web-1', 'green'), move('web-2', 'stays')], {}, 'NodesCreated');
  const green = plan.status?.nodesCreation?.green;
  const ready = (green?.attempts ?? []).map((each) => ({ ...each, status: 'Success' as const }));
  const nodesCreation = { green: { name: 'green', attempts: ready } };
  const intents = deriveIntents(sources({ ...plan, status: { ...plan.status, nodesCreation } }));
  t.same(
    intents.flatMap(({ pin }) => pin?.owner?.replaces ?? []),
    ['web-1'],
  );
});

t.test('slots name the pods that they replace', async (t) => {
  const [found] = deriveIntents(sources(running([move('web-2', 'green'), move('web-1', 'green')])));
  t.same(found?.pin?.owner?.replaces, ['web-1', 'web-2']);
});

t.test('an owner that keeps pod names has them in its intent, others have not', async (t) => {
  const owner = { kind: 'StatefulSet', name: 'db', uid: 'db-uid' };
  const moves = [move('db-2', 'green', { owner }), move('db-0', 'green', { owner }), move('web-1', 'green')];
  const owners = deriveIntents(sources(running(moves))).flatMap(({ pin }) => pin?.owner ?? []);
  t.same(
    owners.map(({ kind, count, names }) => ({ kind, count, names })),
    [
      { kind: 'StatefulSet', count: 2, names: ['db-0', 'db-2'] },
      { kind: 'ReplicaSet', count: 1, names: undefined },
    ],
  );
});

t.test(
  'for a node that stays, what stood there at the start counts, and never what the plan brought',
  async (t) => {
    const plan = running([move('web-1', 'stays')]);
    const status = { ...plan.status, pinBaseline: { 'rs-uid/stays': 3 } };
    const pin = deriveIntents(sources({ ...plan, status })).find((i) => i.pin);
    t.equal(pin?.pin?.owner?.count, 4);
    t.equal(pin?.nodeName, 'node-stays');
  },
);

t.test('a pending pod has an intent of its own, with its uid', async (t) => {
  const { srcNode: _, ...pending } = move('web-1', 'green');
  const existingPod = (): Pod => make.pod('web-1');
  const plan = running([pending]);
  t.match(deriveIntents(sources(plan, { pod: existingPod }))[0]?.pin, {
    namespace: 'shop',
    pod: { name: 'web-1', uid: 'web-1-uid' },
  });
  t.equal(deriveIntents(sources(plan)).filter((i) => i.pin).length, 0, 'a removed one is not');
});

t.test('the next attempt is another machine, and its pins keep their ids', async (t) => {
  const plan = running([move('web-1', 'green')]);
  const again: RebalancePlan = {
    ...plan,
    status: { ...plan.status, ...attempts('green', 'green-attempt-2') },
  };
  const claim = (): NodeClaim => ({
    ...LAUNCHED,
    metadata: { ...LAUNCHED.metadata, name: 'green-attempt-2' },
  });
  const [pin, node] = deriveIntents(sources(plan));
  const [nextPin, nextNode] = deriveIntents(sources(again, { claim }));
  t.equal(nextPin?.id, pin?.id);
  t.equal(nextPin?.nodeClaim, 'green-attempt-2');
  t.not(nextNode?.id, node?.id);
});

const SILENT: readonly [string, RebalancePlan][] = [
  ['a plan that has not started', { ...running([move('web-1', 'green')]), status: { state: 'Pending' } }],
  [
    'a plan that is taken back',
    { ...running([move('web-1', 'green')]), status: { state: 'Running', failurePhase: 'Creation' } },
  ],
  ['a plan that is done', { ...running([move('web-1', 'green')]), status: { state: 'Done' } }],
  ['a plan that is being deleted', running([move('web-1', 'green')], { deletionTimestamp: make.ago(1) })],
];
for (const [name, plan] of SILENT) {
  t.test(`${name} has no intents`, async (t) => t.same(deriveIntents(sources(plan)), []));
}

t.test('ids are valid label values, and another process derives the same', async (t) => {
  const plan = running([move('web-1', 'green'), move('web-2', 'stays')]);
  const ids = deriveIntents(sources(plan)).map((i) => i.id);
  t.ok(ids.every((id) => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(id)));
  t.same(
    deriveIntents(sources(structuredClone(plan))).map((i) => i.id),
    ids,
  );
});

t.test('slots on a node that Karpenter does not own name the node and no NodeClaim', async (t) => {
  const { dstNodeClaimName: _, ...bare } = move('web-1', '');
  const plan = running([{ ...bare, dstNodeName: 'managed' }]);
  const pins = deriveIntents(sources(plan)).filter(({ pin }) => pin);
  t.match(pins, [
    { nodeClaim: '', nodeName: 'managed', pin: { owner: { uid: 'rs-uid', count: 1, replaces: ['web-1'] } } },
  ]);
  const baseline = { ...plan, status: { ...plan.status, pinBaseline: { 'rs-uid/node/managed': 2 } } };
  t.match(deriveIntents(sources(baseline)).find(({ pin }) => pin)?.pin?.owner, { count: 3 });
  const gone = deriveIntents(sources(plan, { nodeNamed: () => undefined }));
  t.same(
    gone.filter(({ pin }) => pin),
    [],
    'kube-scheduler places the pods once the node is gone',
  );
});
