import type {
  CSINode,
  DaemonSet,
  DeviceClass,
  KubeObject,
  Namespace,
  Node,
  NodeClaim,
  NodePool,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  StorageClass,
} from '../../api/objects.ts';
import { parseQuantity, QuantityError } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';

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

const FIELD_OF_KIND: Readonly<Record<string, keyof Snapshot>> = {
  Node: 'nodes',
  Pod: 'pods',
  NodePool: 'nodePools',
  NodeClaim: 'nodeClaims',
  DaemonSet: 'daemonSets',
  ReplicaSet: 'replicaSets',
  PodDisruptionBudget: 'podDisruptionBudgets',
  PersistentVolumeClaim: 'persistentVolumeClaims',
  PersistentVolume: 'persistentVolumes',
  StorageClass: 'storageClasses',
  CSINode: 'csiNodes',
  Namespace: 'namespaces',
  DeviceClass: 'deviceClasses',
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object's name in messages: 'Pod default/web-1'. */
export const nameOf = (kind: string, object: KubeObject): string =>
  `${kind} ${object.metadata.namespace ? `${object.metadata.namespace}/` : ''}${object.metadata.name}`;

/** Characters of a quantity that a message quotes. */
const MAX_SHOWN = 40;

const checkQuantities = (what: string, list: unknown, where: string): void => {
  if (list === undefined || list === null) return;
  if (!isRecord(list)) throw new SnapshotError(`${what}: ${where} is not a list of resources.`);
  for (const [resource, quantity] of Object.entries(list)) {
    try {
      if (typeof quantity !== 'string' && typeof quantity !== 'number') throw new QuantityError('not text');
      parseQuantity(String(quantity));
    } catch {
      throw new SnapshotError(
        `${what}: ${where}.${resource} has ${typeof quantity === 'string' ? JSON.stringify(quantity.slice(0, MAX_SHOWN)) : typeof quantity}, which is not a quantity such as 250m or 1.5Gi.`,
      );
    }
  }
};

const checkPodSpec = (what: string, spec: unknown): void => {
  if (!isRecord(spec)) throw new SnapshotError(`${what} has no spec.`);
  if (!Array.isArray(spec.containers)) throw new SnapshotError(`${what} has no spec.containers.`);
  const lists = [spec.containers, spec.initContainers].filter(Array.isArray).flat();
  for (const container of lists) {
    if (!isRecord(container)) throw new SnapshotError(`${what} has a container that is not an object.`);
    const resources = container.resources;
    if (isRecord(resources)) {
      checkQuantities(what, resources.requests, `requests of container ${String(container.name)}`);
    }
  }
  checkQuantities(what, spec.overhead, 'spec.overhead');
};

const checkObject = (kind: string, object: Record<string, unknown>, what: string): void => {
  if (kind === 'Pod') checkPodSpec(what, object.spec);
  const spec = object.spec;
  if (kind === 'DaemonSet') {
    const template = isRecord(spec) ? spec.template : undefined;
    checkPodSpec(what, isRecord(template) ? template.spec : undefined);
  }
  if (kind === 'Node' && isRecord(object.status)) {
    checkQuantities(what, object.status.allocatable, 'status.allocatable');
  }
  if (kind === 'NodePool') {
    const template = isRecord(spec) ? spec.template : undefined;
    const inner = isRecord(template) ? template.spec : undefined;
    if (!isRecord(inner) || !Array.isArray(inner.requirements)) {
      throw new SnapshotError(`${what} has no spec.template.spec.requirements.`);
    }
    checkQuantities(what, isRecord(spec) ? spec.limits : undefined, 'spec.limits');
  }
  if (kind === 'NodeClaim' && !isRecord(spec)) throw new SnapshotError(`${what} has no spec.`);
};

/**
 * Reads a v1 List as `kubectl get nodes,pods,nodepools,... -A -o json` prints it; throws a SnapshotError. Unknown kinds
 * are ignored.
 */
export const snapshotFromList = (list: unknown): Snapshot => {
  if (!isRecord(list) || !Array.isArray(list.items)) {
    throw new SnapshotError('The snapshot is not a v1 List with items, as kubectl get -o json prints it.');
  }
  const found: Record<string, unknown[]> = {};
  for (const field of Object.values(FIELD_OF_KIND)) if (field !== 'deviceClasses') found[field] = [];
  for (const [index, item] of list.items.entries()) {
    if (!isRecord(item) || typeof item.kind !== 'string') {
      throw new SnapshotError(`Item ${index} of the snapshot has no kind.`);
    }
    const metadata = item.metadata;
    if (!isRecord(metadata) || typeof metadata.name !== 'string' || metadata.name === '') {
      throw new SnapshotError(`Item ${index} of the snapshot, a ${item.kind}, has no metadata.name.`);
    }
    const field = valueAt(FIELD_OF_KIND, item.kind);
    if (field === undefined) continue;
    const named = { metadata: metadata as unknown as KubeObject['metadata'] };
    checkObject(item.kind, item, nameOf(item.kind, named));
    found[field] ??= [];
    found[field].push(item);
  }
  return { ...emptySnapshot, ...found } as Snapshot;
};
