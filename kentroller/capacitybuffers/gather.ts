import type { CapacityBuffer, Pod, ResourceQuota } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import { QuantityError } from '../../api/quantity.ts';
import { RESOURCE_QUOTAS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { lacksRight, messageOf } from '../../kube/errors.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';
import { withinQuotas } from '../unscheduledpods/buying/withinquotas.ts';
import { standingOf } from '../unscheduledpods/scope.ts';
import { countOf, MOST_CHUNKS } from './count.ts';
import { chunksOf, readShape } from './pods.ts';
import type { BufferFacts } from './status.ts';

/** A buffer that is served, with what it asks for. */
export interface ServedBuffer extends Pick<BufferFacts, 'shape' | 'asked' | 'limitedBy'> {
  readonly buffer: CapacityBuffer;
  /** Chunks within the quotas of its namespace. */
  readonly chunks: readonly Pod[];
}

interface Looking {
  readonly client: Pick<KubeClient, 'get' | 'list'>;
  readonly isScoped: boolean;
  readonly signal: AbortSignal;
}

const created = ({ metadata }: CapacityBuffer): number => Date.parse(metadata.creationTimestamp ?? '') || 0;

/** The oldest first, so that those that come later take nothing from them. */
const byAge = (a: CapacityBuffer, b: CapacityBuffer): number =>
  created(a) - created(b) || (a.metadata.name < b.metadata.name ? -1 : 1);

/** What one buffer asks for, of which there may be so many chunks at most. */
const askOf = async (looking: Looking, buffer: CapacityBuffer, most: number): Promise<ServedBuffer> => {
  const shape = await readShape(looking, buffer);
  const nothing = (problem: string): ServedBuffer => ({
    buffer,
    shape,
    asked: { problem },
    chunks: [],
    limitedBy: [],
  });
  if (shape.kind === 'unknown') return nothing(shape.message);
  try {
    const [one] = chunksOf(buffer, shape.template, 1);
    if (!one) return nothing('it has no chunks');
    if (looking.isScoped && standingOf(one) !== 'in')
      return nothing('scoped mode is on, and its pods lack the selector or the toleration of that');
    const count = countOf(buffer.spec ?? {}, podRequests(one), shape.scalableReplicas);
    if (count.kind === 'unknown') return nothing(count.problem);
    const { replicas } = count;
    if (replicas > most)
      return nothing(
        `it asks for ${replicas} chunks, and all CapacityBuffers together may have ${MOST_CHUNKS}`,
      );
    const chunks = chunksOf(buffer, shape.template, replicas);
    return { buffer, shape, asked: { replicas }, chunks, limitedBy: [] };
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    return nothing(messageOf(error));
  }
};

/** Those of a namespace with as many chunks as its quotas leave room for. */
const limitedBy = (
  asks: readonly ServedBuffer[],
  quotas: readonly ResourceQuota[],
): readonly ServedBuffer[] => {
  const left = new Set(
    withinQuotas(
      asks.flatMap(({ chunks }) => chunks),
      quotas,
    ).map(podName),
  );
  return asks.map((ask) => {
    const chunks = ask.chunks.filter((chunk) => left.has(podName(chunk)));
    if (chunks.length === ask.chunks.length) return ask;
    const alone = quotas.filter((quota) => withinQuotas(ask.chunks, [quota]).length < ask.chunks.length);
    return { ...ask, chunks, limitedBy: alone.map(({ metadata }) => metadata.name) };
  });
};

const withoutQuotas = (ask: ServedBuffer, problem: string): ServedBuffer =>
  'problem' in ask.asked ? ask : { ...ask, asked: { problem }, chunks: [] };

/** Reads what buffers ask for, within the quotas of their namespaces. */
export const gatherBuffers = async (
  looking: Looking,
  buffers: readonly CapacityBuffer[],
): Promise<readonly ServedBuffer[]> => {
  const asks: ServedBuffer[] = [];
  let left = MOST_CHUNKS;
  for (const buffer of buffers.toSorted(byAge)) {
    const ask = await askOf(looking, buffer, left);
    left -= ask.chunks.length;
    asks.push(ask);
  }
  const served: ServedBuffer[] = [];
  for (const [namespace, its] of Map.groupBy(asks, ({ buffer }) => buffer.metadata.namespace ?? 'default')) {
    try {
      const { client, signal } = looking;
      const quotas = await client.list(RESOURCE_QUOTAS, { namespace, signal });
      served.push(...limitedBy(its, quotas.items));
    } catch (error) {
      if (!lacksRight(error) && !(error instanceof QuantityError)) throw error;
      const problem = `the ResourceQuotas of its namespace can't be read: ${messageOf(error)}`;
      served.push(...its.map((ask) => withoutQuotas(ask, problem)));
    }
  }
  return served;
};
