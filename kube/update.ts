import type { KubeObject } from '../api/objects.ts';
import type { Resource } from '../api/resources.ts';
import type { KubeClient } from './client/client.ts';
import type { Ref } from './client/requestoptions.ts';
import { isConflict } from './errors.ts';
import { getOrUndefined, ignoreNotFound } from './ignore.ts';

const ATTEMPTS = 5;

/**
 * Changes an object as it is now: reads it, and writes the merge patch over the version that was read; again from the
 * start when someone was faster. Undefined where there is no object; without a patch nothing is written.
 */
export const updateIfThere = async <T extends KubeObject>(
  o: {
    readonly client: Pick<KubeClient, 'get' | 'patch'>;
    readonly resource: Resource<T>;
    readonly ref: Ref;
    readonly fieldManager: string;
    readonly signal: AbortSignal;
  },
  patchFor: (object: T) => { readonly metadata: object } | undefined,
): Promise<T | undefined> => {
  const { client, resource, ref, signal, fieldManager } = o;
  for (let attempt = 1; ; attempt += 1) {
    const object = await getOrUndefined(client.get(resource, ref, { signal }));
    const patch = object && patchFor(object);
    if (!patch) return object;
    const { uid, resourceVersion } = object.metadata;
    const body = { ...patch, metadata: { ...patch.metadata, uid, resourceVersion } };
    try {
      return await client.patch(resource, ref, body, { fieldManager, signal }).catch(ignoreNotFound);
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
  }
};
