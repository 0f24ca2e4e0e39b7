import type { KubeClient } from '../../kube/client/client.ts';
import { isForbidden } from '../../kube/errors.ts';
import { ignoreNotFound, ignoreUnserved } from '../../kube/ignore.ts';
import { SOFT_PINS } from './kind.ts';

/** Deletes all soft pins, where the component that brings their kind and the right to it is installed. */
export const dropSoftPins = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  const list = await client.list(SOFT_PINS, { signal }).catch((error: unknown) => {
    if (!isForbidden(error)) return ignoreUnserved(error);
  });
  for (const { metadata } of list?.items ?? [])
    await client.delete(SOFT_PINS, { name: metadata.name }, { signal }).catch(ignoreNotFound);
};
