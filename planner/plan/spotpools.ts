import type { Node, Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import type { Offering } from '../model/catalogue.ts';
import { capacityTypeOf, typeOf, zoneOf } from '../model/standingmachine.ts';

/** A spot pool of the cloud, which is taken back together: 'type/zone'. */
export const poolOf = (typeName: string, { zone }: Pick<Offering, 'zone'>): string => `${typeName}/${zone}`;

/** Spot nodes of each workload by spot pool, those of a plan included. */
export class SpotPools {
  readonly #nodes = new Map<string, number>();

  /** The nodes that stay. */
  constructor(standing: Iterable<{ readonly node: Node; readonly pods: readonly Pod[] }>) {
    for (const { node, pods } of standing) {
      const zone = zoneOf(node);
      if (zone === undefined || capacityTypeOf(node) !== 'spot') continue;
      this.count(pods, poolOf(typeOf(node), { zone }));
    }
  }

  #keysOf(pods: readonly Pod[], pool: string): readonly string[] {
    const workloads = new Set(pods.flatMap((pod) => controllerOf(pod)?.uid ?? []));
    return [...workloads].map((workload) => `${workload} ${pool}`);
  }

  /** Counts one node with these pods. */
  count(pods: readonly Pod[], pool: string): void {
    for (const key of this.#keysOf(pods, pool)) this.#nodes.set(key, (this.#nodes.get(key) ?? 0) + 1);
  }

  /** Nodes that the workloads of these pods have in a pool. */
  of(pods: readonly Pod[], pool: string): number {
    return this.#keysOf(pods, pool).reduce((sum, key) => sum + (this.#nodes.get(key) ?? 0), 0);
  }
}
