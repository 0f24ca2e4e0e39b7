import { HOSTNAME, REGION, ZONE } from '../../api/labels.ts';
import type {
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  SelectorRequirement,
  StorageClass,
} from '../../api/objects.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { namespaceOf } from './interpodaffinity.ts';
import { type Labels, matchesNodeSelector } from './nodeaffinity.ts';
import type { Requests } from './noderesources.ts';
import { type Binding, bindableNodes, bindingOf, canBind, type UnboundClaim } from './volumebinding.ts';

/** What else a pod asks of its node: selectors that all must match, and slots of volumes by driver. */
export type NeedsOf = (pod: Pod) => {
  readonly selectors: readonly NodeSelector[];
  readonly slots: Requests;
  /** Tells pods of different workloads apart, where a node may hold only so many of one. */
  readonly workload?: string | null;
};

/** Of a pod without volumes. */
export const NO_NEEDS: ReturnType<NeedsOf> = { selectors: [], slots: new Map() };

/** Claims, volumes and classes by name. */
export interface Volumes {
  readonly claims: ReadonlyMap<string, PersistentVolumeClaim>;
  readonly volumes: ReadonlyMap<string, PersistentVolume>;
  readonly classes: ReadonlyMap<string, StorageClass>;
  /** Per node, how many volumes of each CSI driver it takes. */
  readonly limits: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

export const volumesOf = (snapshot: Snapshot): Volumes => ({
  claims: new Map(
    snapshot.persistentVolumeClaims.map((each) => [
      `${each.metadata.namespace ?? 'default'}/${each.metadata.name}`,
      each,
    ]),
  ),
  volumes: new Map(snapshot.persistentVolumes.map((each) => [each.metadata.name, each])),
  classes: new Map(snapshot.storageClasses.map((each) => [each.metadata.name, each])),
  limits: new Map(
    snapshot.csiNodes.map((each) => [
      each.metadata.name,
      new Map(
        (each.spec?.drivers ?? []).flatMap((driver) =>
          driver.allocatable?.count === undefined ? [] : [[driver.name, driver.allocatable.count] as const],
        ),
      ),
    ]),
  ),
});

/** What a pod's volumes ask of its node. */
export interface VolumeRequirements {
  /** Why no node will do, or null. */
  readonly impossible?: string;
  /** All must match. The message is kube-scheduler's when one does not. */
  readonly selectors: readonly { readonly selector: NodeSelector; readonly message: string }[];
  /** Claims that are bound once the pod has a node. */
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

const claimsOf = (pod: Pod, { claims }: Volumes): PersistentVolumeClaim[] =>
  claimNames(pod).flatMap((name) => claims.get(`${namespaceOf(pod)}/${name}`) ?? []);

/**
 * A selector for the zones that a volume's labels name; several are joined by two underscores. What a volume says by
 * an old name of the label, a node may say by the new one.
 */
const zoneSelector = (volume: PersistentVolume): NodeSelector | undefined => {
  let terms: SelectorRequirement[][] = [[]];
  for (const key of ZONE_LABELS) {
    const value = volume.metadata.labels?.[key];
    if (value === undefined) continue;
    const here: SelectorRequirement = { key, operator: 'In', values: value.split('__') };
    const newer = BETA[key];
    const ways: SelectorRequirement[][] = [[here]];
    if (newer)
      ways.push([
        { key, operator: 'DoesNotExist' },
        { ...here, key: newer },
      ]);
    terms = terms.flatMap((term) => ways.map((way) => [...term, ...way]));
  }
  const nodeSelectorTerms = terms.map((matchExpressions) => ({ matchExpressions }));
  return terms[0]?.length ? { nodeSelectorTerms } : undefined;
};

/** What a pod's volumes ask of its node, by kube-scheduler's volume plugins. */
export const volumeRequirements = (pod: Pod, volumes: Volumes): VolumeRequirements => {
  const selectors: { selector: NodeSelector; message: string }[] = [];
  const unbound: UnboundClaim[] = [];
  for (const name of claimNames(pod)) {
    const claim = volumes.claims.get(`${namespaceOf(pod)}/${name}`);
    const binding: Binding = claim
      ? bindingOf(claim, volumes.volumes, volumes.classes)
      : { kind: 'impossible', message: `persistentvolumeclaim "${name}" not found` };
    if (binding.kind === 'impossible') return { impossible: binding.message, selectors: [], unbound: [] };
    if (binding.kind === 'waiting') {
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

/** CSI driver → handles of the volumes that a pod attaches to its node; those to come are known by their claims. */
const attachedBy = (pod: Pod, volumes: Volumes): ReadonlyMap<string, ReadonlySet<string>> => {
  const attached = new Map<string, Set<string>>();
  const attach = (driver: string, handle: string): void => {
    attached.set(driver, (attached.get(driver) ?? new Set()).add(handle));
  };
  for (const claim of claimsOf(pod, volumes)) {
    const volume = volumes.volumes.get(claim.spec?.volumeName ?? '');
    const csi = volume?.spec?.csi;
    if (csi) attach(csi.driver, csi.volumeHandle);
    if (volume) continue;
    const provisioner = volumes.classes.get(claim.spec?.storageClassName ?? '')?.provisioner;
    if (provisioner) attach(provisioner, `${namespaceOf(pod)}/${claim.metadata.name}`);
  }
  return attached;
};

interface Host {
  readonly name: string;
  readonly labels: Labels;
  readonly pods: readonly Pod[];
}

const exceedsLimits = (pod: Pod, node: Host, volumes: Volumes): boolean => {
  const limits = volumes.limits.get(node.name);
  if (!limits || limits.size === 0) return false;
  for (const [driver, handles] of attachedBy(pod, volumes)) {
    const limit = limits.get(driver);
    if (limit === undefined) continue;
    const held = new Set(node.pods.flatMap((each) => [...(attachedBy(each, volumes).get(driver) ?? [])]));
    const before = held.size;
    for (const handle of handles) held.add(handle);
    if (held.size > before && held.size > limit) return true;
  }
  return false;
};

/** Whether a claim that only one pod may use is used by another one. */
const isTaken = (pod: Pod, nodes: readonly Host[], volumes: Volumes): boolean => {
  const lone = claimsOf(pod, volumes).filter((each) => each.spec?.accessModes?.includes('ReadWriteOncePod'));
  if (lone.length === 0) return false;
  const names = new Set(lone.map((each) => each.metadata.name));
  return nodes.some((node) =>
    node.pods.some(
      (other) => namespaceOf(other) === namespaceOf(pod) && claimNames(other).some((name) => names.has(name)),
    ),
  );
};

/** The first of kube-scheduler's reasons against a node by the pod's volumes, or null; `nodes` is the whole cluster. */
export const refuseByVolumes = (
  pod: Pod,
  node: Host,
  volumes: Volumes,
  nodes: readonly Host[] = [node],
): string | undefined => {
  if (claimNames(pod).length === 0) return undefined;
  const demand = volumeRequirements(pod, volumes);
  if (demand.impossible) return demand.impossible;
  if (isTaken(pod, nodes, volumes)) return TAKEN;
  for (const { selector, message } of demand.selectors) {
    const isPlaceless = message === NO_ZONE && ZONE_LABELS.every((key) => node.labels[key] === undefined);
    if (!isPlaceless && !matchesNodeSelector(selector, node.labels, node.name)) return message;
  }
  if (!canBind(demand.unbound, node)) return UNBOUND;
  return exceedsLimits(pod, node, volumes) ? 'node(s) exceed max volume count' : undefined;
};

/** What the names of dimensions begin with that count volumes by CSI driver. */
export const VOLUME_SLOTS = 'volumes/';

/** How many volumes a node to come takes is not known before it is there. */
export const UNLIMITED = 1e9;

/** A selector that no node meets. */
export const NOWHERE: NodeSelector = { nodeSelectorTerms: [] };

/** What the packer must know of a pod's volumes: selectors that all must match, and slots by driver. */
export const volumeNeeds = (
  pod: Pod,
  volumes: Volumes,
): { readonly selectors: readonly NodeSelector[]; readonly slots: Requests } => {
  if (claimNames(pod).length === 0) return NO_NEEDS;
  const demand = volumeRequirements(pod, volumes);
  const places = demand.unbound.flatMap((each) => bindableNodes(each) ?? []);
  return {
    selectors: demand.impossible ? [NOWHERE] : [...demand.selectors.map((each) => each.selector), ...places],
    slots: new Map(
      [...attachedBy(pod, volumes)].map(([driver, handles]) => [`${VOLUME_SLOTS}${driver}`, handles.size]),
    ),
  };
};

/** Whether a pod has a volume that only one node can give it. */
export const hasLocalVolume = (pod: Pod, volumes: Volumes): boolean =>
  claimNames(pod).some((name) => {
    const claim = volumes.claims.get(`${namespaceOf(pod)}/${name}`);
    const spec = volumes.volumes.get(claim?.spec?.volumeName ?? '')?.spec;
    if (!spec) return false;
    const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
    return (
      'hostPath' in spec ||
      'local' in spec ||
      terms.some((term) => term.matchExpressions?.some((each) => each.key === HOSTNAME))
    );
  });
