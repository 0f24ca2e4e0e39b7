import t from 'tap';
import type { NodeClassObject, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import {
  claimsOf,
  deletedBy,
  everyValue,
  groupsOf,
  priceList,
  provisioned,
  rebalanced,
} from '../testing/cases.ts';

const TYPE = 'node.kubernetes.io/instance-type';
const POOLS = { nodePools: [makePool('default', { requirements: [] })] };

const M5 = priceList(
  { name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2 },
  { name: 'm5.2xlarge', cpu: 8, memory: '32Gi', price: 0.4 },
  { name: 'm5.4xlarge', cpu: 16, memory: '64Gi', price: 0.8 },
);
/** An m5.4xlarge as clusters show it: 55 of 64 GiB for pods. */
const seen = (name: string, o: { readonly pods?: number } = {}) =>
  makeNode(name, { type: 'm5.4xlarge', cpu: 15_890, memory: 56_340, pods: 234, ...o });

t.test('13: no new machine gives more than those of its type that stand', async (t) => {
  const nodes = ['n1', 'n2', 'n3', 'n4'].map((name) => seen(name));
  const pods = nodes.map((_, n) => makePod(`p${n}`, { node: `n${n + 1}`, memory: 14_300, cpu: 1000 }));
  const planned = rebalanced(makeSnapshot(nodes, pods, POOLS), M5);
  // Four of these pods have 55.9 GiB: by the price list they would fit one m5.4xlarge.
  t.ok(planned.plan);
  for (const group of groupsOf(planned)) t.ok(group.length < 4);
  const waiting = pods.map((pod) => ({
    ...pod,
    spec: { ...pod.spec, nodeName: '' },
    status: { phase: 'Pending' },
  }));
  const cordoned = seen('n1');
  const closed = {
    ...cordoned,
    node: { ...cordoned.node, spec: { ...cordoned.node.spec, unschedulable: true } },
  };
  const bought = provisioned(makeSnapshot([closed], waiting as Pod[], POOLS), M5);
  t.same(bought.unplaced, []);
  for (const group of groupsOf(bought)) t.ok(group.length < 4);
});

t.test('13: another size of the family is held to the share that stands', async (t) => {
  // 14.2 GiB of the 16 of an m5.xlarge are more than the 86 % that the m5.4xlarge shows.
  const pod = makePod('p', { memory: Math.round(14.2 * 1024), cpu: 100 });
  t.same(everyValue(provisioned(makeSnapshot([], [pod], POOLS), M5), TYPE).includes('m5.xlarge'), true);
  const full = makePod('full', { node: 'n1', cpu: 15_800, memory: 1000 });
  const bought = provisioned(makeSnapshot([seen('n1')], [full, pod], POOLS), M5);
  t.same(everyValue(bought, TYPE), ['m5.2xlarge', 'm5.4xlarge']);
});

t.test('13: the pods that a kubelet takes are those that its like takes', async (t) => {
  const full = makePod('full', { node: 'n1', cpu: 15_800, memory: 1000 });
  const pods = Array.from({ length: 30 }, (_, n) => makePod(`p${n}`, { cpu: 10, memory: 10 }));
  const bought = provisioned(makeSnapshot([seen('n1', { pods: 20 })], [full, ...pods], POOLS), M5);
  t.same(bought.unplaced, []);
  for (const group of groupsOf(bought)) t.ok(group.length <= 20);
});

t.test('13: a broken machine says nothing about its like', async (t) => {
  const broken = makeNode('n1', { type: 'm5.xlarge', cpu: 0, memory: 100 });
  const bought = provisioned(makeSnapshot([broken], [makePod('p', { cpu: 3000 })], POOLS), M5);
  t.ok(everyValue(bought, TYPE).includes('m5.xlarge'));
});

const nodeClass = (rest: Partial<NodeClassObject> = {}): NodeClassObject => ({
  kind: 'EC2NodeClass',
  metadata: { name: 'default' },
  ...rest,
});

t.test('13: what a NodeClass reserves for the kubelet is not given to pods', async (t) => {
  const kubelet = { maxPods: 5, systemReserved: { memory: '6Gi' }, kubeReserved: { cpu: '1' } };
  const withClass = { ...POOLS, nodeClasses: [nodeClass({ spec: { kubelet } })] };
  const big = provisioned(makeSnapshot([], [makePod('p', { cpu: 3500 })], withClass), M5);
  t.notOk(everyValue(big, TYPE).includes('m5.xlarge'));
  const heavy = provisioned(makeSnapshot([], [makePod('p', { memory: 11 * 1024 })], withClass), M5);
  t.notOk(everyValue(heavy, TYPE).includes('m5.xlarge'));
  const pods = Array.from({ length: 12 }, (_, n) => makePod(`p${n}`, { cpu: 10, memory: 10 }));
  for (const group of groupsOf(provisioned(makeSnapshot([], pods, withClass), M5))) t.ok(group.length <= 5);
});

/** A pod with a bound volume of its own, and the two objects behind it. */
const withVolume = (name: string, node: string | undefined, source: Partial<PersistentVolume['spec']>) => ({
  pod: makePod(name, {
    cpu: 100,
    memory: 256,
    owner: 'StatefulSet',
    ...(node !== undefined && { node }),
    spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: name } }] },
  }),
  claim: {
    metadata: { name, namespace: 'default' },
    spec: { volumeName: `pv-${name}`, accessModes: ['ReadWriteOnce'] },
    status: { phase: 'Bound' },
  } satisfies PersistentVolumeClaim,
  volume: {
    metadata: { name: `pv-${name}` },
    spec: { accessModes: ['ReadWriteOnce'], ...source },
  } as PersistentVolume,
});
const csi = (name: string) => ({ csi: { driver: 'ebs.csi.aws.com', volumeHandle: name } });
const csiNode = (name: string, count: number) => ({
  metadata: { name },
  spec: { drivers: [{ name: 'ebs.csi.aws.com', allocatable: { count } }] },
});

