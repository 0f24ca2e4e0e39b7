import { SELECTED_NODE } from '../../../api/labels.ts';
import type {
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../api/objects.ts';
import { bytes } from '../../../api/quantity.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import { type Labels, matchesLabels, matchesNodeSelector } from '../nodeaffinity.ts';

const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

/** The state of a claim in kube-scheduler's VolumeBinding plugin. */
export type Binding =
  | { readonly kind: 'bound'; readonly volume: PersistentVolume }
  /** No node can be used until the claim changes. */
  | { readonly kind: 'impossible'; readonly message: string }
  /** Bound once its pod has a node: to a free volume, or to a new one where `topology` allows (undefined: nowhere). */
  | {
      readonly kind: 'unbound';
      readonly claim: PersistentVolumeClaim;
      /** Static volumes that fit, smallest first. */
      readonly free: readonly PersistentVolume[];
      readonly topology: NodeSelector | 'anywhere' | undefined;
      /** The node that kube-scheduler has selected for it already. */
      readonly node: string | undefined;
    };

const impossible = (message: string): Binding => ({ kind: 'impossible', message });

const sizeOf = (volume: PersistentVolume): number => bytes(volume.spec?.capacity?.storage ?? '0');

const requestedBy = (claim: PersistentVolumeClaim): number =>
  bytes(claim.spec?.resources?.requests?.storage ?? '0');

/** The static volumes that a claim may be bound to, smallest first. Source: FindMatchingVolume in k8s.io/component-helpers. */
const freeVolumesFor = (
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
): PersistentVolume[] => {
  const claimSpec = claim.spec ?? {};
  const found: PersistentVolume[] = [];
  for (const volume of volumes) {
    const { spec } = volume;
    const phase = volume.status?.phase;
    if (
      spec &&
      !spec.claimRef &&
      (phase ?? 'Available') === 'Available' &&
      volume.metadata.deletionTimestamp === undefined &&
      (spec.storageClassName ?? '') === (claimSpec.storageClassName ?? '') &&
      (spec.volumeMode ?? 'Filesystem') === (claimSpec.volumeMode ?? 'Filesystem') &&
      sizeOf(volume) >= requestedBy(claim) &&
      (claimSpec.accessModes ?? []).every((mode) =>
        (spec.accessModes ?? claimSpec.accessModes)?.includes(mode),
      ) &&
      (claimSpec.selector === undefined || matchesLabels(claimSpec.selector, volume.metadata.labels ?? {}))
    ) {
      found.push(volume);
    }
  }
  return found.sort((a, b) => sizeOf(a) - sizeOf(b));
};

const topologyOf = (storage: StorageClass): NodeSelector | 'anywhere' | undefined => {
  if (!storage.provisioner || storage.provisioner === NO_PROVISIONER) return undefined;
  const terms = storage.allowedTopologies ?? [];
  if (terms.length === 0) return 'anywhere';
  return {
    nodeSelectorTerms: terms.map((term) => ({
      matchExpressions: (term.matchLabelExpressions ?? []).map((expression) => ({
        key: expression.key,
        operator: 'In' as const,
        values: expression.values,
      })),
    })),
  };
};

/** Reads the state of a claim. */
export const bindingOf = (
  claim: PersistentVolumeClaim,
  volumes: ReadonlyMap<string, PersistentVolume>,
  classes: ReadonlyMap<string, StorageClass>,
): Binding => {
  const { name, deletionTimestamp, annotations } = claim.metadata;
  const phase = claim.status?.phase;
  const bound = claim.spec?.volumeName;
  if (phase === 'Lost')
    return impossible(
      `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${bound ?? ''}"`,
    );
  if (deletionTimestamp !== undefined) return impossible(`persistentvolumeclaim "${name}" is being deleted`);
  // As kube-scheduler: the annotation says that a claim is bound, its phase comes later.
  if (bound && (phase !== 'Pending' || valueAt(annotations, BIND_COMPLETED) !== undefined)) {
    const volume = volumes.get(bound);
    return volume
      ? { kind: 'bound', volume }
      : impossible(
          `node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s): claim ${name} of volume ${bound}`,
        );
  }
  const storage = classes.get(claim.spec?.storageClassName ?? '');
  if (bound || storage?.volumeBindingMode !== 'WaitForFirstConsumer') {
    return impossible(`pod has unbound immediate PersistentVolumeClaims: ${name}`);
  }
  return {
    kind: 'unbound',
    claim,
    free: freeVolumesFor(claim, volumes.values()),
    topology: topologyOf(storage),
    node: claim.metadata.annotations?.[SELECTED_NODE],
  };
};

export type UnboundClaim = Extract<Binding, { kind: 'unbound' }>;

const isOn = (volume: PersistentVolume, labels: Labels): boolean => {
  const required = volume.spec?.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, labels, '');
};

/** Whether a node can give every unbound claim of a pod a volume of its own, tried in VolumeBinding's order. */
export const canBind = (
  unbound: readonly UnboundClaim[],
  node: { readonly name: string; readonly labels: Labels },
): boolean => {
  const taken = new Set<PersistentVolume>();
  const bySize = [...unbound].sort((a, b) => requestedBy(a.claim) - requestedBy(b.claim));
  return bySize.every((unbound) => {
    if (unbound.node !== undefined && unbound.node !== node.name) return false;
    const match =
      unbound.node === undefined
        ? unbound.free.find((volume) => !taken.has(volume) && isOn(volume, node.labels))
        : undefined;
    if (match) {
      taken.add(match);
      return true;
    }
    if (unbound.topology === undefined) return false;
    return unbound.topology === 'anywhere' || matchesNodeSelector(unbound.topology, node.labels, node.name);
  });
};

/** The nodes where an unbound claim can be bound, ignoring other claims; undefined for any node. */
export const bindableNodes = (unbound: UnboundClaim): NodeSelector | undefined => {
  if (unbound.node !== undefined) {
    const matchFields = [{ key: 'metadata.name', operator: 'In' as const, values: [unbound.node] }];
    return { nodeSelectorTerms: [{ matchFields }] };
  }
  if (unbound.topology === 'anywhere') return undefined;
  const affinities = unbound.free.map((volume) => volume.spec?.nodeAffinity?.required);
  if (affinities.some((affinity) => affinity === undefined)) return undefined;
  return {
    nodeSelectorTerms: [
      ...affinities.flatMap((affinity) => affinity?.nodeSelectorTerms ?? []),
      ...(unbound.topology?.nodeSelectorTerms ?? []),
    ],
  };
};
