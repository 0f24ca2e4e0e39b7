import type { Pod } from '../../../api/objects.ts';
import type { Catalogue } from '../../model/catalogue.ts';
import { shiftSentence } from '../../model/offers/zonalshift.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { supplyOf } from '../../model/supply.ts';
import { podRequests } from '../../scheduling/noderesources.ts';
import { supplyWarnings } from './poolreasons.ts';

const CORE: ReadonlySet<string> = new Set(['cpu', 'memory', 'pods', 'ephemeral-storage']);

/**
 * Resources that pods ask for and no type of the catalogue lists, one sentence each: types that have them can't be told
 * from those that don't, but for types that stand in the cluster. Throws a QuantityError.
 */
const unlistedWarnings = (pods: readonly Pod[], { instanceTypes }: Catalogue): readonly string[] => {
  const unlisted = new Map<string, string>();
  const listed = new Set(instanceTypes.flatMap(({ capacity }) => Object.keys(capacity.other)));
  for (const pod of pods) {
    for (const [resource, value] of podRequests(pod)) {
      if (value <= 0 || CORE.has(resource) || listed.has(resource) || unlisted.has(resource)) continue;
      unlisted.set(resource, `${pod.metadata.namespace ?? 'default'}/${pod.metadata.name}`);
    }
  }
  return [...unlisted].map(
    ([resource, pod]) =>
      `No instance type of the catalogue lists ${resource}, which pod ${pod} asks for: only types that stand in the cluster are known to have it, so a cheaper one may exist.`,
  );
};

/** What plans for some of the cluster's pods can't tell or use, as sentences. Throws a QuantityError. */
export const warningsOf = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  isPlanned: (pod: Pod) => boolean,
): readonly string[] => [
  ...supplyWarnings(snapshot.nodePools, supplyOf(catalogue, snapshot)),
  ...unlistedWarnings(snapshot.pods.filter(isPlanned), catalogue),
  ...(catalogue.shiftedZones ?? []).map(shiftSentence),
  ...(catalogue.warnings ?? []),
];