t.test('06: a new machine holds no more volumes than its like', async (t) => {
  const made = Array.from({ length: 40 }, (_, n) => withVolume(`p${n}`, `n${(n % 2) + 1}`, csi(`v${n}`)));
  const planned = rebalanced(
    makeSnapshot(
      [seen('n1'), seen('n2')],
      made.map(({ pod }) => pod),
      {
        ...POOLS,
        persistentVolumeClaims: made.map(({ claim }) => claim),
        persistentVolumes: made.map(({ volume }) => volume),
        csiNodes: [csiNode('n1', 25), csiNode('n2', 25)],
      },
    ),
    M5,
  );
  t.same(deletedBy(planned), ['claim-n1', 'claim-n2']);
  for (const group of groupsOf(planned)) t.ok(group.length <= 25, `${group.length} on one node`);
});

t.test('06: more volumes in one pod than a machine attaches are the reason', async (t) => {
  const full = makePod('full', { node: 'n1', cpu: 15_800, memory: 1000 });
  const made = ['a', 'b', 'c'].map((name) => withVolume(name, undefined, csi(name)));
  const pod = makePod('p', {
    spec: {
      volumes: made.map((_, n) => ({ name: `v${n}`, persistentVolumeClaim: { claimName: 'abc'.charAt(n) } })),
    },
  });
  const { unplaced } = provisioned(
    makeSnapshot([seen('n1')], [full, pod], {
      ...POOLS,
      persistentVolumeClaims: made.map(({ claim }) => claim),
      persistentVolumes: made.map(({ volume }) => volume),
      csiNodes: [csiNode('n1', 2)],
    }),
    M5,
  );
  t.match(unplaced, [{ name: 'p', reason: /3 volumes of ebs.csi.aws.com.* more than 2/ }]);
});

for (const source of [(name: string) => ({ awsElasticBlockStore: { volumeID: name } }), csi]) {
  t.test('67: an in-tree volume takes a slot of the CSI driver that serves it', async (t) => {
    const old = withVolume('old', 'n1', { awsElasticBlockStore: { volumeID: 'vol-old' } });
    const late = withVolume('late', undefined, source('vol-new'));
    const planned = provisioned(
      makeSnapshot([makeNode('n1')], [old.pod, late.pod], {
        ...POOLS,
        persistentVolumeClaims: [old.claim, late.claim],
        persistentVolumes: [old.volume, late.volume],
        csiNodes: [csiNode('n1', 1)],
      }),
      M5,
    );
    t.equal(claimsOf(planned).length, 1, 'the standing node is full');
  });
}

t.test('67: an in-tree volume of the pod itself counts too', async (t) => {
  const old = withVolume('old', 'n1', csi('vol-old'));
  const pod = makePod('p', {
    spec: { volumes: [{ name: 'v', awsElasticBlockStore: { volumeID: 'vol-new' } } as never] },
  });
  const planned = provisioned(
    makeSnapshot([makeNode('n1')], [old.pod, pod], {
      ...POOLS,
      persistentVolumeClaims: [old.claim],
      persistentVolumes: [old.volume],
      csiNodes: [csiNode('n1', 1)],
    }),
    M5,
  );
  t.equal(claimsOf(planned).length, 1);
});
