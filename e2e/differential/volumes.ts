import type {
  CSINode,
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  PodSpec,
  StorageClass,
} from '../../api/objects.ts';
import type { Dice } from './dice.ts';

/** What a case's pods may mount, and how many volumes its nodes take. */
export interface CaseVolumes {
  readonly classes: readonly StorageClass[];
  readonly volumes: readonly PersistentVolume[];
  readonly claims: readonly PersistentVolumeClaim[];
  readonly csiNodes: readonly CSINode[];
}

const DRIVER = 'csi.example.com';
const ZONE = 'topology.kubernetes.io/zone';
const OLD_ZONE = 'failure-domain.beta.kubernetes.io/zone';

const MODES = ['ReadWriteOnce', 'ReadWriteOnce', 'ReadWriteOncePod'];

const placeOf = ({ pick }: Dice): NodeSelector => ({
  nodeSelectorTerms: [
    {
      matchExpressions: [
        pick([
          { key: ZONE, operator: 'In' as const, values: ['a', 'b'] },
          { key: ZONE, operator: 'In' as const, values: ['c'] },
          { key: 'disk', operator: 'In' as const, values: ['ssd'] },
          { key: 'disk', operator: 'DoesNotExist' as const },
        ]),
      ],
    },
  ],
});

const classesOf = ({ chance, pick }: Dice, id: string): StorageClass[] => [
  {
    metadata: { name: `${id}-later` },
    provisioner: DRIVER,
    volumeBindingMode: 'WaitForFirstConsumer',
    ...(chance(0.6) && {
      allowedTopologies: [{ matchLabelExpressions: [{ key: ZONE, values: pick([['a'], ['b', 'c']]) }] }],
    }),
  },
  {
    metadata: { name: `${id}-local` },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  },
  { metadata: { name: `${id}-now` }, provisioner: DRIVER, volumeBindingMode: 'Immediate' },
];

interface VolumeWish {
  readonly name: string;
  readonly storageClass: string;
  readonly size: string;
  readonly mode: string;
  readonly claim?: { readonly namespace: string; readonly name: string };
}

const volumeOf = (dice: Dice, { name, storageClass, size, mode, claim }: VolumeWish): PersistentVolume => {
  const { below, chance, pick } = dice;
  const zones = chance(0.3) ? { [pick([ZONE, OLD_ZONE])]: pick(['a', 'b', 'a__c']) } : {};
  return {
    metadata: { name, labels: { ...zones, kind: pick(['x', 'y']) } },
    spec: {
      capacity: { storage: size },
      accessModes:
        mode === 'ReadWriteOncePod' ? [mode] : ['ReadWriteOnce', 'ReadOnlyMany'].slice(0, 1 + below(2)),
      storageClassName: storageClass,
      persistentVolumeReclaimPolicy: 'Retain',
      csi: { driver: DRIVER, volumeHandle: `handle-${name}` },
      ...(chance(0.7) && { nodeAffinity: { required: placeOf(dice) } }),
      ...(claim && { claimRef: { ...claim } }),
    },
  };
};

const claimOf = (
  { pick, chance }: Dice,
  o: { name: string; namespace: string; storageClass: string; volume?: string; mode: string },
): PersistentVolumeClaim => ({
  metadata: { name: o.name, namespace: o.namespace },
  spec: {
    accessModes: [o.mode],
    storageClassName: o.storageClass,
    resources: { requests: { storage: o.volume ? '1Gi' : pick(['1Gi', '3Gi']) } },
    ...(o.volume && { volumeName: o.volume }),
    ...(!o.volume && chance(0.2) && { selector: { matchLabels: { kind: 'x' } } }),
  } as NonNullable<PersistentVolumeClaim['spec']>,
});

/** Classes, volumes, claims and CSINodes of a case whose names begin with `id`. */
export const volumesFor = (dice: Dice, id: string, nodes: readonly string[]): CaseVolumes => {
  const { below, chance, pick } = dice;
  const volumes: PersistentVolume[] = [];
  const claims: PersistentVolumeClaim[] = [];
  for (let n = 0; n < 8; n += 1) {
    const name = `${id}-k${n}`;
    const namespace = pick(['ns-a', 'ns-a', 'ns-b']);
    if (chance(0.5)) {
      const volume = `${id}-v${n}`;
      const storageClass = `${id}-later`;
      const mode = pick(MODES);
      volumes.push(
        volumeOf(dice, { name: volume, storageClass, size: '1Gi', mode, claim: { namespace, name } }),
      );
      claims.push(claimOf(dice, { name, namespace, storageClass, volume, mode }));
    } else {
      const storageClass = `${id}-${pick(['later', 'local', 'now'])}`;
      claims.push(claimOf(dice, { name, namespace, storageClass, mode: pick(MODES) }));
    }
  }
  for (let n = 0; n < below(4); n += 1) {
    const storageClass = `${id}-${pick(['local', 'local', 'later'])}`;
    volumes.push(
      volumeOf(dice, {
        name: `${id}-f${n}`,
        storageClass,
        size: pick(['1Gi', '2Gi', '5Gi']),
        mode: pick(MODES),
      }),
    );
  }
  const csiNodes = nodes
    .filter(() => chance(0.5))
    .map((name) => ({
      metadata: { name },
      spec: { drivers: [{ name: DRIVER, nodeID: name, allocatable: { count: 1 + below(2) } }] },
    }));
  return { classes: classesOf(dice, id), volumes, claims, csiNodes };
};

/** Mounts of a pod: usually none, else one or two claims of its namespace, rarely one that does not exist. */
export const mountsOf = (
  { below, chance, pick }: Dice,
  namespace: string,
  volumes: CaseVolumes,
): Partial<PodSpec> => {
  if (!chance(0.45)) return {};
  const here = volumes.claims.filter((each) => each.metadata.namespace === namespace);
  const names = new Set(
    Array.from({ length: 1 + below(2) }, () =>
      here.length === 0 || chance(0.03) ? 'nowhere' : pick(here).metadata.name,
    ),
  );
  return {
    volumes: [...names].map((claimName, n) => ({ name: `data-${n}`, persistentVolumeClaim: { claimName } })),
  };
};
