import { KARPENTER_CAPACITY_TYPE } from '../labels.ts';
import type { KubeObject } from '../objects.ts';
import { valueAt } from '../records/valueat.ts';
import { formatPlace, type Occupied, type Side, type SpotPlace } from './split.ts';

type Labelled = Pick<KubeObject, 'metadata'>;

/** The side of a node; undefined while nobody knows the node. */
export const sideOfNode = (node: Labelled | undefined): Side | undefined => {
  if (!node) return undefined;
  return valueAt(node.metadata.labels, KARPENTER_CAPACITY_TYPE) === 'spot' ? 'spot' : 'on-demand';
};

/** Where the live pods of a workload are, and those to come that were given places. */
export const occupiedOf = (
  pods: readonly { readonly place: SpotPlace | undefined; readonly node: Labelled | undefined }[],
  granted: readonly SpotPlace[] = [],
): Occupied => {
  const unplaced = pods.filter(({ place }) => place === undefined);
  const onSpot = unplaced.filter(({ node }) => sideOfNode(node) === 'spot').length;
  // A granted place that a pod has is that pod's: it counts once.
  const places = pods.flatMap(({ place }) => place ?? []);
  const shown = new Set(places.map(formatPlace));
  return {
    places: [...places, ...granted.filter((place) => !shown.has(formatPlace(place)))],
    unplacedOnSpot: onSpot,
    unplacedElsewhere: unplaced.length - onSpot,
  };
};
