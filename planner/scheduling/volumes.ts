import { HOSTNAME, REGION, ZONE } from '../../api/labels.ts';
import type {
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  SelectorRequirement,
  StorageClass,
} from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { namespaceOf } from './interpodaffinity.ts';
import { type Labels, matchesNodeSelector } from './nodeaffinity.ts';
import type { Requests } from './noderesources.ts';
import { type Binding, bindableNodes, bindingOf, canBind, type UnboundClaim } from './volumes/binding.ts';
import { attachmentOf, driverOf, isMigrated } from './volumes/migrated.ts';

/** A pod's further needs: selectors that a node must all match, and volume slots by CSI driver. */
export type NeedsOf = (pod: Pod) => {
  readonly selectors: readonly NodeSelector[];
  readonly slots: Requests;
  /** The pod's workload, where a node may hold a limited number of its pods. */
  readonly workload?: string | null;
  /** Its claims that one node at a time can attach and another pod uses, as 'namespace/name'. */
  readonly shared?: readonly string[];
  /** The pod without its preferences made required, where it has some. */
  readonly original?: Pod;
  /** Whether the pod has a node and is not placed again. */
  readonly stays?: boolean;
  /** Whether kube-scheduler has yet to choose the pod's node: it takes room, and no other pod may count on being with it. */
  readonly presumed?: boolean;
};

/** The needs of a pod without volumes. */
export const NO_NEEDS: ReturnType<NeedsOf> = { selectors: [], slots: new Map() };

/** PersistentVolumeClaims by 'namespace/name', volumes and storage classes by name. */
export interface Volumes {
  readonly claims: ReadonlyMap<string, PersistentVolumeClaim>;
  readonly volumes: ReadonlyMap<string, PersistentVolume>;
  readonly classes: ReadonlyMap<string, StorageClass>;
  /** Per node and CSI driver, the maximum number of attached volumes. */
  readonly limits: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

export const volumesOf = (
  snapshot: Pick<Snapshot, 'persistentVolumeClaims' | 'persistentVolumes' | 'storageClasses' | 'csiNodes'>,
): Volumes => ({
  claims: new Map(
    snapshot.persistentVolumeClaims.map((claim) => [
      `${claim.metadata.namespace ?? 'default'}/${claim.metadata.name}`,
      claim,
    ]),
  ),
  volumes: new Map(snapshot.persistentVolumes.map((volume) => [volume.metadata.name, volume])),
  classes: new Map(snapshot.storageClasses.map((storageClass) => [storageClass.metadata.name, storageClass])),
  limits: new Map(
    snapshot.csiNodes.map((csiNode) => [
      csiNode.metadata.name,
      new Map(
        (csiNode.spec?.drivers ?? []).flatMap((driver) =>
          driver.allocatable?.count === undefined ? [] : [[driver.name, driver.allocatable.count] as const],
        ),
      ),
    ]),
  ),
});

/** Requirements of a pod's volumes on its node. */
export interface VolumeRequirements {
  /** Why no node at all meets them. */
  readonly impossible?: string;
  /** Selectors that must all match, each with kube-scheduler's message when it does not. */
  readonly selectors: readonly { readonly selector: NodeSelector; readonly message: string }[];
  /** Claims that are bound only once the pod has a node. */
  readonly unbound: readonly UnboundClaim[];
}

const AFFINITY = "node(s) didn't match PersistentVolume's node affinity";
const UNBOUND = "node(s) didn't find available persistent volumes to bind";
const NO_ZONE = 'node(s) had no available volume zone';
const TAKEN = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode';
const BETA: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': ZONE,
  'failure-domain.beta.kubernetes.io/region': REGION,
};
const ZONE_LABELS = [ZONE, REGION, ...Object.keys(BETA)];

/** Names of the claims that a pod mounts. */
const claimNames = (pod: Pod): string[] =>
  (pod.spec.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [volume.persistentVolumeClaim.claimName];
    return volume.ephemeral ? [`${pod.metadata.name}-${volume.name}`] : [];
  });

