import type { PersistentVolumeClaim, Pod } from '../../../api/objects.ts';
import { hasEnded, isReschedulable } from '../../../api/pods.ts';
import { namespaceOf } from '../interpodaffinity.ts';
import { claimsOf, hasAttachments, type Volumes } from '../volumes.ts';
import { attachmentOf, driverOf } from './migrated.ts';

/** Pods that share a volume which one node at a time can attach; see docs/designs/0038-shared-volumes.md. */

/** Drivers and provisioners whose volumes are mounted and never attached: their CSIDriver says attachRequired: false. */
const NEVER_ATTACHED: ReadonlySet<string> = new Set([
  'efs.csi.aws.com',
  'fsx.csi.aws.com',
  's3.csi.aws.com',
  'nfs.csi.k8s.io',
  'smb.csi.k8s.io',
  'file.csi.azure.com',
  'blob.csi.azure.com',
  'filestore.csi.storage.gke.io',
  'gcsfuse.csi.storage.gke.io',
  'k8s-sigs.io/nfs-subdir-external-provisioner',
]);

/** In-tree volume sources that nodes mount without attaching them. */
const MOUNTED_SOURCES = ['nfs', 'cephfs', 'glusterfs', 'hostPath', 'local'];

/** Whether nodes attach the volume of a claim before they mount it; so it is assumed where nothing tells. */
export const isAttached = (claim: PersistentVolumeClaim, { volumes, classes }: Volumes): boolean => {
  const source = volumes.get(claim.spec?.volumeName ?? '')?.spec;
  const provisioner = classes.get(claim.spec?.storageClassName ?? '')?.provisioner;
  const driver =
    source?.csi?.driver ??
    attachmentOf(source)?.[0] ??
    (source || provisioner === undefined ? undefined : driverOf(provisioner));
  if (driver !== undefined) return !NEVER_ATTACHED.has(driver);
  return !(source && MOUNTED_SOURCES.some((field) => Object.hasOwn(source, field)));
};

const isForOneNode = ({ spec }: PersistentVolumeClaim): boolean => {
  const modes = spec?.accessModes ?? [];
  return modes.length > 0 && modes.every((mode) => mode.startsWith('ReadWriteOnce'));
};

/**
 * The claims of a pod that one node at a time can attach, as 'namespace/name'. A pod that ends and does not come back
 * gives its volumes free.
 */
export const singleNodeClaims = (pod: Pod, volumes: Volumes): readonly string[] => {
  if (!hasAttachments(pod)) return [];
  if (pod.metadata.deletionTimestamp !== undefined && !isReschedulable(pod)) return [];
  return claimsOf(pod, volumes)
    .filter((claim) => isForOneNode(claim) && isAttached(claim, volumes))
    .map(({ metadata }) => `${namespaceOf(pod)}/${metadata.name}`);
};

/** Claims that one node at a time can attach and several of the pods use, as 'namespace/name'. */
export const sharedClaims = (pods: readonly Pod[], volumes: Volumes): ReadonlySet<string> => {
  const users = new Map<string, number>();
  for (const pod of pods) {
    for (const claim of singleNodeClaims(pod, volumes)) users.set(claim, (users.get(claim) ?? 0) + 1);
  }
  return new Set([...users].flatMap(([claim, n]) => (n > 1 ? [claim] : [])));
};

/**
 * Pods of one claim that run on its volume's node while another hangs on a second node, without the volume: each with the one
 * that hangs, which would get the volume if they moved. Nobody counts where pods run on several nodes.
 */
export const partedHolders = (users: readonly Pod[]): ReadonlyMap<Pod, Pod> => {
  const running = users.filter(({ status }) => status?.phase === 'Running');
  const node = running[0]?.spec.nodeName;
  if (node === undefined || running.some(({ spec }) => spec.nodeName !== node)) return new Map();
  const hanging = users.find(({ spec }) => spec.nodeName !== undefined && spec.nodeName !== node);
  return new Map(hanging ? running.map((pod) => [pod, hanging]) : []);
};

/** Those of partedHolders, of every claim that the pods use. */
export const allPartedHolders = (pods: readonly Pod[], volumes: Volumes): ReadonlyMap<Pod, Pod> => {
  const users = new Map<string, Pod[]>();
  for (const pod of pods) {
    if (!pod.spec.nodeName || hasEnded(pod)) continue;
    for (const claim of singleNodeClaims(pod, volumes)) users.set(claim, [...(users.get(claim) ?? []), pod]);
  }
  return new Map([...users.values()].flatMap((each) => [...partedHolders(each)]));
};

/** A pod that uses a shared claim: where it is, where a plan leaves it, and whether the plan brings it there. */
export interface Sharer {
  readonly before: string | undefined;
  readonly after: string;
  readonly arrives: boolean;
  /** Whether it runs on the volume's node while another sharer hangs on a second node, without the volume. */
  readonly hasVolume?: boolean;
}

/**
 * The first sharer that a plan brings to another place than a second sharer's, with that one. Three things are a fault: it
 * comes where no sharer is, the sharers end on more nodes than they began on, or it has the volume and leaves it to one that
 * hangs. Sharers on two nodes before the plan are not its fault.
 */
export const partedSharers = <T extends Sharer>(
  sharers: readonly T[],
): { readonly arrival: T; readonly other: T } | undefined => {
  const arrivals = sharers.filter(({ arrives }) => arrives);
  const before = new Set(sharers.flatMap((each) => (each.before === undefined ? [] : [each.before])));
  const after = new Set(sharers.map((each) => each.after));
  const areOnMoreNodes = after.size > Math.max(1, before.size);
  for (const arrival of arrivals) {
    const other = sharers.find((each) => each.after !== arrival.after);
    if (!other) continue;
    const isAlone = !sharers.some((each) => each !== arrival && each.after === arrival.after);
    if (isAlone || areOnMoreNodes || arrival.hasVolume) return { arrival, other };
  }
  return undefined;
};
