import type { KubeObject, Node, Pod } from '../../../api/objects.ts';
import { apiVersionOf, NODES, PODS, type Resource } from '../../../api/resources.ts';
import type {
  Applied,
  ApplyOptions,
  DeleteOptions,
  EvictedPod,
  ListOptions,
  PatchOptions,
  Ref,
  WriteOptions,
} from '../../client/requestoptions.ts';
import { alreadyExists, conflict, immutableUid, invalid, notFound } from './errors.ts';
import { blockingBudget, countBudgets } from './eviction.ts';
import { FieldOwners, removalOf } from './fieldowners.ts';
import { isObject, type Json, type JsonPatchOperation, jsonPatch, mergePatch } from './json.ts';
import { isSelected } from './selectors.ts';
import { MemoryStore } from './store.ts';

/** Kinds whose status is written through its subresource alone. A Node's may be set when it is created. */
const WITH_STATUS: ReadonlySet<string> = new Set([
  'Pod',
  'Node',
  'NodeClaim',
  'NodePool',
  'RebalancePlan',
  'RebalancePlanClaim',
  'RebalancePlanSchedule',
  'RebalanceMigrationPlan',
  'UnavailableOffering',
  'AutoscalerPolicy',
  'PodDisruptionBudget',
]);

const describe = (resource: Resource, ref: Ref): string =>
  `${resource.kind} ${ref.namespace ? `${ref.namespace}/` : ''}${ref.name}`;

const withoutStatus = <T extends KubeObject>(object: T): T => {
  const { status: _, ...rest } = object as T & { status?: unknown };
  return rest as unknown as T;
};

interface Manager {
  readonly fieldManager?: string;
}

const mustStayNominated = (what: string, old: Pod, next: Pod): void => {
  const { nominatedNodeName: name } = next.status ?? {};
  if (old.spec.nodeName && name && name !== old.status?.nominatedNodeName) {
    throw invalid(what, 'status.nominatedNodeName: Forbidden: the pod is already bound to a node');
  }
};

/** Field manager of the components of Kubernetes. */
const KUBERNETES = 'kubernetes';

/** Changes what the API server itself changes in a new object, such as a mutating webhook does. */
export type Admission = (object: KubeObject, resource: Resource, isDryRun: boolean) => KubeObject;

/**
 * The API server in memory, for tests: optimistic concurrency, preconditions, finalizers, status subresources, eviction
 * under PodDisruptionBudgets, server-side apply. Each verb is one atomic step, and fails as the real one does.
 */
export class MemoryApi {
  readonly store: MemoryStore;
  readonly #owners = new FieldOwners();
  readonly #admission: Admission;

  constructor(o: { readonly now: () => number; readonly admission?: Admission }) {
    this.store = new MemoryStore(o.now);
    this.#admission = o.admission ?? ((object) => object);
  }

  find<T extends KubeObject>(resource: Resource<T>, ref: Ref): T | undefined {
    return this.store.get(resource, ref);
  }

  get<T extends KubeObject>(resource: Resource<T>, ref: Ref): T {
    const found = this.store.get(resource, ref);
    if (!found) throw notFound(describe(resource, ref), { name: ref.name, kind: resource.plural });
    return found;
  }

  list<T extends KubeObject>(resource: Resource<T>, o: ListOptions = {}): readonly T[] {
    const all = this.store.list(resource);
    if (!o.namespace && !o.labelSelector && !o.fieldSelector) return all;
    return all
      .filter((each) => o.namespace === undefined || each.metadata.namespace === o.namespace)
      .filter((each) => isSelected(each, o));
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T, o: WriteOptions & Manager = {}): T {
    const admitted = this.#admission(object, resource, o.dryRun ?? false) as T;
    const { name } = admitted.metadata;
    if (name && this.store.get(resource, admitted.metadata))
      throw alreadyExists(describe(resource, admitted.metadata));
    this.#validate(resource, admitted);
    if (o.dryRun) return admitted;
    const isBare = WITH_STATUS.has(resource.kind) && resource.kind !== 'Node';
    const fresh = isBare ? withoutStatus(admitted) : admitted;
    const initial = resource.kind === 'Pod' ? { ...fresh, status: { phase: 'Pending' } } : fresh;
    return this.store.insert(resource, initial, o.fieldManager ?? KUBERNETES);
  }