/** The claims that a pod mounts, as far as they exist. */
export const claimsOf = (pod: Pod, { claims }: Volumes): PersistentVolumeClaim[] =>
  claimNames(pod).flatMap((name) => claims.get(`${namespaceOf(pod)}/${name}`) ?? []);

/**
 * A selector for the zones in a volume's labels, where a value may join several by two underscores. A beta label of the
 * volume also matches the stable label of a node.
 */
const zoneSelector = (volume: PersistentVolume): NodeSelector | undefined => {
  let terms: SelectorRequirement[][] = [[]];
  for (const key of ZONE_LABELS) {
    const value = valueAt(volume.metadata.labels, key);
    if (value === undefined) continue;
    const here: SelectorRequirement = { key, operator: 'In', values: value.split('__') };
    const newer = valueAt(BETA, key);
    const variants: SelectorRequirement[][] = [[here]];
    if (newer)
      variants.push([
        { key, operator: 'DoesNotExist' },
        { ...here, key: newer },
      ]);
    terms = terms.flatMap((term) => variants.map((variant) => [...term, ...variant]));
  }
  const nodeSelectorTerms = terms.map((matchExpressions) => ({ matchExpressions }));
  return terms[0]?.length ? { nodeSelectorTerms } : undefined;
};

/** Reads what a pod's volumes require of its node, as kube-scheduler's volume plugins do. */
export const volumeRequirements = (pod: Pod, volumes: Volumes): VolumeRequirements => {
  const selectors: { selector: NodeSelector; message: string }[] = [];
  const unbound: UnboundClaim[] = [];
  for (const name of claimNames(pod)) {
    const claim = volumes.claims.get(`${namespaceOf(pod)}/${name}`);
    const binding: Binding = claim
      ? bindingOf(claim, volumes.volumes, volumes.classes)
      : { kind: 'impossible', message: `persistentvolumeclaim "${name}" not found` };
    if (binding.kind === 'impossible') return { impossible: binding.message, selectors: [], unbound: [] };
    if (binding.kind === 'unbound') {
      unbound.push(binding);
      continue;
    }
    const required = binding.volume.spec?.nodeAffinity?.required;
    if (required) selectors.push({ selector: required, message: AFFINITY });
    const zones = zoneSelector(binding.volume);
    if (zones) selectors.push({ selector: zones, message: NO_ZONE });
  }
  return { selectors, unbound };
};

/** CSI driver → handles of the volumes that a pod attaches; a volume that does not exist yet goes by its claim's name. */
export const attachedBy = (pod: Pod, volumes: Volumes): ReadonlyMap<string, ReadonlySet<string>> => {
  const attached = new Map<string, Set<string>>();
  const attach = (driver: string, handle: string): void => {
    attached.set(driver, (attached.get(driver) ?? new Set()).add(handle));
  };
  for (const source of pod.spec.volumes ?? []) {
    const inline = attachmentOf(source as unknown as Record<string, unknown>);
    if (inline) attach(...inline);
  }
  for (const claim of claimsOf(pod, volumes)) {
    const volume = volumes.volumes.get(claim.spec?.volumeName ?? '');
    const csi = volume?.spec?.csi;
    if (csi) attach(csi.driver, csi.volumeHandle);
    else {
      const inTree = attachmentOf(volume?.spec);
      if (inTree) attach(...inTree);
    }
    if (volume) continue;
    const provisioner = volumes.classes.get(claim.spec?.storageClassName ?? '')?.provisioner;
    if (provisioner) attach(driverOf(provisioner), `${namespaceOf(pod)}/${claim.metadata.name}`);
  }
  return attached;
};

interface VolumeNode {
  readonly name: string;
  readonly labels: Labels;
  readonly pods: readonly Pod[];
}

const exceedsLimits = (pod: Pod, node: VolumeNode, volumes: Volumes): boolean => {
  const limits = volumes.limits.get(node.name);
  if (!limits || limits.size === 0) return false;
  for (const [driver, handles] of attachedBy(pod, volumes)) {
    const limit = limits.get(driver);
    if (limit === undefined) continue;
    const held = new Set(node.pods.flatMap((other) => [...(attachedBy(other, volumes).get(driver) ?? [])]));
    const before = held.size;
    for (const handle of handles) held.add(handle);
    if (held.size > before && held.size > limit) return true;
  }
  return false;
};

