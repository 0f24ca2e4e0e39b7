import t from 'tap';
import type { NodeSelector, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/objects.ts';
import { emptySnapshot, type Snapshot } from '../model/snapshot.ts';
import { makePod } from '../testing/builders.ts';
import { hasLocalVolume, NOWHERE, refuseByVolumes, volumeNeeds, volumesOf } from './volumes.ts';

const HOSTNAME = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';
const OLD_ZONE = 'failure-domain.beta.kubernetes.io/zone';

const within = (key: string, ...values: string[]): NodeSelector => ({
  nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values }] }],
});

const claim = (
  name: string,
  spec: NonNullable<PersistentVolumeClaim['spec']> & Record<string, unknown>,
  metadata: Partial<PersistentVolumeClaim['metadata']> = {},
): PersistentVolumeClaim => ({
  metadata: { name, namespace: 'default', ...metadata },
  spec,
  status: { phase: spec.volumeName === undefined ? 'Pending' : 'Bound' },
});

const volume = (
  name: string,
  spec: PersistentVolume['spec'] = {},
  labels: Readonly<Record<string, string>> = {},
): PersistentVolume => ({ metadata: { name, labels }, spec });

const mounting = (claimName: string, name = 'p'): Pod =>
  makePod(name, { spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] } });

const csi = (volumeHandle: string) => ({ csi: { driver: 'ebs', volumeHandle } });

const snapshot: Snapshot = {
  ...emptySnapshot,
  persistentVolumeClaims: [
    claim('zonal', { volumeName: 'zonal' }),
    claim('labelled', { volumeName: 'labelled' }),
    claim('old-label', { volumeName: 'old-label' }),
    claim('lost', { volumeName: 'gone' }),
    claim('going', { volumeName: 'zonal' }, { deletionTimestamp: '2026-11-22T12:00:00Z' }),
    claim('immediate', { storageClassName: 'immediate' }),
    claim('late', { storageClassName: 'late' }),
    claim('static', { storageClassName: 'static', resources: { requests: { storage: '5Gi' } } }),
    claim('too-large', { storageClassName: 'static', resources: { requests: { storage: '50Gi' } } }),
    claim(
      'promised',
      { storageClassName: 'late' },
      { annotations: { 'volume.kubernetes.io/selected-node': 'n' } },
    ),
    claim('lone', { volumeName: 'any', accessModes: ['ReadWriteOncePod'] }),
    claim('ebs-1', { volumeName: 'ebs-1' }),
    claim('ebs-2', { volumeName: 'ebs-2' }),
    claim('local', { volumeName: 'local' }),
  ],
  persistentVolumes: [
    volume('any'),
    volume('zonal', { nodeAffinity: { required: within(ZONE, 'a') } }),
    volume('labelled', {}, { [ZONE]: 'a__b' }),
    volume('old-label', {}, { [OLD_ZONE]: 'a' }),
    volume('ebs-1', csi('1')),
    volume('ebs-2', csi('2')),
    volume('local', { nodeAffinity: { required: within(HOSTNAME, 'n') } }),
    volume('disk', {
      storageClassName: 'static',
      capacity: { storage: '10Gi' },
      nodeAffinity: { required: within(ZONE, 'a') },
    }),
  ],
  storageClasses: [
    { metadata: { name: 'immediate' }, provisioner: 'ebs', volumeBindingMode: 'Immediate' },
    {
      metadata: { name: 'late' },
      provisioner: 'ebs',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowedTopologies: [{ matchLabelExpressions: [{ key: ZONE, values: ['a'] }] }],
    },
    {
      metadata: { name: 'static' },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
  ],
  csiNodes: [{ metadata: { name: 'n' }, spec: { drivers: [{ name: 'ebs', allocatable: { count: 1 } }] } }],
};
const volumes = volumesOf(snapshot);

const node = (zone: string, pods: readonly Pod[] = [], name = 'n') => ({
  name,
  labels: { [ZONE]: zone, [HOSTNAME]: name },
  pods,
});

const rows: readonly (readonly [string, Pod, ReturnType<typeof node>, RegExp | undefined])[] = [
  ['a pod without volumes fits anywhere', makePod('p'), node('b'), undefined],
  [
    'a bound volume keeps its pod in its zone',
    mounting('zonal'),
    node('b'),
    /PersistentVolume's node affinity/,
  ],
  ['a pod fits in the zone of its volume', mounting('zonal'), node('a'), undefined],
  ['a zone label of the volume counts', mounting('labelled'), node('c'), /no available volume zone/],
  ['a zone label may name several zones', mounting('labelled'), node('b'), undefined],
  ['an old zone label matches the new label of a node', mounting('old-label'), node('a'), undefined],
  ['a claim that does not exist', mounting('none'), node('a'), /"none" not found/],
  ['a claim whose volume does not exist', mounting('lost'), node('a'), /non-existent pv/],
  ['a claim that is being deleted', mounting('going'), node('a'), /is being deleted/],
  ['a claim that its class should have bound', mounting('immediate'), node('a'), /unbound immediate/],
  ['a volume can be created where the class allows', mounting('late'), node('a'), undefined],
  ['no volume can be created elsewhere', mounting('late'), node('b'), /available persistent volumes to bind/],
  ['a static volume that is large enough is bound', mounting('static'), node('a'), undefined],
  ['a static volume in another zone is not', mounting('static'), node('b'), /available persistent volumes/],
  ['a static volume that is too small is not', mounting('too-large'), node('a'), /available persistent/],
  ['a claim with a selected node is bound there', mounting('promised'), node('a'), undefined],
  ['a claim with a selected node is bound on no other', mounting('promised'), node('a', [], 'm'), /to bind/],
  [
    'ReadWriteOncePod is for one pod',
    mounting('lone'),
    node('a', [mounting('lone', 'q')]),
    /ReadWriteOncePod/,
  ],
  [
    'a node has no more volumes than it takes',
    mounting('ebs-2'),
    node('a', [mounting('ebs-1', 'q')]),
    /max volume/,
  ],
  [
    'a volume that two pods share counts once',
    mounting('ebs-1'),
    node('a', [mounting('ebs-1', 'q')]),
    undefined,
  ],
];

for (const [says, pod, place, expected] of rows) {
  t.test(says, async (t) => {
    const refusal = refuseByVolumes(pod, place, volumes);
    if (expected) t.match(refusal, expected);
    else t.equal(refusal, undefined);
  });
}

t.test('the packing gets selectors and slots, not nodes', async (t) => {
  t.strictSame(volumeNeeds(makePod('p'), volumes), { selectors: [], slots: new Map() });
  t.strictSame(volumeNeeds(mounting('zonal'), volumes).selectors, [within(ZONE, 'a')]);
  t.strictSame(volumeNeeds(mounting('late'), volumes).selectors, [within(ZONE, 'a')]);
  t.strictSame(volumeNeeds(mounting('lost'), volumes).selectors, [NOWHERE]);
  t.strictSame([...volumeNeeds(mounting('ebs-1'), volumes).slots], [['volumes/ebs', 1]]);
});

t.test('a volume is local when only its node has it', async (t) => {
  t.equal(hasLocalVolume(mounting('local'), volumes), true);
  t.equal(hasLocalVolume(mounting('zonal'), volumes), false);
  t.equal(hasLocalVolume(makePod('p'), volumes), false);
});
