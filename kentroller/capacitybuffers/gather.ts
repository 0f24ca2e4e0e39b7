import type { CapacityBuffer, Pod, ResourceQuota } from '../../api/objects.ts';
import { QuantityError } from '../../api/quantity.ts';
import { RESOURCE_QUOTAS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { lacksRight, messageOf } from '../../kube/errors.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';
import { quotaRoom } from '../unscheduledpods/buying/withinquotas.ts';
import { standingOf } from '../unscheduledpods/scope.ts';
import { countOf, MOST_BUFFERS, MOST_CHUNKS } from './count.ts';
import { chunksOf, type Shape, shapeReader } from './pods.ts';
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

/** The ResourceQuotas of a namespace, and what they leave to chunks; a text where they can't be read. */
type Quotas =
  | { readonly all: readonly ResourceQuota[]; readonly hasRoom: (pod: Pod) => boolean }
  | { readonly problem: string };

const readQuotas = async ({ client, signal }: Looking, namespace: string): Promise<Quotas> => {
  try {
    const { items } = await client.list(RESOURCE_QUOTAS, { namespace, signal });
    return { all: items, hasRoom: quotaRoom(items) };
  } catch (error) {
    if (!lacksRight(error) && !(error instanceof QuantityError)) throw error;
    return { problem: `the ResourceQuotas of its namespace can't be read: ${messageOf(error)}` };
  }
};

/** How many of so many equal pods are let come: what one of them is refused, no later one is given. */
const countWithin = (pod: Pod, count: number, hasRoom: (pod: Pod) => boolean): number => {
  let allowed = 0;
  while (allowed < count && hasRoom(pod)) allowed += 1;
  return allowed;
};

/** What one buffer asks for and its quotas let come, of which there may be so many chunks at most. */
const askOf = (
  looking: Pick<Looking, 'isScoped'>,
  buffer: CapacityBuffer,
  o: { readonly shape: Shape; readonly quotas: Quotas; readonly most: number },
): ServedBuffer => {
  const { shape } = o;
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
    const tooMany = `it asks for ${replicas} chunks, and all CapacityBuffers together may have ${MOST_CHUNKS}`;
    if (replicas > MOST_CHUNKS) return nothing(tooMany);
    if ('problem' in o.quotas) return nothing(o.quotas.problem);
    const { all, hasRoom } = o.quotas;
    const allowed = countWithin(one, replicas, hasRoom);
    if (allowed > o.most) return nothing(tooMany);
    const chunks = chunksOf(buffer, shape.template, allowed);
    const limiting =
      allowed < replicas
        ? all.filter((quota) => countWithin(one, replicas, quotaRoom([quota])) < replicas)
        : [];
    const limitedBy = limiting.map(({ metadata }) => metadata.name);
    return { buffer, shape, asked: { replicas }, chunks, limitedBy };
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    return nothing(messageOf(error));
  }
};

/** One buffer too many, which nothing is read for. */
const unserved = (buffer: CapacityBuffer): ServedBuffer => {
  const message = `${MOST_BUFFERS} CapacityBuffers are served, the oldest ones, and this is not among them`;
  const shape: Shape = { kind: 'unknown', reason: 'ResolutionFailed', message };
  return { buffer, shape, asked: { problem: message }, chunks: [], limitedBy: [] };
};

/**
 * Reads what buffers ask for, within the quotas of their namespaces, the oldest buffer first; chunks that no quota lets come count
 * for nothing.
 */
export const gatherBuffers = async (
  looking: Looking,
  buffers: readonly CapacityBuffer[],
): Promise<readonly ServedBuffer[]> => {
  const quotasOf = new Map<string, Quotas>();
  const served: ServedBuffer[] = [];
  let most = MOST_CHUNKS;
  const shapeOf = shapeReader(looking);
  const ordered = buffers.toSorted(byAge);
  for (const buffer of ordered.slice(0, MOST_BUFFERS)) {
    const { namespace = 'default' } = buffer.metadata;
    const quotas = quotasOf.get(namespace) ?? (await readQuotas(looking, namespace));
    quotasOf.set(namespace, quotas);
    const ask = askOf(looking, buffer, { shape: await shapeOf(buffer), quotas, most });
    most -= ask.chunks.length;
    served.push(ask);
  }
  return [...served, ...ordered.slice(MOST_BUFFERS).map(unserved)];
};
