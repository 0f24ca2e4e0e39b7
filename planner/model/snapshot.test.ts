import t from 'tap';
import { listOf, makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { catalogueFromKwok } from './catalogue.ts';
import { snapshotFromList } from './snapshot.ts';

t.test('a List is read kind by kind, and unknown kinds are ignored', async (t) => {
  const list = listOf(makeSnapshot([makeNode('a')], [makePod('p')])) as { items: unknown[] };
  list.items.push({ kind: 'Secret', metadata: { name: 's' } });
  const snapshot = snapshotFromList(list);
  t.equal(snapshot.nodes.length, 1);
  t.equal(snapshot.nodeClaims.length, 1);
  t.equal(snapshot.pods[0]?.metadata.name, 'p');
});

t.test('an object that cannot be read is refused in a sentence that names it', async (t) => {
  const pod = (requests: unknown) => ({
    items: [
      {
        kind: 'Pod',
        metadata: { name: 'web', namespace: 'shop' },
        spec: { containers: [{ name: 'main', resources: { requests } }] },
      },
    ],
  });
  const table: readonly (readonly [unknown, RegExp])[] = [
    [null, /not a v1 List/],
    [{ items: [{}] }, /^Item 0 of the snapshot has no kind\.$/],
    [{ items: [{ kind: 'Pod' }] }, /^Item 0 of the snapshot, a Pod, has no metadata\.name\.$/],
    [{ items: [{ kind: 'Pod', metadata: { name: 'web' } }] }, /^Pod web has no spec\.$/],
    [
      pod({ cpu: '1core' }),
      /^Pod shop\/web: spec\.containers\[0\]\.resources\.requests\.cpu has "1core", which is not a quantity/,
    ],
    [
      { items: [{ kind: 'NodePool', metadata: { name: 'np' }, spec: {} }] },
      /^NodePool np has no spec\.template/,
    ],
    [
      { items: [{ kind: 'Node', metadata: { name: 'n' }, status: { allocatable: { memory: '4GB' } } }] },
      /^Node n: status\.allocatable\.memory has "4GB"/,
    ],
  ];
  for (const [input, message] of table)
    t.throws(() => snapshotFromList(input), { name: 'SnapshotError', message });
});

t.test('a catalogue is read with the overhead of the kwok provider', async (t) => {
  const entry = {
    name: 'm5.xlarge',
    architecture: 'x86_64',
    operatingSystems: ['linux'],
    resources: { cpu: '4', memory: '16Gi' },
    offerings: [
      {
        Price: 0.192,
        Available: true,
        Requirements: [
          { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
          { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['a', 'b'] },
        ],
      },
    ],
  };
  const [windows, type] = catalogueFromKwok([
    { ...entry, operatingSystems: ['windows'] },
    entry,
  ]).instanceTypes;
  t.match(windows, { name: 'm5.xlarge', os: ['windows'], labels: { 'kubernetes.io/os': 'windows' } });
  t.match(type, {
    arch: 'amd64',
    os: ['linux'],
    capacity: { cpu: 4000, memory: 16 * 1024 ** 3, pods: 110 },
    overhead: { cpu: 100, memory: 10 * 1024 ** 2 },
    labels: { 'karpenter.k8s.aws/instance-family': 'm5', 'karpenter.k8s.aws/instance-generation': '5' },
  });
  t.same(
    type?.offerings.map((each) => each.zone),
    ['a', 'b'],
  );
  t.throws(() => catalogueFromKwok([]), { message: 'The catalogue holds no instance type.' });
  t.throws(() => catalogueFromKwok([{ ...entry, resources: { cpu: 'x' } }]), {
    message: 'Instance type m5.xlarge of the catalogue has "x" as cpu, which is not a quantity.',
  });
});

t.test('case 21: kinds of the same name from other groups are passed over', async (t) => {
  const { items } = listOf(makeSnapshot([makeNode('a')], [])) as { items: object[] };
  const foreign = [
    { apiVersion: 'apps.openyurt.io/v1beta2', kind: 'NodePool', metadata: { name: 'edge' }, spec: {} },
    { apiVersion: 'longhorn.io/v1beta2', kind: 'Node', metadata: { name: 'a', namespace: 'longhorn' } },
    { apiVersion: 'example.com/v1', kind: 'Pod', metadata: {} },
    { apiVersion: 'x.metrics.k8s.io/v1', kind: 'NodeClaim', metadata: { name: 'x' } },
  ];
  const snapshot = snapshotFromList({ items: [...foreign, ...items] });
  t.same([snapshot.nodes.length, snapshot.nodePools.length, snapshot.pods.length], [1, 1, 0]);
});

t.test('case 14: Karpenter objects of another version are refused by name', async (t) => {
  for (const [kind, version] of [
    ['NodePool', 'v1beta1'],
    ['NodeClaim', 'v1beta1'],
  ]) {
    const item = { apiVersion: `karpenter.sh/${version}`, kind, metadata: { name: 'store' }, spec: {} };
    t.throws(() => snapshotFromList({ items: [item] }), {
      message: new RegExp(`^${kind} store is of karpenter.sh/${version}, and plans need karpenter.sh/v1: `),
    });
  }
});

t.test('case 14b: a Provisioner is called too old', async (t) => {
  const old = { apiVersion: 'karpenter.sh/v1alpha5', kind: 'Provisioner', metadata: { name: 'default' } };
  t.match(snapshotFromList({ items: [old] }).notes, [
    /^Provisioner default is of karpenter\.sh\/v1alpha5, .* 1\.0 or newer\.$/,
  ]);
  t.equal(snapshotFromList({ items: [] }).notes, undefined);
});
