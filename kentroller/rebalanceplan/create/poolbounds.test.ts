import t from 'tap';
import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import type { NodePool, Taint } from '../../../api/objects.ts';
import { reservationOf } from '../../../api/reservation.ts';
import { SCOPE_LABELS, SCOPE_TAINT } from '../../../planner/model/nodepool.ts';
import * as make from '../../testing/builders.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';

/** A plan can't exceed its NodePool, whoever wrote it: what it orders is the NodePool's, and asking for more ends it. */

type Requirements = NodeClaimToAdd['spec']['requirements'];

const HASH = 'karpenter.sh/nodepool-hash';
const TYPE = 'node.kubernetes.io/instance-type';

const only = (type: string): Requirements => [
  { key: TYPE, operator: 'In', values: [type] },
  { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
  { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a'] },
];

const DEDICATED: Taint = { key: 'dedicated', value: 'x', effect: 'NoSchedule' };

const asked = (
  metadata: Partial<NodeClaimToAdd['metadata']>,
  spec: Partial<NodeClaimToAdd['spec']> = {},
  rest: Partial<NodeClaimToAdd> = {},
): NodeClaimToAdd => {
  const own = make.toAdd('green', [['m5.large']]);
  return {
    ...own,
    metadata: { ...own.metadata, ...metadata, labels: { ...own.metadata.labels, ...metadata.labels } },
    spec: { ...own.spec, ...spec },
    ...rest,
  };
};

const stepsFor = (planned: readonly NodeClaimToAdd[], o: Partial<ExecutionState> = {}) =>
  decide(make.executionState(make.plan({ nodeClaimsToAdd: [...planned] }), o)).steps;

const failureFor = (planned: NodeClaimToAdd, o: Partial<ExecutionState> = {}): string => {
  const [step, ...others] = stepsFor([planned], o);
  if (step?.kind !== 'fail') return `${step?.kind}`;
  return others.length > 0 ? 'more than one step' : `${step.failureReason}: ${step.message}`;
};

const poolWith = (
  template: Partial<NodePool['spec']['template']['spec']>,
  labels?: Record<string, string>,
): Partial<ExecutionState> => {
  const pool = make.nodePool();
  const { metadata, spec } = pool.spec.template;
  const changed = { metadata: { ...metadata, ...(labels && { labels }) }, spec: { ...spec, ...template } };
  return { nodePools: new Map([['general', { ...pool, spec: { ...pool.spec, template: changed } }]]) };
};

t.test(
  'three p5.48xlarge of a foreign EC2NodeClass in a NodePool of 10 CPUs are never ordered',
  async (t) => {
    const evil = [0, 1, 2].map((i) => ({
      metadata: {
        name: `evil-${i}`,
        labels: {
          'karpenter.sh/nodepool': 'general',
          'node-restriction.kubernetes.io/tenant': 'payments',
          'node-role.kubernetes.io/infra': '',
        },
        annotations: { [HASH]: 'forged' },
      },
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'privileged-iam-class' },
        requirements: [],
        taints: [],
        startupTaints: [],
        expireAfter: 'Never',
      },
      alternatives: [{ requirements: only('p5.48xlarge'), priceHourly: '0' }],
    }));
    const limited = make.nodePool('general', { limits: { cpu: '10' } });
    for (const offerings of [make.offerings(make.PRICES), undefined]) {
      const steps = stepsFor(evil, { nodePools: new Map([['general', limited]]), offerings });
      t.match(steps, [{ kind: 'fail', failureReason: 'FailureReasonBeyondNodePool' }]);
    }
  },
);

