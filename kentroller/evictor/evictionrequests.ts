import type { EvictionRequest } from '../../api/objects.ts';
import { EVICTION_REQUESTS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { ignoreUnserved } from '../../kube/ignore.ts';

/** Conditions by which nobody works on a request any more. */
const OVER = ['TargetEvicted', 'Failed'];

const isOpen = ({ spec, status }: EvictionRequest): boolean =>
  spec.intent === 'Eviction' &&
  !(status?.conditions ?? []).some(({ type, status: is }) => is === 'True' && OVER.includes(type));

/** Who wants which pods evicted, by the pods' uids; empty where the kind is not served. */
export const readEvictionRequests = async (
  client: Pick<KubeClient, 'list'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> => {
  const list = await client.list(EVICTION_REQUESTS, { signal }).catch(ignoreUnserved);
  return new Map(
    (list?.items ?? [])
      .filter(isOpen)
      .flatMap(({ spec }) => (spec.target.pod ? [[spec.target.pod.uid, spec.requester] as const] : [])),
  );
};
