import type {
  CSINode,
  DaemonSet,
  DeviceClass,
  KubeObject,
  LimitRange,
  Namespace,
  Node,
  NodeClaim,
  NodeClassObject,
  NodeOverlay,
  NodePool,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  StorageClass,
} from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { itemsOf, newestOfEach } from './items.ts';
import { KINDS, type Kind, type ListField } from './kinds.ts';
import { AMOUNTS, isRecord, type Json, normalized } from './shape.ts';

/** The cluster's objects at one moment. */
export interface Snapshot {
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  readonly nodePools: readonly NodePool[];
  readonly nodeClaims: readonly NodeClaim[];
  readonly daemonSets: readonly DaemonSet[];
  readonly replicaSets: readonly ReplicaSet[];
  readonly podDisruptionBudgets: readonly PodDisruptionBudget[];
  readonly persistentVolumeClaims: readonly PersistentVolumeClaim[];
  readonly persistentVolumes: readonly PersistentVolume[];
  readonly storageClasses: readonly StorageClass[];
  readonly csiNodes: readonly CSINode[];
  readonly namespaces: readonly Namespace[];
  /** Left out where they were not read. */
  readonly deviceClasses?: readonly DeviceClass[];
  /** Left out where they were not read. */
  readonly limitRanges?: readonly LimitRange[];
  /** NodeClass objects of any cloud; left out where they were not read. */
  readonly nodeClasses?: readonly NodeClassObject[];
  /** Left out where they were not read. */
  readonly nodeOverlays?: readonly NodeOverlay[];
  /** What the source of the snapshot leaves unknown: sentences that say what to do. */
  readonly notes?: readonly string[];
}

/** A snapshot that can't be used; the message is one sentence that names the object. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
}

export const emptySnapshot: Snapshot = {
  nodes: [],
  pods: [],
  nodePools: [],
  nodeClaims: [],
  daemonSets: [],
  replicaSets: [],
  podDisruptionBudgets: [],
  persistentVolumeClaims: [],
  persistentVolumes: [],
  storageClasses: [],
  csiNodes: [],
  namespaces: [],
};

/** An object's name in messages: 'Pod default/web-1'. */
export const nameOf = (kind: string, object: KubeObject): string =>
  `${kind} ${object.metadata.namespace ? `${object.metadata.namespace}/` : ''}${object.metadata.name}`;

/** Kinds of Karpenter before 0.32, which had neither NodePools nor NodeClaims. */
const OLD_KINDS: ReadonlySet<string> = new Set(['Provisioner', 'Machine']);

const apiOf = ({ apiVersion }: Json): readonly [string | undefined, string] => {
  // The items of an API list have no apiVersion.
  if (typeof apiVersion !== 'string') return [undefined, ''];
  const [group, version] = apiVersion.split('/');
  return version === undefined ? ['', apiVersion] : [group, version];
};

/** The kind that a plan depends on; undefined for others, of other groups too. */
const kindOf = (item: Json): Kind | undefined => {
  const kind = valueAt(KINDS, String(item.kind));
  const [group] = apiOf(item);
  return kind && (group === undefined || kind.groups.includes(group)) ? kind : undefined;
};

const sentence = (what: string, fault: string): string => {
  const missing = /^\.(.+) is missing$/.exec(fault)?.[1];
  return missing ? `${what} has no ${missing}.` : `${what}: ${fault.replace(/^\./, '')}.`;
};

const NO_AMOUNTS: ReadonlySet<string> = new Set();

/** The object as the planner reads it. Throws a SnapshotError. */
const read = (kind: Kind, item: Json, what: string): Json => {
  const [group, version] = apiOf(item);
  if (kind.version !== undefined && group !== undefined && version !== kind.version) {
    const plural = `${String(item.kind).toLowerCase()}s.${kind.version}.${group}`;
    throw new SnapshotError(
      `${what} is of ${group}/${version}, and plans need ${group}/${kind.version}: upgrade to Karpenter 1.0 or newer, or get ${plural} where it is there already.`,
    );
  }
  // A CSINode counts volumes in a field that is called as amounts are elsewhere.
  const object = normalized(item, kind.field === 'csiNodes' ? NO_AMOUNTS : AMOUNTS);
  const fault = kind.check(object);
  if (fault !== undefined) throw new SnapshotError(sentence(what, fault));
  return object;
};

const oldKarpenterNote = (items: readonly Json[]): readonly string[] => {
  const old = items.find((item) => OLD_KINDS.has(String(item.kind)) && apiOf(item)[0] === 'karpenter.sh');
  if (!old) return [];
  const name = isRecord(old.metadata) ? String(old.metadata.name) : '';
  return [
    `${String(old.kind)} ${name} is of ${String(old.apiVersion)}, from before Karpenter 0.32, so its nodes are in no plan: upgrade to Karpenter 1.0 or newer.`,
  ];
};

/**
 * Reads a v1 List as `kubectl get nodes,pods,nodepools,... -A -o json` prints it, lists within it included; throws a
 * SnapshotError. Unknown kinds are passed over, and of an object that stands twice the newer counts.
 */
export const snapshotFromList = (list: unknown): Snapshot => {
  if (!isRecord(list) || !Array.isArray(list.items)) {
    throw new SnapshotError('The snapshot is not a v1 List with items, as kubectl get -o json prints it.');
  }
  const items = itemsOf(list.items);
  const found = new Map<ListField, Json[]>();
  const known: { readonly item: Json; readonly kind: Kind; readonly what: string }[] = [];
  for (const [index, item] of items.entries()) {
    if (!isRecord(item) || typeof item.kind !== 'string') {
      throw new SnapshotError(`Item ${index} of the snapshot has no kind.`);
    }
    const kind = kindOf(item);
    if (!kind) continue;
    const { metadata } = item;
    if (!isRecord(metadata) || typeof metadata.name !== 'string' || metadata.name === '') {
      throw new SnapshotError(`Item ${index} of the snapshot, a ${item.kind}, has no metadata.name.`);
    }
    const named = { metadata: metadata as unknown as KubeObject['metadata'] };
    known.push({ item, kind, what: nameOf(item.kind, named) });
  }
  for (const { item, kind, what } of newestOfEach(known)) {
    const objects = found.get(kind.field) ?? [];
    found.set(kind.field, objects);
    objects.push(read(kind, item, what));
  }
  const notes = oldKarpenterNote(items as readonly Json[]);
  return {
    ...emptySnapshot,
    ...Object.fromEntries(found),
    ...(notes.length > 0 && { notes }),
  } as Snapshot;
};
