import { INTERRUPTION_MARK, KARPENTER_CAPACITY_TYPE } from '../../../api/labels.ts';
import type { Node } from '../../../api/objects.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Caches } from '../../caches.ts';
import { updateNode } from '../../rebalanceplan/writes/nodes.ts';
import { markOf, mergeHeard, type Signal } from '../signal.ts';

/** Where a machine of a message stands in the cluster. */
export type Whereabouts =
  | { readonly kind: 'node'; readonly node: string }
  /** Its NodeClaim is there, and its Node is not. */
  | { readonly kind: 'coming' }
  /** It is ours, and no machine that the cloud takes back. */
  | { readonly kind: 'unwatched' }
  | { readonly kind: 'unknown' };

/** A signal about one machine: AWS gives the name of its node, by private IP, to later ones too. */
export interface InstanceSignal extends Signal {
  readonly instanceId: string;
}

const INSTANCE_ID = /\/(i-[0-9a-f]+)$/;
export const instanceIdOf = ({ spec }: Node): string | undefined =>
  INSTANCE_ID.exec(spec?.providerID ?? '')?.[1];
/** Time for which one look at all nodes serves: a burst asks for thousands of machines. */
const LOOK_MS = 1_000;

const isWatched = ({ metadata }: Node): boolean => {
  const capacityType = metadata.labels?.[KARPENTER_CAPACITY_TYPE];
  return capacityType === 'spot' || capacityType === 'reserved';
};

/** Finds the Node of an instance id. */
export const createInstanceFinder = (
  caches: Pick<Caches, 'nodes' | 'nodeClaims'>,
  now: () => number,
): ((instanceId: string) => Whereabouts) => {
  let known = new Map<string, Whereabouts>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  const look = (): void => {
    known = new Map();
    for (const { status } of caches.nodeClaims.list()) {
      const id = INSTANCE_ID.exec(status?.providerID ?? '')?.[1];
      if (id) known.set(id, { kind: 'coming' });
    }
    for (const node of caches.nodes.list()) {
      const id = instanceIdOf(node);
      if (id)
        known.set(id, isWatched(node) ? { kind: 'node', node: node.metadata.name } : { kind: 'unwatched' });
    }
    lookedAt = now();
  };
  return (instanceId) => {
    if (now() - lookedAt >= LOOK_MS) look();
    return known.get(instanceId) ?? { kind: 'unknown' };
  };
};

/** Writes a signal into the mark of its node; false where the node has it, is gone, or is another machine by now. */
export const noteSignal = async (
  o: {
    readonly client: KubeClient;
    readonly caches: Pick<Caches, 'nodes'>;
    readonly clock: { now(): number };
    readonly signal: AbortSignal;
  },
  { node, instanceId, kind, at }: InstanceSignal,
): Promise<boolean> => {
  const now = o.clock.now();
  const isIt = (found: Node): boolean => instanceIdOf(found) === instanceId;
  const hasIt = (found: Node): boolean => (markOf(found, now)?.heard[kind] ?? Number.NEGATIVE_INFINITY) >= at;
  const cached = o.caches.nodes.get(node);
  if (cached && isIt(cached) && hasIt(cached)) return false;
  let isNew = false;
  await updateNode(o, node, (found) => {
    isNew = isIt(found) && !hasIt(found);
    if (!isNew) return undefined;
    const mark = markOf(found, now);
    const next = { ...mark, heard: mergeHeard(mark?.heard ?? {}, { [kind]: at }) };
    return { metadata: { annotations: { [INTERRUPTION_MARK]: JSON.stringify(next) } } };
  });
  return isNew;
};
