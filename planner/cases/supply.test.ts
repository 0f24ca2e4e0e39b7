import t from 'tap';
import type { NodeClassObject, PersistentVolume, PersistentVolumeClaim } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { claimsOf, everyValue, priceList, provisioned, rebalanced } from '../testing/cases.ts';

const ZONE = 'topology.kubernetes.io/zone';
const _TYPE = 'node.kubernetes.io/instance-type';
const POOLS = { nodePools: [makePool('default', { requirements: [] })] };

const M5 = priceList(
  { name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2 },
  { name: 'm5.2xlarge', cpu: 8, memory: '32Gi', price: 0.4 },
  { name: 'm5.4xlarge', cpu: 16, memory: '64Gi', price: 0.8 },
);
const seen = (name: string) => makeNode(name, { type: 'm5.4xlarge', cpu: 15_890, memory: 56_340, pods: 234 });

const nodeClass = (rest: Partial<NodeClassObject> = {}): NodeClassObject => ({
  kind: 'EC2NodeClass',
  metadata: { name: 'default' },
  ...rest,
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
const spread = {
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: 'DoNotSchedule' as const,
      labelSelector: { matchLabels: { app: 'web' } },
    },
  ],
};
const subnets = [
  { zone: 'us-west-2a', zoneID: 'usw2-az1' },
  { zone: 'us-west-2b', zoneID: 'usw2-az2' },
];

t.test('34: machines are had only where the NodeClass has subnets', async (t) => {
  const pods = Array.from({ length: 4 }, (_, n) => makePod(`p${n}`, { cpu: 3500, spec: spread }));
  const nodeClasses = [nodeClass({ status: { subnets } })];
  const planned = provisioned(makeSnapshot([], pods, { ...POOLS, nodeClasses }), M5);
  t.same(planned.unplaced, []);
  t.same(everyValue(planned, ZONE), ['us-west-2a', 'us-west-2b']);
  for (const claim of claimsOf(planned))
    t.equal(claim.spec.requirements.find(({ key }) => key === ZONE)?.values?.length, 1);
  const moved = rebalanced(
    makeSnapshot([seen('n1')], [makePod('p', { node: 'n1' })], { ...POOLS, nodeClasses }),
    M5,
  );
  t.same(everyValue(moved, ZONE), ['us-west-2a', 'us-west-2b']);
  const byId = makePod('p', { spec: { nodeSelector: { 'topology.k8s.aws/zone-id': 'usw2-az2' } } });
  t.same(everyValue(provisioned(makeSnapshot([], [byId], { ...POOLS, nodeClasses }), M5), ZONE), [
    'us-west-2b',
  ]);
  const elsewhere = [nodeClass({ status: { subnets: [{ zone: 'us-west-2z' }] } })];
  const { plan, unplaced } = provisioned(makeSnapshot([], pods, { ...POOLS, nodeClasses: elsewhere }), M5);
  t.equal(plan, null);
  t.match(unplaced[0]?.reason, /NodePool default launches in no zone/);
});

const [plain] = POOLS.nodePools;
for (const [what, pool, nodeClasses, reason] of [
  [
    'is not ready',
    { ...plain, status: { conditions: [{ type: 'Ready', status: 'False', reason: 'NodeClassNotReady' }] } },
    undefined,
    /NodePool default .*NodeClassNotReady/,
  ],
  [
    'is not known to be ready',
    { ...plain, status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } },
    undefined,
    /Ready is Unknown/,
  ],
  [
    'is being deleted',
    { ...plain, metadata: { ...plain?.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
    undefined,
    /being deleted/,
  ],
  [
    'has a class that is not ready',
    plain,
    [nodeClass({ status: { conditions: [{ type: 'Ready', status: 'False', reason: 'SubnetsNotFound' }] } })],
    /EC2NodeClass default.*SubnetsNotFound/,
  ],
  [
    'has a class that is being deleted',
    plain,
    [nodeClass({ metadata: { name: 'default', deletionTimestamp: '2026-01-01T00:00:00Z' } })],
    /EC2NodeClass default is being deleted/,
  ],
  [
    'has a class that does not exist',
    plain,
    [nodeClass({ metadata: { name: 'other' } })],
    /EC2NodeClass default does not exist/,
  ],
] as const) {
  t.test(`62: nothing is bought from a NodePool that ${what}`, async (t) => {
    const rest = { nodePools: [pool as NonNullable<typeof plain>], ...(nodeClasses && { nodeClasses }) };
    const { plan, unplaced } = provisioned(makeSnapshot([], [makePod('p')], rest), M5);
    t.equal(plan, null);
    t.match(unplaced[0]?.reason, reason);
    t.same(claimsOf(rebalanced(makeSnapshot([seen('n1')], [makePod('p', { node: 'n1' })], rest), M5)), []);
  });
}

t.test('69, 78: a claim is read as kube-scheduler reads it', async (t) => {
  const { pod, claim, volume } = withVolume('data', undefined, {
    ...csi('v'),
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: ZONE, operator: 'In', values: ['us-west-2b'] }] }],
      },
    },
  });
  const storageClasses = [
    { metadata: { name: 's' }, provisioner: 'x', volumeBindingMode: 'WaitForFirstConsumer' as const },
  ];
  const plan = (changed: PersistentVolumeClaim) =>
    provisioned(
      makeSnapshot([], [pod], {
        ...POOLS,
        persistentVolumeClaims: [changed],
        persistentVolumes: [volume],
        storageClasses,
      }),
      M5,
    );
  const lost = { ...claim, spec: { storageClassName: 's' }, status: { phase: 'Lost' } };
  t.match(plan(lost), { plan: null, unplaced: [{ reason: /persistentvolumeclaim "data"/ }] });
  t.match(plan({ ...claim, status: { phase: 'Lost' } }), { plan: null, unplaced: [{ reason: /data/ }] });
  const early = {
    ...claim,
    metadata: { ...claim.metadata, annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
    status: { phase: 'Pending' },
  };
  t.same(everyValue(plan(early), ZONE), ['us-west-2b']);
  t.match(plan({ ...claim, status: { phase: 'Pending' } }), {
    plan: null,
    unplaced: [{ reason: /unbound.*data/ }],
  });
  t.match(plan({ ...claim, spec: { ...claim.spec, volumeName: 'none' } }), {
    plan: null,
    unplaced: [{ reason: /claim data of volume none/ }],
  });
});
