import t from 'tap';
import type { PersistentVolume, Pod, PodSpec } from '../../api/objects.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { partedSharers } from '../scheduling/volumes/shared.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { claimsOf, groupsOf, priceList, provisioned, rebalanced } from '../testing/cases.ts';

/** Case 32 and its kind: pods on one volume that one node at a time can attach. */

const LIST = priceList(
  { name: 'm.2', price: 0.1 },
  { name: 'm.4', cpu: 4, memory: '16Gi', price: 0.21 },
  { name: 'm.16', cpu: 16, memory: '64Gi', price: 0.9 },
);

const EBS = { csi: { driver: 'ebs.csi.aws.com', volumeHandle: 'h' } };
const MOUNTED_ONLY: Readonly<Record<string, PersistentVolume['spec']>> = {
  'the EFS driver': { csi: { driver: 'efs.csi.aws.com', volumeHandle: 'h' } },
  'the NFS driver': { csi: { driver: 'nfs.csi.k8s.io', volumeHandle: 'h' } },
  'the in-tree NFS source': { nfs: { server: 's', path: '/' } } as PersistentVolume['spec'],
};

const withVolume = (spec: PersistentVolume['spec'], modes = ['ReadWriteOnce']): Partial<Snapshot> => ({
  nodePools: [makePool('default', { requirements: [] })],
  persistentVolumeClaims: [
    {
      metadata: { name: 'shared', namespace: 'default' },
      spec: { volumeName: 'pv', accessModes: modes },
      status: { phase: 'Bound' },
    },
  ],
  persistentVolumes: [{ metadata: { name: 'pv' }, spec: { accessModes: modes, ...spec } }],
});

const VOLUMES: Partial<PodSpec> = {
  volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'shared' } }],
};
const user = (name: string, node?: string, cpu = 1000): Pod =>
  makePod(name, { app: name, cpu, spec: VOLUMES, ...(node !== undefined && { node }) });

const PARTED = [user('a', 'n1'), user('b', 'n2')];

t.test('32: a pod may join one of several sharers that are parted already', async (t) => {
  const nodes = ['n1', 'n2'].map((name) => makeNode(name, { type: 'x', cpu: 3000 }));
  const planned = provisioned(makeSnapshot(nodes, [...PARTED, user('c')], withVolume(EBS)), LIST);
  t.same(planned.unplaced, []);
  t.same(claimsOf(planned), [], 'a node that stands with a sharer has room');
  t.same(groupsOf(planned), [['c']]);
});

t.test('32: a node with one of several parted sharers can go where it finds another', async (t) => {
  const nodes = [
    makeNode('n1', { type: 'm.16', cpu: 15_900 }),
    makeNode('n2', { type: 'm.2', cpu: 1900 }),
    makeNode('n3', { type: 'm.4', cpu: 3900 }),
  ];
  const pods = [user('a', 'n1', 500), user('b', 'n2', 1500), user('c', 'n3', 3000)];
  const { plan } = rebalanced(makeSnapshot(nodes, pods, withVolume(EBS)), LIST);
  t.ok(plan?.spec.nodeClaimsToDelete?.some(({ nodeClaimName }) => nodeClaimName === 'claim-n1'));
});

for (const [what, spec] of Object.entries(MOUNTED_ONLY)) {
  t.test(`32: volumes of ${what} are attached to no node, and tie no pods`, async (t) => {
    const full = makeNode('n1', { type: 'x', cpu: 1000 });
    const planned = provisioned(makeSnapshot([full], [user('a', 'n1'), user('b')], withVolume(spec)), LIST);
    t.same(planned.unplaced, []);
    t.equal(claimsOf(planned).length, 1);
  });
}

t.test('32: what a plan may part, by where sharers are before and after it', async (t) => {
  const at = (before: string | undefined, after: string, arrives = before !== after) => ({
    before,
    after,
    arrives,
  });
  const cases: readonly (readonly [string, readonly ReturnType<typeof at>[], boolean])[] = [
    ['together, and together elsewhere', [at('1', '2'), at('1', '2')], false],
    ['together, and parted', [at('1', '2'), at('1', '1')], true],
    ['two move and leave the third', [at('1', '2'), at('1', '2'), at('1', '1')], true],
    ['one that waits joins', [at('1', '1'), at(undefined, '1')], false],
    [
      'two that wait stay away from the one that runs',
      [at('1', '1'), at(undefined, '2'), at(undefined, '2')],
      true,
    ],
    ['two that wait are together', [at(undefined, '2'), at(undefined, '2')], false],
    ['two that wait are parted', [at(undefined, '1'), at(undefined, '2')], true],
    ['parted before, one joins another', [at('1', '2'), at('2', '2'), at('3', '3')], false],
    ['parted before, one goes where nobody is', [at('1', '4'), at('2', '2')], true],
    ['parted before, nothing arrives', [at('1', '1'), at('2', '2')], false],
  ];
  for (const [what, sharers, isFault] of cases) t.equal(partedSharers(sharers) !== undefined, isFault, what);
});

t.test('32: a sharer that is ending, and does not come back, holds nobody', async (t) => {
  const ending = user('a', 'n1');
  const gone = { ...ending, metadata: { ...ending.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const full = makeNode('n1', { type: 'x', cpu: 1000 });
  const planned = provisioned(makeSnapshot([full], [gone, user('b')], withVolume(EBS)), LIST);
  t.same(planned.unplaced, []);
});

t.test(
  '32: of parted sharers, the one that runs with the volume stays, and the one that waits may join it',
  async (t) => {
    const nodes = ['n1', 'n2', 'n3'].map((name) => makeNode(name, { type: 'm.4', cpu: 3900 }));
    const waits = { ...user('b', 'n2', 500), status: { phase: 'Pending' as const } };
    const runs = user('a', 'n1', 500);
    const rest = makePod('rest', { app: 'rest', node: 'n3', cpu: 1000 });
    const { plan, skippedNodes } = rebalanced(
      makeSnapshot(nodes, [runs, waits, rest], withVolume(EBS)),
      LIST,
    );
    const deleted = (plan?.spec.nodeClaimsToDelete ?? []).map(({ nodeClaimName }) => nodeClaimName);
    t.notOk(deleted.includes('claim-n1'), 'the volume would go to the pod that waits');
    t.ok(deleted.includes('claim-n2'));
    t.equal(plan?.spec.podsToMigrate?.find(({ name }) => name === 'b')?.dstNodeClaimName, 'claim-n1');
    t.match(skippedNodes, [
      { name: 'n1', reasons: [/pod default\/a runs with a volume .* and pod default\/b on n2 waits for it/] },
    ]);
    const both = rebalanced(makeSnapshot(nodes, [runs, user('b', 'n2', 500), rest], withVolume(EBS)), LIST);
    t.same(both.skippedNodes, [], 'where both run, no node has the volume alone');
  },
);

t.test(
  '32: the check refuses to move a pod that runs with the volume, unless all come together',
  async (t) => {
    const at = (before: string, after: string, hasVolume = false) => ({
      before,
      after,
      arrives: before !== after,
      hasVolume,
    });
    t.ok(partedSharers([at('1', '3', true), at('2', '2'), at('3', '3')]), 'two wait, it joins one of them');
    t.notOk(partedSharers([at('1', '2', true), at('2', '2')]));
    t.notOk(partedSharers([at('1', '1', true), at('2', '1'), at('3', '3')]), 'a waiting one joins it');
  },
);
