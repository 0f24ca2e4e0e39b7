import { HOSTNAME, REGION, ZONE } from '../api/labels.ts';
import type {
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../api/objects.ts';
import { namespaceOf } from './podaffinity.ts';
import type { Requests } from './podresources.ts';
import { type Labels, matchesNodeSelector } from './selector.ts';
import type { Snapshot } from './snapshot.ts';

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
export interface VolumeDemand {
  /** Why no node will do, or null. */
  readonly impossible: string | null;
  /** All must match. The message is kube-scheduler's when one does not. */
  readonly selectors: readonly { readonly selector: NodeSelector; readonly message: string }[];
  /** CSI driver → handles of volumes to be attached. */
  readonly attached: ReadonlyMap<string, ReadonlySet<string>>;
}

const NONE: VolumeDemand = { impossible: null, selectors: [], attached: new Map() };

const AFFINITY = "node(s) didn't match PersistentVolume's node affinity";
const UNBOUND = "node(s) didn't find available persistent volumes to bind";
const NO_ZONE = 'node(s) had no available volume zone';
const ZONE_LABELS = [
  ZONE,
  REGION,
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
];
const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

/** Names of the claims that a pod mounts. */
const claimNames = (pod: Pod): string[] =>
  (pod.spec.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [volume.persistentVolumeClaim.claimName];
    return volume.ephemeral ? [`${pod.metadata.name}-${volume.name}`] : [];
  });

/** A selector for the zones that a volume's labels name; several are joined by two underscores. */
const zoneSelector = (volume: PersistentVolume): NodeSelector | null => {
  const matchExpressions = ZONE_LABELS.flatMap((key) => {
    const value = volume.metadata.labels?.[key];
    return value === undefined ? [] : [{ key, operator: 'In' as const, values: value.split('__') }];
  });
  return matchExpressions.length > 0 ? { nodeSelectorTerms: [{ matchExpressions }] } : null;
};

const topologySelector = (storage: StorageClass): NodeSelector | null => {
  const terms = storage.allowedTopologies ?? [];
  if (terms.length === 0) return null;
  return {
    nodeSelectorTerms: terms.map((term) => ({
      matchExpressions: (term.matchLabelExpressions ?? []).map((each) => ({
        key: each.key,
        operator: 'In' as const,
        values: each.values,
      })),
    })),
  };
};

/** Static volumes of a class that nobody has: where they are is where the pod may be. */
const freeVolumes = (volumes: Volumes, storageClass: string): NodeSelector => ({
  nodeSelectorTerms: [...volumes.volumes.values()]
    .filter((each) => each.spec?.storageClassName === storageClass && !each.spec.claimRef)
    .flatMap((each) => each.spec?.nodeAffinity?.required?.nodeSelectorTerms ?? []),
});

/** What a pod's volumes ask of its node, by kube-scheduler's volume plugins. */
export const volumeDemand = (pod: Pod, volumes: Volumes): VolumeDemand => {
  const names = claimNames(pod);
  if (names.length === 0) return NONE;
  const selectors: { selector: NodeSelector; message: string }[] = [];
  const attached = new Map<string, Set<string>>();
  const attach = (driver: string, handle: string): void => {
    attached.set(driver, (attached.get(driver) ?? new Set()).add(handle));
  };
  for (const name of names) {
    const claim = volumes.claims.get(`${namespaceOf(pod)}/${name}`);
    if (!claim) return { ...NONE, impossible: `persistentvolumeclaim "${name}" not found` };
    const bound = claim.spec?.volumeName;
    if (bound) {
      const volume = volumes.volumes.get(bound);
      if (!volume) {
        return {
          ...NONE,
          impossible: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
        };
      }
      const required = volume.spec?.nodeAffinity?.required;
      if (required) selectors.push({ selector: required, message: AFFINITY });
      const zones = zoneSelector(volume);
      if (zones) selectors.push({ selector: zones, message: NO_ZONE });
      const csi = volume.spec?.csi;
      if (csi) attach(csi.driver, csi.volumeHandle);
      continue;
    }
    const storageClass = claim.spec?.storageClassName ?? '';
    const storage = volumes.classes.get(storageClass);
    if (storage?.volumeBindingMode !== 'WaitForFirstConsumer') {
      return { ...NONE, impossible: 'pod has unbound immediate PersistentVolumeClaims' };
    }
    if (storage.provisioner === NO_PROVISIONER) {
      selectors.push({ selector: freeVolumes(volumes, storageClass), message: UNBOUND });
      continue;
    }
    const topology = topologySelector(storage);
    if (topology) selectors.push({ selector: topology, message: UNBOUND });
    if (storage.provisioner) attach(storage.provisioner, `${namespaceOf(pod)}/${name}`);
  }
  return { impossible: null, selectors, attached };
};

/** The first of kube-scheduler's reasons against a node by the pod's volumes, or null. */
export const volumesRefuse = (
  pod: Pod,
  node: { readonly name: string; readonly labels: Labels; readonly pods: readonly Pod[] },
  volumes: Volumes,
): string | null => {
  const demand = volumeDemand(pod, volumes);
  if (demand.impossible) return demand.impossible;
  for (const { selector, message } of demand.selectors) {
    const isPlaceless = message === NO_ZONE && ZONE_LABELS.every((key) => node.labels[key] === undefined);
    if (!isPlaceless && !matchesNodeSelector(selector, node.labels, node.name)) return message;
  }
  for (const [driver, handles] of demand.attached) {
    const limit = volumes.limits.get(node.name)?.get(driver);
    if (limit === undefined) continue;
    const held = new Set(
      node.pods.flatMap((each) => [...(volumeDemand(each, volumes).attached.get(driver) ?? [])]),
    );
    const before = held.size;
    for (const handle of handles) held.add(handle);
    if (held.size > before && held.size > limit) return 'node(s) exceed max volume count';
  }
  return null;
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
  const demand = volumeDemand(pod, volumes);
  return {
    selectors: demand.impossible ? [NOWHERE] : demand.selectors.map((each) => each.selector),
    slots: new Map(
      [...demand.attached].map(([driver, handles]) => [`${VOLUME_SLOTS}${driver}`, handles.size]),
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
