import { UNDO_FINALIZER } from '../../api/labels.ts';
import type { KubeObject } from '../../api/objects.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  LEASES,
  type Resource,
  SERVICE_ACCOUNTS,
} from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Ref } from '../client/requestoptions.ts';
import { KubeError } from '../errors.ts';
import { getOrUndefined, ignoreNotFound } from '../ignore.ts';
import { patchTogether } from './together.ts';

/**
 * What a leader needs to undo its plans: its Lease, its identity and its rights. A finalizer keeps them while there is
 * something to undo, in whatever order they are deleted. See docs/designs/0017-uninstall.md.
 */
export interface Guards {
  /** Puts the finalizer on all of them. Throws when one is being deleted: then no plan may start. */
  raise(signal: AbortSignal): Promise<void>;
  /** Those that carry the finalizer, as `ClusterRole castai-kentroller`. */
  raised(signal: AbortSignal): Promise<readonly string[]>;
  /** Whether one that carries the finalizer is being deleted. */
  isLeaving(signal: AbortSignal): Promise<boolean>;
  /** Removes the finalizer from all of them; the caller may have no rights afterwards. */
  lower(signal: AbortSignal): Promise<void>;
}

/** The guards of a process that does not run on a ServiceAccount of the cluster. */
export const NO_GUARDS: Guards = {
  raise: async () => {},
  raised: async () => [],
  isLeaving: async () => false,
  lower: async () => {},
};

interface Guarded {
  readonly resource: Resource;
  readonly ref: Ref;
}

const hasFinalizer = ({ metadata }: KubeObject): boolean =>
  metadata.finalizers?.includes(UNDO_FINALIZER) ?? false;

/** The guards of the component with this name, which is also the name of its Lease, ServiceAccount and roles. */
export const createGuards = (
  client: KubeClient,
  o: { readonly namespace: string; readonly name: string; readonly lease: string },
): Guards => {
  const { namespace, name } = o;
  const lease: Guarded = { resource: LEASES, ref: { namespace, name: o.lease } };
  // Each is needed to reach the others, so the last three are released together.
  const rights: readonly Guarded[] = [
    { resource: SERVICE_ACCOUNTS, ref: { namespace, name } },
    { resource: CLUSTER_ROLE_BINDINGS, ref: { name } },
    { resource: CLUSTER_ROLES, ref: { name } },
  ];
  const all = [lease, ...rights];

  // Only a leader raises them, so that one which has found them down need not look again.
  let isDown = false;

  const read = async (signal: AbortSignal, of = all) => {
    const found = await Promise.all(
      of.map(async (guarded) => ({
        ...guarded,
        object: await getOrUndefined(client.get(guarded.resource, guarded.ref, { signal })),
      })),
    );
    return found.flatMap(({ object, ...guarded }) => (object ? [{ ...guarded, object }] : []));
  };

  const withoutFinalizer = ({ resource, ref, object }: Guarded & { readonly object: KubeObject }) => ({
    resource,
    ref,
    body: {
      metadata: { finalizers: (object.metadata.finalizers ?? []).filter((each) => each !== UNDO_FINALIZER) },
    },
  });

  return {
    raise: async (signal) => {
      isDown = false;
      for (const { resource, ref, object } of await read(signal)) {
        const { deletionTimestamp, resourceVersion, finalizers = [] } = object.metadata;
        if (deletionTimestamp) {
          throw new KubeError(`${resource.kind} ${ref.name} is being deleted: no plan starts`, {
            kind: 'retryable',
          });
        }
        if (hasFinalizer(object)) continue;
        const metadata = { resourceVersion, finalizers: [...finalizers, UNDO_FINALIZER] };
        await client.patch(resource, ref, { metadata }, { signal });
      }
    },
    raised: async (signal) =>
      (await read(signal))
        .filter(({ object }) => hasFinalizer(object))
        .map(({ resource, ref }) => `${resource.kind} ${ref.name}`),
    isLeaving: async (signal) => {
      if (isDown) return false;
      const raised = (await read(signal)).filter(({ object }) => hasFinalizer(object));
      isDown = raised.length === 0;
      return raised.some(({ object }) => object.metadata.deletionTimestamp);
    },
    lower: async (signal) => {
      for (const guarded of (await read(signal, [lease])).filter(({ object }) => hasFinalizer(object))) {
        const { resource, ref, body } = withoutFinalizer(guarded);
        await client.patch(resource, ref, body, { signal }).catch(ignoreNotFound);
      }
      const held = (await read(signal, [...rights])).filter(({ object }) => hasFinalizer(object));
      await patchTogether(client, held.map(withoutFinalizer), signal);
    },
  };
};
