import t from 'tap';
import type { NodeClassObject } from '../../api/objects.ts';
import { type Catalogue, catalogueFromKwok, type InstanceType } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { supplyOf } from '../model/supply.ts';
import { makeNode, makePool, makeSnapshot } from '../testing/builders.ts';

/** Kind 3: what new machines give to pods, by their NodeClass and by machines that stand. */

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** Types with the pods that their network interfaces allow, as EKS counts them. */
const listed = (...types: readonly (readonly [string, number, number])[]): Catalogue =>
  catalogueFromKwok(
    types.map(([name, cpu, pods]) => ({
      name,
      architecture: 'amd64',
      operatingSystems: ['linux'],
      resources: {
        cpu: String(cpu),
        memory: `${cpu * 4}Gi`,
        pods: String(pods),
        'ephemeral-storage': '20Gi',
      },
      offerings: [],
    })),
  );
const M5 = listed(['m5.large', 2, 29], ['m5.xlarge', 4, 58], ['m5.4xlarge', 16, 234], ['m5d.large', 2, 29]);
const POOL = makePool('default', { requirements: [] });

/** A machine of a type of M5, with some of what the kubelet says. */
const standing = (type: string, cpu: number, shown: { readonly pods?: number; readonly disk?: string }) => {
  const made = makeNode(`n-${type}`, {
    type,
    cpu: cpu * 1000 - 100,
    memory: cpu * 4 * 1024 - 600,
    pods: shown.pods ?? 29,
  });
  const amounts = { ...made.node.status?.allocatable, 'ephemeral-storage': shown.disk ?? '18Gi' };
  return { ...made, node: { ...made.node, status: { ...made.node.status, allocatable: amounts } } };
};
const nodeClass = (kubelet: object) => [
  { kind: 'EC2NodeClass', metadata: { name: 'default' }, spec: { amiFamily: 'AL2023', kubelet } },
];

const given = (snapshot: Snapshot, name: string, catalogue = M5): Record<string, number> => {
  const type = supplyOf(catalogue, snapshot)
    .of(POOL)
    .types.find((each) => each.name === name) as InstanceType;
  const { capacity, overhead } = type;
  return {
    cpu: capacity.cpu - overhead.cpu,
    memory: capacity.memory - overhead.memory,
    pods: capacity.pods - overhead.pods,
    disk: capacity.ephemeralStorage - overhead.ephemeralStorage,
  };
};
const withNodes = (...nodes: readonly ReturnType<typeof standing>[]): Snapshot =>
  makeSnapshot(nodes, [], { nodePools: [POOL] });
const withKubelet = (kubelet: object, ...nodes: readonly ReturnType<typeof standing>[]): Snapshot =>
  makeSnapshot(nodes, [], { nodePools: [POOL], nodeClasses: nodeClass(kubelet) });

t.test('pods of one size say nothing final about other sizes', async (t) => {
  // With an interface kept for the system (custom networking), an m5.large takes 20 pods.
  const snapshot = withNodes(standing('m5.large', 2, { pods: 20 }));
  t.equal(given(snapshot, 'm5.large').pods, 20);
  t.equal(given(snapshot, 'm5.4xlarge').pods, Math.floor((234 * 20) / 29));
  const flat = listed(['m5.large', 2, 110], ['m5.4xlarge', 16, 110]);
  t.equal(given(snapshot, 'm5.4xlarge', flat).pods, 20, 'a list that says the same of all sizes');
});

t.test('a number that sizes have in common is a setting, and holds for all', async (t) => {
  const capped = withNodes(standing('m5.xlarge', 4, { pods: 40 }), standing('m5.4xlarge', 16, { pods: 40 }));
  t.equal(given(capped, 'm5.large').pods, 29, 'no more than is listed');
  t.equal(given(capped, 'm5.xlarge').pods, 40);
  const dense = withNodes(standing('m5.large', 2, { pods: 110 }));
  t.equal(given(dense, 'm5.large').pods, 110, 'with prefixes instead of addresses');
  t.equal(given(dense, 'm5.xlarge').pods, 110);
  t.equal(given(dense, 'm5.4xlarge').pods, 110);
});

t.test('maxPods of a NodeClass is what its machines take, more or less than is listed', async (t) => {
  const old = standing('m5.large', 2, { pods: 29 });
  t.equal(given(withKubelet({ maxPods: 110 }, old), 'm5.large').pods, 110);
  t.equal(given(withKubelet({ maxPods: 20 }, old), 'm5.4xlarge').pods, 20);
  t.equal(given(withKubelet({ maxPods: 110, podsPerCore: 10 }), 'm5.xlarge').pods, 40);
  t.equal(given(withKubelet({ podsPerCore: 100 }), 'm5.xlarge').pods, 58);
});

