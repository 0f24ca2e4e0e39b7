import { LEAST_TYPES } from '../../../cloud/aws/placementscores/unread.ts';
import { type Catalogue, instanceFamily } from '../../../planner/model/catalogue.ts';
import { offeringOf } from '../memory.ts';
import type { WatchedNode } from '../source.ts';

/** A family is what EC2 is asked for: its sizes share hosts, and one type alone has no score that says anything. */

/** The families of spot nodes, the one with most nodes first. */
export const familiesInUse = (nodes: readonly WatchedNode[]): readonly string[] => {
  const counts = new Map<string, number>();
  for (const { node } of nodes) {
    const offering = offeringOf(node);
    if (!offering) continue;
    const family = instanceFamily(offering.instanceType);
    counts.set(family, (counts.get(family) ?? 0) + 1);
  }
  return [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([family]) => family);
};

const METAL = /\.metal(-|$)/;

/** The types by family that are sold as spot, without bare metal; families with too few of them are left out. */
export const typesByFamily = ({ instanceTypes }: Catalogue): ReadonlyMap<string, readonly string[]> => {
  const sold = instanceTypes
    .filter(
      ({ name, offerings }) => !METAL.test(name) && offerings.some((each) => each.capacityType === 'spot'),
    )
    .map(({ name }) => name)
    .toSorted();
  return new Map([...Map.groupBy(sold, instanceFamily)].filter(([, types]) => types.length >= LEAST_TYPES));
};
