import t from 'tap';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Requirement } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { claimsOf, deletedBy, everyValue, priceList, provisioned, rebalanced } from '../testing/cases.ts';

const ZONE = 'topology.kubernetes.io/zone';
const TYPE = 'node.kubernetes.io/instance-type';
const pool = (requirements: readonly Requirement[] = [], labels?: Readonly<Record<string, string>>) => {
  const made = makePool('default', { requirements });
  return {
    ...made,
    spec: { ...made.spec, template: { ...made.spec.template, metadata: { labels: labels ?? {} } } },
  };
};
const asks = (
  key: string,
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt',
  ...values: string[]
) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
      },
    },
  },
});
const pending = (spec: Partial<Pod['spec']>, requirements: readonly Requirement[] = [], labels = {}) =>
  makeSnapshot([], [makePod('p', { spec })], { nodePools: [pool(requirements, labels)] });

const LARGE = priceList(
  { name: 'm5.large' },
  { name: 'c4.large', price: 0.05 },
  { name: 't3.small', price: 0.02 },
);

for (const [key, value] of [
  ['beta.kubernetes.io/os', 'linux'],
  ['beta.kubernetes.io/arch', 'amd64'],
  ['beta.kubernetes.io/instance-type', 'm5.large'],
  ['failure-domain.beta.kubernetes.io/zone', 'us-west-2b'],
  ['failure-domain.beta.kubernetes.io/region', 'us-west-2'],
  ['topology.kubernetes.io/region', 'us-west-2'],
  ['topology.ebs.csi.aws.com/zone', 'us-west-2b'],
  ['karpenter.sh/initialized', 'true'],
  ['karpenter.sh/registered', 'true'],
] as const) {
  t.test(`09, 66b: a pod that asks for ${key}=${value} gets a new node that has it`, async (t) => {
    for (const spec of [asks(key, 'In', value), { nodeSelector: { [key]: value } }]) {
      const planned = provisioned(pending(spec), LARGE);
      t.same(planned.unplaced, []);
      if (key.includes('zone')) t.same(everyValue(planned, ZONE), ['us-west-2b']);
      if (key.includes('instance-type')) t.same(everyValue(planned, TYPE), ['m5.large']);
    }
    t.equal(provisioned(pending(asks(key, 'In', 'other')), LARGE).unplaced.length, 1);
  });
}

t.test(
  '01: a volume that names its zone by the key of its driver comes to a new node in that zone',
  async (t) => {
    const claim = (name: string): PersistentVolumeClaim => ({
      metadata: { name, namespace: 'default' },
      spec: { volumeName: `pv-${name}`, accessModes: ['ReadWriteOnce'] },
      status: { phase: 'Bound' },
    });
    const volume = (name: string, key: string): PersistentVolume => ({
      metadata: { name: `pv-${name}` },
      spec: {
        accessModes: ['ReadWriteOnce'],
        csi: { driver: 'ebs.csi.aws.com', volumeHandle: name },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: ['us-west-2b'] }] }],
          },
        },
      },
    });
    for (const key of ['topology.ebs.csi.aws.com/zone', 'failure-domain.beta.kubernetes.io/zone']) {
      const nodes = ['n1', 'n2'].map((name) =>
        makeNode(name, {
          type: 'm5.4xlarge',
          zone: 'us-west-2b',
          cpu: 15_000,
          labels: { [key]: 'us-west-2b' },
        }),
      );
      const pods = ['a', 'b'].map((name, n) =>
        makePod(name, {
          node: `n${n + 1}`,
          owner: 'StatefulSet',
          spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: name } }] },
        }),
      );
      const planned = rebalanced(
        makeSnapshot(nodes, pods, {
          nodePools: [pool()],
          persistentVolumeClaims: [claim('a'), claim('b')],
          persistentVolumes: [volume('a', key), volume('b', key)],
        }),
        priceList({ name: 'm5.large' }, { name: 'm5.4xlarge', cpu: 16, memory: '64Gi', price: 0.8 }),
      );
      t.same(deletedBy(planned), ['claim-n1', 'claim-n2'], key);
      t.same(everyValue(planned, ZONE), ['us-west-2b']);
    }
  },
);

for (const prefix of ['karpenter.k8s.aws', 'eks.amazonaws.com']) {
  t.test(`07: requirements under ${prefix} are read off the names of types`, async (t) => {
    const planned = provisioned(
      pending({}, [
        { key: `${prefix}/instance-category`, operator: 'In', values: ['c', 'm', 'r'] },
        { key: `${prefix}/instance-generation`, operator: 'Gt', values: ['4'] },
      ]),
      LARGE,
    );
    t.same(everyValue(planned, TYPE), ['m5.large']);
    for (const [key, value] of [
      ['instance-family', 'm5'],
      ['instance-size', 'large'],
      ['instance-cpu', '2'],
      ['instance-memory', '8192'],
      ['instance-hypervisor', 'nitro'],
      ['instance-cpu-manufacturer', 'intel'],
    ] as const) {
      const made = provisioned(pending(asks(`${prefix}/${key}`, 'In', value)), LARGE);
      t.ok(everyValue(made, TYPE).includes('m5.large'), key);
    }
  });

  t.test(`08: what nobody can tell about a machine under ${prefix} is never met`, async (t) => {
    const key = `${prefix}/instance-network-bandwidth`;
    for (const requirement of [
      { key, operator: 'Gt', values: ['100'] },
      { key, operator: 'Exists' },
      { key, operator: 'NotIn', values: ['100'] },
      { key, operator: 'DoesNotExist' },
    ] as const) {
      const planned = provisioned(pending({}, [requirement]), LARGE);
      t.equal(planned.plan, null, `${requirement.operator} in the NodePool`);
      t.match(planned.unplaced[0]?.reason, /instance-network-bandwidth/);
      const ofPod = provisioned(
        pending(asks(key, requirement.operator, ...('values' in requirement ? requirement.values : []))),
        LARGE,
      );
      t.equal(ofPod.plan, null, `${requirement.operator} in the pod`);
      t.match(ofPod.unplaced[0]?.reason, /instance-network-bandwidth/);
    }
    t.equal(
      provisioned(pending({}, [], { [key]: '100' }), LARGE).plan,
      null,
      'nor as a label of the template',
    );
  });
}