  #validate(resource: Resource, object: KubeObject): void {
    const { spec } = object as Partial<Pod>;
    const { name } = object.metadata;
    if (name && (name.length > 253 || !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name))) {
      throw invalid(describe(resource, object.metadata), 'metadata.name: Invalid value');
    }
    const tooLong = Object.values(object.metadata.labels ?? {}).find((value) => value.length > 63);
    if (tooLong) throw invalid(describe(resource, object.metadata), `metadata.labels: ${tooLong}`);
    if (resource.kind === 'Pod' && spec?.nodeName && spec.schedulingGates?.length) {
      throw invalid(describe(resource, object.metadata), 'spec.nodeName: cannot be set with gates');
    }
  }

  /** PUT of an object; its resourceVersion is the precondition. */
  replace<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    o: Manager & { subresource?: string } = {},
  ): T {
    const old = this.get(resource, object.metadata);
    if (!object.metadata.resourceVersion) {
      throw invalid(describe(resource, object.metadata), 'metadata.resourceVersion: must be specified');
    }
    return this.#write(resource, old, object as unknown as Json, o);
  }

  patch<T extends KubeObject>(resource: Resource<T>, ref: Ref, body: object, o: PatchOptions = {}): T {
    const old = this.get(resource, ref);
    if (o.type !== 'json') {
      return this.#write(resource, old, mergePatch(old, body) as Json, o);
    }
    let next: unknown;
    try {
      next = jsonPatch(old, body as readonly JsonPatchOperation[]);
    } catch (error) {
      throw invalid(describe(resource, ref), String(error));
    }
    return this.#write(resource, old, next as Json, o);
  }

  /** Server-side apply: creates the object where it is missing. */
  apply<T extends KubeObject>(resource: Resource<T>, object: Applied, o: ApplyOptions): T {
    const { metadata } = object;
    const id = `${resource.group}/${resource.kind}/${metadata.namespace ?? ''}/${metadata.name}`;
    const old = this.find(resource, metadata);
    if (!old) {
      if (o.subresource)
        throw notFound(describe(resource, metadata), { name: metadata.name, kind: resource.plural });
      this.#owners.forget(id);
      this.#owners.claim(id, o.fieldManager, undefined, object, true);
      return this.create(resource, object as unknown as T);
    }
    const held = this.#owners.claim(id, o.fieldManager, old, object, o.force ?? false);
    if (held.conflict !== undefined) throw conflict(describe(resource, metadata), held.conflict);
    const without = held.removed.reduce<unknown>((value, path) => mergePatch(value, removalOf(path)), old);
    const next = mergePatch(without, object) as Json;
    return this.#write(resource, old, next, o);
  }

  #write<T extends KubeObject>(
    resource: Resource<T>,
    old: T,
    next: Json,
    { subresource, fieldManager }: Manager & { readonly subresource?: string },
  ): T {
    const what = describe(resource, old.metadata);
    const metadata = (isObject(next.metadata) ? next.metadata : {}) as unknown as KubeObject['metadata'];
    if (metadata.resourceVersion !== old.metadata.resourceVersion) {
      throw conflict(what, 'the object has been modified; please apply your changes to the latest version');
    }
    if (metadata.uid !== old.metadata.uid) throw immutableUid(what);
    const isStatus = subresource === 'status';
    if (resource.kind === 'Pod') mustStayNominated(what, old as unknown as Pod, next as unknown as Pod);
    const isApart = WITH_STATUS.has(resource.kind);
    const { deletionTimestamp, deletionGracePeriodSeconds, creationTimestamp, generation } = old.metadata;
    const fixed = { deletionTimestamp, deletionGracePeriodSeconds, creationTimestamp, generation };
    const known = Object.fromEntries(Object.entries(fixed).filter(([, value]) => value !== undefined));
    const kept = isStatus ? old.metadata : { ...metadata, ...known };
    const added = (kept.finalizers ?? []).find((f) => !old.metadata.finalizers?.includes(f));
    if (deletionTimestamp && added !== undefined) {
      throw invalid(what, `metadata.finalizers: no new finalizers while it is being deleted: ${added}`);
    }
    const previous = old as unknown as Json;
    const body = isStatus ? { ...previous, status: next.status } : next;
    const withStatus = isApart && !isStatus ? { ...body, status: previous.status } : body;
    const defined = Object.fromEntries(Object.entries(withStatus).filter(([, value]) => value !== undefined));
    const result = { ...defined, metadata: kept } as unknown as T;
    this.#validate(resource, result);
    return this.store.update(resource, old, result, fieldManager ?? KUBERNETES);
  }

  /** Changes an object as the components of Kubernetes do, without conflicts. */
  edit<T extends KubeObject>(
    resource: Resource<T>,
    ref: Ref,
    change: (object: T) => T,
    manager = KUBERNETES,
  ): T | undefined {
    const old = this.find(resource, ref);
    return old && this.store.update(resource, old, change(old), manager);
  }

  delete(resource: Resource, ref: Ref, o: DeleteOptions = {}): void {
    const old = this.get(resource, ref);
    const what = describe(resource, ref);
    if (o.uid !== undefined && o.uid !== old.metadata.uid)
      throw conflict(what, `Precondition failed: UID ${o.uid}`);
    if (o.resourceVersion !== undefined && o.resourceVersion !== old.metadata.resourceVersion) {
      throw conflict(what, 'Precondition failed: ResourceVersion');
    }
    const grace = this.#graceOf(resource, old, o.gracePeriodSeconds);
    if (grace === 0 && !old.metadata.finalizers?.length) {
      this.store.remove(resource, old);
      return;
    }
    const shorter = Math.min(grace, old.metadata.deletionGracePeriodSeconds ?? grace);
    const metadata = {
      ...old.metadata,
      deletionTimestamp: old.metadata.deletionTimestamp ?? this.store.timestamp(),
      ...(resource.kind === 'Pod' && { deletionGracePeriodSeconds: shorter }),
    };
    this.store.update(resource, old, { ...old, metadata }, KUBERNETES);
  }

  /** A pod that no kubelet knows goes at once, as does one that has ended. */
  #graceOf(resource: Resource, object: KubeObject, asked: number | undefined): number {
    if (resource.kind !== 'Pod') return 0;
    const { spec, status } = object as Pod;
    if (!spec.nodeName || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
    return asked ?? spec.terminationGracePeriodSeconds ?? 30;
  }

  evict(pod: EvictedPod): void {
    const found = this.get(PODS, pod);
    if (pod.uid !== undefined && pod.uid !== found.metadata.uid) {
      throw conflict(describe(PODS, pod), `Precondition failed: UID ${pod.uid}`);
    }
    const refusal = blockingBudget(this, found);
    if (refusal) throw refusal;
    const { uid, resourceVersion } = pod;
    this.delete(PODS, pod, { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) });
    countBudgets(this);
  }

  bind(
    pod: { readonly name: string; readonly namespace: string; readonly uid?: string | undefined },
    nodeName: string,
    annotations: Readonly<Record<string, string>> = {},
  ): void {
    const found = this.get(PODS, pod);
    const what = describe(PODS, pod);
    if (pod.uid !== undefined && pod.uid !== found.metadata.uid)
      throw conflict(what, `Precondition failed: UID ${pod.uid}`);
    if (found.metadata.deletionTimestamp) throw conflict(what, 'the pod is being deleted');
    if (found.spec.nodeName) throw conflict(what, `the pod is already assigned to ${found.spec.nodeName}`);
    if (found.spec.schedulingGates?.length) throw conflict(what, 'the pod has scheduling gates');
    const metadata = { ...found.metadata, annotations: { ...found.metadata.annotations, ...annotations } };
    this.store.update(PODS, found, { ...found, metadata, spec: { ...found.spec, nodeName } }, KUBERNETES);
  }

  nodes(): readonly Node[] {
    return this.store.list(NODES);
  }

  pods(): readonly Pod[] {
    return this.store.list(PODS);
  }
}

export const typed = <T extends KubeObject>(resource: Resource<T>, object: object): T =>
  ({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object }) as unknown as T;
