import type { Pod } from '../../api/objects.ts';
import { type SpotRules, type SpotRuling, spotRulingOf } from '../../api/spotpods/rules.ts';
import { placeOf, placeOfOrdinal, type SpotPlace } from '../../api/spotpods/split.ts';
import { hasWish, withoutWish } from '../../api/spotpods/wish.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import type { JsonPatchOperation } from '../jsonpatch.ts';
import { type AdmissionRequest, answerReview } from '../review.ts';
import type { ChooseSide } from '../slots/client.ts';
import { noSidePatch, sidePatch } from './patch.ts';
import { ordinalIn, siblingSelector } from './selector.ts';

/** Dependencies of a review that sends a pod to spot or to on-demand. */
export interface SpotAdmission {
  readonly ownNamespace: string;
  readonly schedulers?: readonly string[];
  /** The rules in force now; undefined while there are none, or while nobody knows them. */
  readonly rules: () => SpotRules | undefined;
  readonly choose: ChooseSide;
  readonly log: Logger;
  /** Counts reviews by outcome. */
  readonly observe: (outcome: 'passed' | 'spot' | 'on-demand' | 'taken-back' | 'uncounted') => void;
}

type Ruled = Extract<SpotRuling, { kind: 'ruled' }>;

/** The place of a pod that an earlier review of its creation sent to a side. */
const sentBefore = (pod: Pod): SpotPlace | undefined => {
  const place = placeOf(pod);
  return place && hasWish(pod, place.side) ? place : undefined;
};

const choosePlace = async (
  o: SpotAdmission,
  { uid, namespace }: AdmissionRequest,
  pod: Pod,
  { owner, percentage }: Ruled,
): Promise<SpotPlace | undefined> => {
  if (percentage === 100 || percentage === 0)
    return { side: percentage === 100 ? 'spot' : 'on-demand', index: 0 };
  const ordinal = ordinalIn(pod, owner.kind);
  if (ordinal !== undefined) return placeOfOrdinal(ordinal, percentage);
  const { side, index, reason } = await o.choose({
    requestUid: uid,
    namespace,
    ownerKind: owner.kind,
    ownerName: owner.name,
    ownerUid: owner.uid,
    spotPercentage: percentage,
    labelSelector: siblingSelector(pod),
  });
  if (side !== '') return { side, index };
  o.log.warn({ namespace, owner: owner.name, reason }, 'pod has no side: its siblings were not counted');
  return undefined;
};

const decide = async (
  o: SpotAdmission,
  request: AdmissionRequest,
): Promise<readonly JsonPatchOperation[]> => {
  const { pod, namespace, isDryRun } = request;
  if (!pod || isDryRun) {
    o.observe('passed');
    return [];
  }
  const before = sentBefore(pod);
  const bare = before ? withoutWish(pod, before.side) : pod;
  // A pod that the pinning webhook has given a node since was sent to a side for it.
  const { nodeName: _, ...unplaced } = bare.spec;
  const ruling = spotRulingOf(before ? { ...bare, spec: unplaced } : bare, namespace, {
    ...o,
    rules: o.rules(),
  });
  if (ruling.kind === 'passed') {
    o.observe(before ? 'taken-back' : 'passed');
    if (!before) return [];
    o.log.info({ namespace, reason: ruling.reason }, 'side taken back from pod');
    return noSidePatch(pod, before);
  }
  if (before) {
    o.observe('passed');
    return [];
  }
  const place = await choosePlace(o, request, pod, ruling);
  o.observe(place?.side ?? 'uncounted');
  if (place) o.log.debug({ namespace, owner: ruling.owner.name, ...place }, 'side chosen for pod');
  return place ? sidePatch(pod, place, { ...ruling, ownerKind: ruling.owner.kind }) : [];
};

/** Answers one AdmissionReview with a pod's side, where rules give it one; throws InvalidReviewError. */
export const mutateForSpot = (o: SpotAdmission, body: unknown): Promise<string> =>
  answerReview(body, {
    decide: (request) => decide(o, request),
    onError: (error, { namespace }) => {
      o.observe('uncounted');
      o.log.warn({ namespace, reason: messageOf(error) }, 'pod has no side');
    },
  });