/** The claims of a pod that no other pod may use beside it, as 'namespace/name'. */
export const claimsForOnePod = (pod: Pod, volumes: Volumes): readonly string[] =>
  claimsOf(pod, volumes)
    .filter(({ spec }) => spec?.accessModes?.includes('ReadWriteOncePod'))
    .map(({ metadata }) => `${namespaceOf(pod)}/${metadata.name}`);

/** Whether another pod uses a ReadWriteOncePod claim of this pod. */
export const isTaken = (pod: Pod, nodes: readonly VolumeNode[], volumes: Volumes): boolean => {
  const exclusive = new Set(claimsForOnePod(pod, volumes));
  if (exclusive.size === 0) return false;
  return nodes.some((node) =>
    node.pods.some((other) =>
      claimNames(other).some((name) => exclusive.has(`${namespaceOf(other)}/${name}`)),
    ),
  );
};

/** Whether a pod mounts anything that is attached or tied to a place. */
export const hasAttachments = (pod: Pod): boolean =>
  (pod.spec.volumes ?? []).some(
    (volume) =>
      volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined || isMigrated(volume),
  );

/** kube-scheduler's first reason against a node for the pod's volumes. `nodes` is the whole cluster. */
export const refuseByVolumes = (
  pod: Pod,
  node: VolumeNode,
  volumes: Volumes,
  nodes: readonly VolumeNode[] = [node],
): string | undefined => {
  if (!hasAttachments(pod)) return undefined;
  const demand = volumeRequirements(pod, volumes);
  if (demand.impossible) return demand.impossible;
  if (isTaken(pod, nodes, volumes)) return TAKEN;
  for (const { selector, message } of demand.selectors) {
    const hasNoZone =
      message === NO_ZONE && ZONE_LABELS.every((key) => valueAt(node.labels, key) === undefined);
    if (!hasNoZone && !matchesNodeSelector(selector, node.labels, node.name)) return message;
  }
  if (!canBind(demand.unbound, node)) return UNBOUND;
  return exceedsLimits(pod, node, volumes) ? 'node(s) exceed max volume count' : undefined;
};

/** Prefix of dimensions that count volumes by CSI driver. */
export const VOLUME_SLOTS = 'volumes/';

/** Volume slots of a new node, whose real limit is known only once it has joined. */
export const UNLIMITED = 1e9;

/** A selector that no node matches. */
export const NOWHERE: NodeSelector = { nodeSelectorTerms: [] };

/** A pod's volumes as the packing needs them: selectors that must all match, and slots by CSI driver. */
export const volumeNeeds = (
  pod: Pod,
  volumes: Volumes,
): { readonly selectors: readonly NodeSelector[]; readonly slots: Requests } => {
  if (!hasAttachments(pod)) return NO_NEEDS;
  const demand = volumeRequirements(pod, volumes);
  const places = demand.unbound.flatMap((claim) => bindableNodes(claim) ?? []);
  return {
    selectors: demand.impossible
      ? [NOWHERE]
      : [...demand.selectors.map(({ selector }) => selector), ...places],
    slots: new Map(
      [...attachedBy(pod, volumes)].map(([driver, handles]) => [`${VOLUME_SLOTS}${driver}`, handles.size]),
    ),
  };
};

/** Whether a pod has a volume that exists on one node only. */
export const hasLocalVolume = (pod: Pod, volumes: Volumes): boolean =>
  claimNames(pod).some((name) => {
    const claim = volumes.claims.get(`${namespaceOf(pod)}/${name}`);
    const spec = volumes.volumes.get(claim?.spec?.volumeName ?? '')?.spec;
    if (!spec) return false;
    const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
    return (
      'hostPath' in spec ||
      'local' in spec ||
      terms.some((term) => term.matchExpressions?.some((expression) => expression.key === HOSTNAME))
    );
  });
