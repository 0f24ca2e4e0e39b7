import { SPOT_PLACE } from '../labels.ts';
import type { KubeObject } from '../objects.ts';
import { valueAt } from '../records/valueat.ts';

/**
 * How the pods of a workload are split between spot and on-demand: at most `percentage` of them, a whole number, are on
 * spot. Each pod has a place in an ideal order, so that the first n of it are split exactly for every n. See
 * docs/designs/0065-spot-pods.md.
 */

export type Side = 'spot' | 'on-demand';

/** A pod's place: the index among the pods of its side, from 0. */
export interface SpotPlace {
  readonly side: Side;
  readonly index: number;
}

/** How many of so many pods are on spot. */
export const spotShareOf = (pods: number, percentage: number): number =>
  Math.floor((pods * percentage) / 100);

/** The side of a pod that has a number of its own in its workload, from 0: of a StatefulSet, or of an indexed Job. */
export const sideOfOrdinal = (ordinal: number, percentage: number): Side =>
  spotShareOf(ordinal + 1, percentage) > spotShareOf(ordinal, percentage) ? 'spot' : 'on-demand';

/** The number that a place has in the ideal order of all pods, from 0; where the side has no share, its index. */
export const ordinalOf = ({ side, index }: SpotPlace, percentage: number): number => {
  if (side === 'spot') return percentage === 0 ? index : Math.ceil(((index + 1) * 100) / percentage) - 1;
  return percentage === 100 ? index : Math.floor((index * 100) / (100 - percentage));
};

/** The place of a pod that has a number of its own. */
export const placeOfOrdinal = (ordinal: number, percentage: number): SpotPlace => {
  const onSpot = spotShareOf(ordinal, percentage);
  const side = sideOfOrdinal(ordinal, percentage);
  return { side, index: side === 'spot' ? onSpot : ordinal - onSpot };
};

/** The places of a workload's live pods, and how many pods of it have none: on spot nodes, and elsewhere or nowhere. */
export interface Occupied {
  readonly places: readonly SpotPlace[];
  readonly unplacedOnSpot: number;
  readonly unplacedElsewhere: number;
}

/** The annotation of a place. */
export const formatPlace = ({ side, index }: SpotPlace): string => `${side}-${index}`;

/** The number of a pod among others, from 0, with no more digits than a cluster has pods; undefined for another text. */
export const parseIndex = (text: string): number | undefined =>
  /^(0|[1-9][0-9]{0,5})$/.test(text) ? Number(text) : undefined;

/** The place that an object's annotation says; undefined without one, or for one that makes no sense. */
export const placeOf = ({ metadata }: Pick<KubeObject, 'metadata'>): SpotPlace | undefined => {
  const text = valueAt(metadata.annotations, SPOT_PLACE) ?? '';
  const at = text.lastIndexOf('-');
  const [side, index] = [text.slice(0, at), parseIndex(text.slice(at + 1))];
  return (side === 'spot' || side === 'on-demand') && index !== undefined ? { side, index } : undefined;
};