t.test('a larger disk of a machine that stands is believed', async (t) => {
  const snapshot = withNodes(standing('m5.large', 2, { disk: '90Gi' }));
  t.equal(given(snapshot, 'm5.large').disk, 90 * GIB);
  t.equal(given(snapshot, 'm5.4xlarge').disk, 90 * GIB);
  t.equal(given(snapshot, 'm5d.large').disk, 20 * GIB, 'a machine with a disk of its own may use that');
  const local = withNodes(standing('m5d.large', 2, { disk: '70Gi' }));
  t.equal(given(local, 'm5.large').disk, 20 * GIB);
});

t.test('what the system, Kubernetes and eviction keep adds up', async (t) => {
  const large = { cpu: 2000, memory: 8 * GIB };
  const all = withKubelet({
    kubeReserved: { cpu: '200m', memory: '1Gi' },
    systemReserved: { cpu: '300m', memory: '512Mi' },
    evictionHard: { 'memory.available': '5%' },
  });
  t.equal(given(all, 'm5.large').cpu, large.cpu - 500);
  t.equal(
    given(all, 'm5.large').memory,
    large.memory - GIB - 512 * MIB - Math.ceil(large.memory * 0.05),
    'as Karpenter counts it',
  );
  const some = withKubelet({ systemReserved: { cpu: '300m', memory: '512Mi' } });
  // What the list takes off stays: 100m, and 10Mi, of which eviction's 100Mi can't be told apart.
  t.equal(given(some, 'm5.large').cpu, large.cpu - 100 - 300);
  t.equal(given(some, 'm5.large').memory, large.memory - 512 * MIB - 100 * MIB);
  const none = withKubelet({});
  t.equal(given(none, 'm5.large').memory, large.memory - 10 * MIB, 'no settings, no change');
});

t.test('a machine that is older than its NodeClass does not say more than the NodeClass', async (t) => {
  const old = standing('m5.large', 2, { pods: 110, disk: '90Gi' });
  const ofClass = (
    spec: NodeClassObject['spec'],
    ...nodes: readonly ReturnType<typeof standing>[]
  ): Snapshot =>
    makeSnapshot(nodes, [], {
      nodePools: [POOL],
      nodeClasses: [{ kind: 'EC2NodeClass', metadata: { name: 'default' }, ...(spec && { spec }) }],
    });
  const al2023 = { amiFamily: 'AL2023' };
  t.equal(given(ofClass(al2023, old), 'm5.large').pods, 29);
  t.equal(given(ofClass(al2023, old), 'm5.large').disk, 17 * GIB);
  t.equal(given(ofClass(al2023, old), 'm5.xlarge').pods, 58, 'another type');
  const less = standing('m5.large', 2, { pods: 20, disk: '10Gi' });
  t.same(
    [given(ofClass(al2023, less), 'm5.large')].map(({ pods, disk }) => [pods, disk]),
    [[20, 10 * GIB]],
  );
  const raid = { ...al2023, instanceStorePolicy: 'RAID0' };
  t.equal(
    given(ofClass(raid, standing('m5d.large', 2, { disk: '60Gi' })), 'm5d.large').disk,
    60 * GIB,
    'disks in the machine that nobody lists',
  );
});

t.test('AMI families whose reserve grows with the pods that their kubelets take', async (t) => {
  const ofFamily = (alias: string, kubelet?: object) => {
    const spec = { amiSelectorTerms: [{ alias }], ...(kubelet && { kubelet }) };
    const nodeClasses = [{ kind: 'EC2NodeClass', metadata: { name: 'default' }, spec }];
    const { pods, memory = 0 } = given(makeSnapshot([], [], { nodePools: [POOL], nodeClasses }), 'm5.large');
    return { pods, kept: (8 * GIB - memory) / MIB };
  };
  const kept = (pods: number): number => 11 * pods + 255 + 100;
  const listedKept = 10;
  const dense = { maxPods: 110 };
  t.same(ofFamily('bottlerocket@latest', dense), { pods: 110, kept: kept(110) });
  t.same(ofFamily('bottlerocket@latest'), { pods: 29, kept: listedKept });
  t.same(ofFamily('windows2022@latest'), { pods: 110, kept: kept(110) });
  t.same(ofFamily('windows2022@latest', { maxPods: 40 }), { pods: 40, kept: kept(40) });
  t.same(ofFamily('al2023@latest', dense), { pods: 110, kept: listedKept }, 'by network interfaces');
  t.equal(ofFamily('bottlerocket@latest', { podsPerCore: 10 }).pods, 29, 'does not know podsPerCore');
  t.equal(ofFamily('windows2022@latest', { podsPerCore: 10 }).pods, 20);
  t.same(ofFamily('bottlerocket@latest', { ...dense, kubeReserved: { memory: '1Gi' } }).kept, 1024 + 100);
});