const REFUSED: Readonly<Record<string, readonly [NodeClaimToAdd, RegExp, Partial<ExecutionState>?]>> = {
  'a foreign NodeClass': [
    asked({}, { nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'privileged' } }),
    /nodeClaimsToAdd\[0\]\.spec\.nodeClassRef/,
  ],
  'no taints where the NodePool has some': [asked({}, { taints: [] }), /nodeClaimsToAdd\[0\]\.spec\.taints/],
  'other taints than those of the NodePool': [
    asked({}, { taints: [{ key: 'dedicated', value: 'y', effect: 'NoSchedule' }] }),
    /nodeClaimsToAdd\[0\]\.spec\.taints/,
  ],
  'no startup taints where the NodePool has some': [
    asked({}, { startupTaints: [] }),
    /nodeClaimsToAdd\[0\]\.spec\.startupTaints/,
    poolWith({ startupTaints: [{ key: 'cni', effect: 'NoExecute' }] }),
  ],
  'a machine that never expires': [
    asked({}, { expireAfter: 'Never' }),
    /nodeClaimsToAdd\[0\]\.spec\.expireAfter/,
  ],
  'a grace period of its own': [
    asked({}, { terminationGracePeriod: '1s' }),
    /nodeClaimsToAdd\[0\]\.spec\.terminationGracePeriod/,
  ],
  'a forged hash': [
    asked({ annotations: { [HASH]: 'forged' } }),
    /nodeClaimsToAdd\[0\]\.metadata\.annotations\["karpenter.sh\/nodepool-hash"\]/,
  ],
  'an annotation that the NodePool does not give': [
    asked({ annotations: { 'node.alpha.kubernetes.io/ttl': '0' } }),
    /nodeClaimsToAdd\[0\]\.metadata\.annotations\["node.alpha.kubernetes.io\/ttl"\]/,
  ],
  'a label of node-restriction': [
    asked({ labels: { 'node-restriction.kubernetes.io/tenant': 'payments' } }),
    /nodeClaimsToAdd\[0\]\.metadata\.labels\["node-restriction.kubernetes.io\/tenant"\]/,
  ],
  'another value of a label of the NodePool': [
    asked({ labels: { team: 'b' } }),
    /nodeClaimsToAdd\[0\]\.metadata\.labels\["team"\]/,
  ],
  'a label of an object prototype': [
    asked({ labels: { constructor: 'x' } }),
    /nodeClaimsToAdd\[0\]\.metadata\.labels\["constructor"\]/,
  ],
  'a label by way of a requirement': [
    asked({}, { requirements: [{ key: 'tenant', operator: 'In', values: ['payments'] }] }),
    /nodeClaimsToAdd\[0\]\.spec\.requirements\[0\]\.key/,
  ],
  'another value of a template label by way of a requirement': [
    asked({}, { requirements: [{ key: 'team', operator: 'In', values: ['b'] }] }),
    /nodeClaimsToAdd\[0\]\.spec\.requirements\[0\]\.values/,
  ],
  'the taint of scoped mode without its labels': [
    asked({}, { taints: [DEDICATED, SCOPE_TAINT] }),
    /nodeClaimsToAdd\[0\]\.spec\.taints/,
  ],
  'the labels of scoped mode without its taint': [
    asked({ labels: SCOPE_LABELS }),
    /nodeClaimsToAdd\[0\]\.metadata\.labels/,
  ],
  'scoped mode without a taint of the NodePool': [
    asked({ labels: SCOPE_LABELS }, { taints: [SCOPE_TAINT] }),
    /nodeClaimsToAdd\[0\]\.spec\.taints/,
  ],
  'scoped mode and a label beside it': [
    asked(
      { labels: { ...SCOPE_LABELS, 'node-role.kubernetes.io/infra': '' } },
      { taints: [DEDICATED, SCOPE_TAINT] },
    ),
    /nodeClaimsToAdd\[0\]\.metadata\.labels\["node-role.kubernetes.io\/infra"\]/,
  ],
  'a label of scoped mode that the NodePool gives otherwise': [
    asked({ labels: SCOPE_LABELS }, { taints: [DEDICATED, SCOPE_TAINT] }),
    /nodeClaimsToAdd\[0\]\.metadata\.labels\["provisioner.cast.ai\/managed-by"\]/,
    poolWith({}, { 'provisioner.cast.ai/managed-by': 'others' }),
  ],
  'a value outside the requirements of the NodePool': [
    asked({}, {}, { alternatives: [{ requirements: only('m5.large'), priceHourly: '0.1' }] }),
    /nodeClaimsToAdd\[0\]\.alternatives\[0\]\.requirements\[1\]\.values/,
    poolWith({ requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot'] }] }),
  ],
  'an instance type of a family that the NodePool leaves out': [
    asked({}, {}, { alternatives: [{ requirements: only('c5.large'), priceHourly: '0.1' }] }),
    /nodeClaimsToAdd\[0\]\.alternatives\[0\]\.requirements\[0\]\.values/,
    poolWith({
      requirements: [{ key: 'karpenter.k8s.aws/instance-family', operator: 'In', values: ['m5'] }],
    }),
  ],
  'an instance type that the catalogue does not know': [
    asked({}, {}, { alternatives: [{ requirements: only('p5.48xlarge'), priceHourly: '0' }] }),
    /nodeClaimsToAdd\[0\]\.alternatives\[0\]\.requirements\[0\]\.values/,
  ],
};

for (const [name, [planned, field, o]] of Object.entries(REFUSED)) {
  t.test(`a plan that asks for ${name} is refused before its first order`, async (t) => {
    t.match(failureFor(planned, o), /^FailureReasonBeyondNodePool: .*\bmake a new plan\b/);
    t.match(failureFor(planned, o), field, 'the field is named');
    const pending = { ...make.plan({ nodeClaimsToAdd: [planned] }), status: {} };
    const [step] = decide(make.executionState(pending, o)).steps;
    t.match(step, { kind: 'fail', phase: 'Creation' }, 'and before anything else is done');
  });
}

t.test("a node of scoped mode is its NodePool's but for the taint and the labels of that mode", async (t) => {
  const order = (planned: NodeClaimToAdd) => {
    const [step] = stepsFor([planned]);
    if (step?.kind !== 'create-claim') throw new Error(`it is ${step?.kind}: ${step?.message}`);
    return step.claim;
  };
  const plain = order(asked({}));
  const scoped = order(asked({ labels: SCOPE_LABELS }, { taints: [DEDICATED, SCOPE_TAINT] }));
  t.same(scoped, {
    ...plain,
    metadata: { ...plain.metadata, labels: { ...plain.metadata.labels, ...SCOPE_LABELS } },
    spec: { ...plain.spec, taints: [DEDICATED, SCOPE_TAINT, reservationOf('green')] },
  });
});

t.test('what is ordered is the NodePool as it is now, whatever the plan leaves out', async (t) => {
  const pool = make.nodePool();
  const requirements = [
    { key: 'karpenter.k8s.aws/instance-family', operator: 'In' as const, values: ['m5', 'c5'] },
    { key: TYPE, operator: 'In' as const, values: ['m5.large', 'c5.large'], minValues: 1 },
    { key: 'stage', operator: 'In' as const, values: ['prod'] },
  ];
  const template = {
    metadata: { labels: { team: 'a' }, annotations: { note: 'x' } },
    spec: {
      ...pool.spec.template.spec,
      requirements,
      startupTaints: [{ key: 'cni', effect: 'NoExecute' as const }],
      terminationGracePeriod: '1h',
    },
  };
  const nodePools = new Map([['general', { ...pool, spec: { ...pool.spec, template } }]]);
  const [step] = stepsFor([make.toAdd('green', [['m5.large']])], { nodePools });
  const claim = step?.kind === 'create-claim' ? step.claim : undefined;
  t.match(claim?.metadata, {
    labels: {
      team: 'a',
      'karpenter.sh/nodepool': 'general',
      'karpenter.k8s.aws/ec2nodeclass': 'default',
    },
    annotations: { note: 'x', [HASH]: '1', 'karpenter.sh/nodepool-hash-version': 'v3' },
  });
  t.match(claim?.spec, {
    nodeClassRef: { name: 'default' },
    startupTaints: [{ key: 'cni', effect: 'NoExecute' }],
    taints: [{ key: 'dedicated' }, { key: 'scheduling.cast.ai/pod-pinning-preparing' }],
    expireAfter: '720h',
    terminationGracePeriod: '1h',
  });
  const byKey = new Map(claim?.spec.requirements.map((each) => [each.key, each.values]));
  t.same(byKey.get('stage'), ['prod'], 'a requirement that the plan lacks is added');
  t.same(byKey.get('karpenter.k8s.aws/instance-family'), ['m5', 'c5']);
  t.same(byKey.get(TYPE), ['m5.large'], 'the plan chooses within the NodePool');
});

t.test('a plan as the planner writes it passes, labels that follow from its requirements too', async (t) => {
  const planned = asked(
    {
      labels: { team: 'a', 'karpenter.k8s.aws/ec2nodeclass': 'default', [TYPE]: 'm5.large' },
      annotations: { [HASH]: '1', 'karpenter.sh/nodepool-hash-version': 'v3' },
    },
    { taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' }], expireAfter: '720h' },
  );
  t.equal(failureFor(planned), 'create-claim');
});

t.test('a hash of another version of Karpenter says nothing', async (t) => {
  const annotations = { [HASH]: '7', 'karpenter.sh/nodepool-hash-version': 'v2' };
  t.equal(failureFor(asked({ annotations })), 'create-claim');
});

t.test('two planned nodes of one name are refused', async (t) => {
  const twin = make.toAdd('green', [['m5.large']]);
  const [step] = stepsFor([twin, structuredClone(twin)]);
  t.match(step, { kind: 'fail', failureReason: 'FailureReasonBeyondNodePool' });
  t.match(step?.message, /nodeClaimsToAdd\[1\]\.metadata\.name/);
});

t.test('a type that the catalogue does not know is never ordered, beside known ones either', async (t) => {
  const pending = { podsToMigrate: [{ name: 'p', namespace: 'shop', dstNodeClaimName: 'green' }] };
  for (const types of [[['p5.48xlarge'], ['m5.large']], [['p5.48xlarge', 'm5.large']]]) {
    const plan = make.plan({ nodeClaimsToAdd: [make.toAdd('green', types)], ...pending });
    const [step] = decide(make.executionState(plan)).steps;
    const requirements = step?.kind === 'create-claim' ? step.claim.spec.requirements : [];
    t.same(requirements.find(({ key }) => key === TYPE)?.values, ['m5.large']);
  }
});
