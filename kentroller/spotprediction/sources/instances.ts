import { INTERRUPTION_MARK, KARPENTER_CAPACITY_TYPE } from '../../../api/labels.ts';
import type { Node } from '../../../api/objects.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Caches } from '../../caches.ts';
import { updateNode } from '../../rebalanceplan/writes/nodes.ts';
import { markOf, mergeHeard, type Signal } from '../signal.ts';
import type { Whereabouts } from './queue.ts';

const INSTANCE_ID = /\/(i-[0-9a-f]+)$/;
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
      const id = INSTANCE_ID.exec(node.spec?.providerID ?? '')?.[1];
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

/** Writes a signal into the mark of its node; false where the node has it, or is gone. */
export const noteSignal = async (
  o: { readonly client: KubeClient; readonly caches: Pick<Caches, 'nodes'>; readonly signal: AbortSignal },
  { node, kind, at }: Signal,
): Promise<boolean> => {
  const hasIt = (found: Node): boolean => (markOf(found)?.heard[kind] ?? Number.NEGATIVE_INFINITY) >= at;
  const cached = o.caches.nodes.get(node);
  if (cached && hasIt(cached)) return false;
  let isNew = false;
  await updateNode(o, node, (found) => {
    isNew = !hasIt(found);
    if (!isNew) return undefined;
    const mark = markOf(found);
    const next = { ...mark, heard: mergeHeard(mark?.heard ?? {}, { [kind]: at }) };
    return { metadata: { annotations: { [INTERRUPTION_MARK]: JSON.stringify(next) } } };
  });
  return isNew;
};
