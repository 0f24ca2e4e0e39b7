import type { Pod } from '../api/objects.ts';
import { clusterOf } from './cluster/clusterview.ts';
import { waitingPodsOf } from './cluster/waitingpods.ts';
import type { Snapshot } from './model/snapshot.ts';
import { keepRoom } from './roomforwaiting.ts';

/** Nothing is bought here, so no price is needed. */
const NO_CATALOGUE = { instanceTypes: [] };

/** Where the room of pods that nobody starts lies. */
export interface BufferRoom {
  /** Names of nodes that have room for some of them. */
  readonly nodes: ReadonlySet<string>;
  /** Pods that have none. */
  readonly missing: readonly Pod[];
}

/**
 * Finds room for pods that nobody starts (`room`) on nodes that stand or start, beside all pods that wait; headroom comes
 * after them. Nodes that are `kept` for them come first, so that the same ones keep it while they can. Throws a QuantityError.
 */
export const bufferRoom = (
  snapshot: Snapshot,
  o: {
    readonly room: readonly Pod[];
    readonly kept: ReadonlySet<string>;
    readonly schedulers?: readonly string[];
  },
): BufferRoom => {
  const cluster = clusterOf(snapshot, NO_CATALOGUE);
  const { plannable, nominated, foreign } = waitingPodsOf(cluster, o.schedulers);
  const { placed } = keepRoom(cluster, {
    // Those that come last.
    candidates: new Set(cluster.views.flatMap(({ name }, index) => (o.kept.has(name) ? [] : [index]))),
    waiting: [...plannable, ...foreign, ...o.room],
    nominated,
  });
  const isRoom = new Set(o.room);
  const found = new Set([...placed.values()].flat());
  const nodes = [...placed].flatMap(([index, pods]) => {
    const name = cluster.views[index]?.name;
    return name !== undefined && pods.some((pod) => isRoom.has(pod)) ? [name] : [];
  });
  return { nodes: new Set(nodes), missing: o.room.filter((pod) => !found.has(pod)) };
};
