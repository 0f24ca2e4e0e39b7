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
      /^Pod shop\/web: requests of container main\.cpu has "1core", which is not a quantity/,
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
  const [type] = catalogueFromKwok([{ ...entry, operatingSystems: ['windows'] }, entry]).instanceTypes;
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