t.test('08: a local disk is known to be absent by the name, and unknown with a d in it', async (t) => {
  const key = 'karpenter.k8s.aws/instance-local-nvme';
  const list = priceList({ name: 'm5.large' }, { name: 'm5d.large', price: 0.05 });
  t.same(everyValue(provisioned(pending({}, [{ key, operator: 'DoesNotExist' }]), list), TYPE), ['m5.large']);
  t.equal(provisioned(pending({}, [{ key, operator: 'Gt', values: ['10'] }]), list).plan, null);
});

t.test('08: a node that stands tells what the price list does not', async (t) => {
  const key = 'karpenter.k8s.aws/instance-local-nvme';
  const standing = makeNode('n', { type: 'm5d.large', cpu: 100, labels: { [key]: '75' } });
  const snapshot = makeSnapshot([standing], [makePod('p')], {
    nodePools: [pool([{ key, operator: 'Gt', values: ['10'] }])],
  });
  const list = priceList({ name: 'm5d.xlarge', cpu: 4 }, { name: 'm5d.large', price: 0.2 });
  const seen = {
    ...standing.node,
    status: { ...standing.node.status, allocatable: { cpu: '2', memory: '7Gi', pods: '29' } },
  };
  const cordoned = { ...seen, spec: { ...seen.spec, unschedulable: true } };
  t.same(everyValue(provisioned({ ...snapshot, nodes: [cordoned] }, list), TYPE), ['m5d.large']);
});

t.test('08: a number asked of a label that nobody gives is never met', async (t) => {
  const planned = provisioned(
    pending({}, [{ key: 'example.com/rank', operator: 'Gt', values: ['2'] }]),
    LARGE,
  );
  t.equal(planned.plan, null);
  t.match(planned.unplaced[0]?.reason, /example.com\/rank/);
});

for (const [what, labels, key, values] of [
  ['63: zone', { [ZONE]: 'us-west-2b' }, ZONE, ['us-west-2b']],
  [
    '63: zone by its old key',
    { 'failure-domain.beta.kubernetes.io/zone': 'us-west-2b' },
    ZONE,
    ['us-west-2b'],
  ],
  ['63c: architecture', { 'kubernetes.io/arch': 'arm64' }, TYPE, ['m6g.large']],
  ['63: family', { 'karpenter.k8s.aws/instance-family': 'm6g' }, TYPE, ['m6g.large']],
  ['63: capacity type', { 'karpenter.sh/capacity-type': 'spot' }, 'karpenter.sh/capacity-type', ['spot']],
] as const) {
  t.test(`${what} in the labels of a NodePool's template is a requirement`, async (t) => {
    const list = priceList(
      { name: 'm5.large', price: 0.05, capacityTypes: ['on-demand', 'spot'] },
      { name: 'm6g.large', arch: 'arm64', capacityTypes: ['on-demand', 'spot'] },
    );
    t.same(everyValue(provisioned(pending({}, [], labels), list), key), values);
    const node = makeNode('n1', { type: 'm5.4xlarge', zone: 'us-west-2a', cpu: 15_000 });
    const moved = rebalanced(
      makeSnapshot([node], [makePod('p', { node: 'n1' })], { nodePools: [pool([], labels)] }),
      priceList(
        { name: 'm5.large', price: 0.05, capacityTypes: ['on-demand', 'spot'] },
        { name: 'm6g.large', arch: 'arm64', capacityTypes: ['on-demand', 'spot'] },
        { name: 'm5.4xlarge', cpu: 16, price: 0.9 },
      ),
    );
    for (const claim of claimsOf(moved)) t.ok(claim);
    if (claimsOf(moved).length > 0) t.same(everyValue(moved, key), values, '63e: in a rebalance');
  });
}

t.test('63b: a selector that the template rules out is named', async (t) => {
  const { plan, unplaced } = provisioned(
    pending({ nodeSelector: { [ZONE]: 'us-west-2a' } }, [], { [ZONE]: 'us-west-2b' }),
    LARGE,
  );
  t.equal(plan, null);
  t.match(unplaced[0]?.reason, /topology.kubernetes.io\/zone/);
});

t.test('63d: a capacity type that nobody sells is the reason', async (t) => {
  const { plan, unplaced } = provisioned(pending({}, [], { 'karpenter.sh/capacity-type': 'spot' }), LARGE);
  t.equal(plan, null);
  t.match(unplaced[0]?.reason, /spot/);
});
