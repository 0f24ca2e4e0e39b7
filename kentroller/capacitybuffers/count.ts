import type { CapacityBuffer } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';

/** How many chunks of room a CapacityBuffer asks for. */

/** Chunks of all buffers that are served: more than one look at the cluster places. */
export const MOST_CHUNKS = 5_000;
/** Buffers that are served: each may cost a look at the API server a pass, also one that asks for nothing. */
export const MOST_BUFFERS = 500;

export type Count =
  | { readonly kind: 'known'; readonly replicas: number }
  | { readonly kind: 'unknown'; readonly problem: string };

/** So many percent of replicas, rounded up; at least 1 of any. */
const shareOf = (replicas: number, percentage: number): number => Math.ceil((replicas * percentage) / 100);

/** How many chunks with these requests fit within limits; undefined where these limit nothing that a chunk requests. */
const fitting = (
  limits: NonNullable<CapacityBuffer['spec']>['limits'],
  requests: ReadonlyMap<string, number>,
): number | undefined => {
  const counts = Object.keys(limits ?? {}).flatMap((resource) => {
    const each = requests.get(resource) ?? 0;
    const limit = amount(resource, valueAt(limits, resource) ?? '0');
    return each > 0 ? [Math.max(0, Math.floor(limit / each))] : [];
  });
  return counts.length > 0 ? Math.min(...counts) : undefined;
};

/**
 * The chunks of a buffer: the larger one of `replicas` and `percentage`, within `limits`; with limits alone as many as fit.
 * `requests` are those of one chunk, CPU in millicores, else whole units. Throws a QuantityError. Source: Karpenter 1.14,
 * pkg/controllers/capacitybuffer; cluster-autoscaler takes the smaller one of the two.
 */
export const countOf = (
  { replicas, percentage, limits }: NonNullable<CapacityBuffer['spec']>,
  requests: ReadonlyMap<string, number>,
  scalableReplicas: number | undefined,
): Count => {
  const share =
    percentage === undefined || scalableReplicas === undefined
      ? undefined
      : shareOf(scalableReplicas, percentage);
  const asked = [replicas, share].filter((each) => each !== undefined);
  const most = fitting(limits, requests);
  if (asked.length > 0)
    return { kind: 'known', replicas: Math.min(Math.max(...asked), most ?? Number.MAX_SAFE_INTEGER) };
  if (most !== undefined) return { kind: 'known', replicas: most };
  const problem = limits
    ? 'none of its limits is of a resource that a chunk requests, and neither replicas nor percentage is set'
    : 'none of replicas, percentage (of a scalableRef) and limits says how many chunks it has';
  return { kind: 'unknown', problem };
};
