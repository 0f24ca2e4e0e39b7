import type { Node } from '../../api/objects.ts';
import type { World } from './world.ts';

/**
 * Something that happens to a cluster. It returns what happened in plain words; undefined where there was nothing to do
 * it to. `pick` and `variant` choose among what there is.
 */
export type Action = (world: World, pick: number, variant: number) => string | undefined;

export const at = <T>(list: readonly T[], pick: number): T | undefined =>
  list[pick % Math.max(1, list.length)];

export const someNode = (world: World, pick: number): Node | undefined =>
  at(
    world.api.nodes().filter((node) => !node.metadata.deletionTimestamp),
    pick,
  );
