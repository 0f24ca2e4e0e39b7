import { isGated } from '../api/heldpods.ts';
import { PIN } from '../api/labels.ts';
import type { OwnerReference, Pod } from '../api/objects.ts';
import type { TakeReply } from '../api/pinning.ts';
import type { Logger } from '../kube/component/log.ts';
import { messageOf } from '../kube/errors.ts';
import { eligibilityOf, type IsOwnerMoved } from './eligibility.ts';
import type { JsonPatchOperation } from './jsonpatch.ts';
import { pinPatch, unpinPatch } from './patch.ts';
import { isProbe, probePatch } from './probe.ts';
import { type AdmissionRequest, answerReview } from './review.ts';
import type { TakeSlot } from './slots/client.ts';
import { templateKeyOf, trimPod } from './trimpod.ts';

/** Dependencies of a review: facts of the cluster, slots, log and counter. */
export interface Admission {
  readonly ownNamespace: string;
  readonly isOwnerMoved: IsOwnerMoved;
  /** As in eligibilityOf. */
  readonly schedulers?: readonly string[];
  readonly take: TakeSlot;
  /** Whether another webhook may change pods of a namespace after this one. */
  readonly isCoexisting: (namespace: string) => boolean;
  readonly log: Logger;
  /** Counts reviews by outcome. */
  readonly observe: (outcome: 'passed' | 'pinned' | 'refused' | 'failed') => void;
}

/** A pod that may get a slot. */
interface EligibleRequest extends AdmissionRequest {
  readonly pod: Pod;
  readonly owner: OwnerReference;
}

/** Answers one AdmissionReview with a pin, where a running plan has a place for the pod; throws InvalidReviewError. */
export const mutate = (o: Admission, body: unknown): Promise<string> =>
  answerReview(body, {
    decide: (request) => decidePatch(o, request),
    onError: (error, { namespace }) => {
      o.observe('failed');
      o.log.warn({ namespace, reason: messageOf(error) }, 'pod not pinned');
    },
  });

const decidePatch = async (
  o: Admission,
  request: AdmissionRequest,
): Promise<readonly JsonPatchOperation[]> => {
  const { pod, namespace } = request;
  const isProbing = isProbe(request, o.ownNamespace);
  if (!pod || (request.isDryRun && !isProbing)) {
    o.observe('passed');
    return [];
  }
  const eligibility = eligibilityOf(pod, namespace, { ...o, ...(isProbing && { probedIn: namespace }) });
  if (eligibility.kind === 'skipped') {
    o.observe('passed');
    return [];
  }
  const eligible = { ...request, pod, owner: eligibility.owner };
  const reply = await takeSlot(o, eligible, isProbing);
  if (isProbing) {
    o.observe('passed');
    return probePatch(reply.intentId !== '');
  }
  const isPinned = reply.way === 'hold' || (reply.way === 'assign' && reply.nodeName !== '');
  return isPinned ? pin(o, eligible, reply) : refuse(o, eligible, reply);
};

const takeSlot = (
  o: Admission,
  { uid, namespace, pod, owner }: EligibleRequest,
  isProbing: boolean,
): Promise<TakeReply> => {
  const coexisting = o.isCoexisting(namespace);
  // A prefetched slot suits new pods alone: the leader checks again whether a pod that we pinned before still fits.
  const canPrefetch = !isProbing && !coexisting && pod.metadata.annotations?.[PIN] === undefined;
  const trimmed = trimPod(pod);
  return o.take(
    {
      requestUid: uid,
      namespace,
      ownerKind: owner.kind,
      ownerName: owner.name,
      ownerUid: owner.uid,
      pod: trimmed,
      coexisting,
      dryRun: isProbing,
    },
    canPrefetch ? templateKeyOf(pod, trimmed) : undefined,
  );
};

const pin = (
  o: Admission,
  { namespace, pod }: EligibleRequest,
  reply: TakeReply,
): readonly JsonPatchOperation[] => {
  o.observe('pinned');
  const patch = pinPatch(pod, reply);
  if (patch.length === 0) return patch;
  const { name, generateName } = pod.metadata;
  o.log.info(
    {
      namespace,
      pod: name ?? (generateName ? `${generateName}*` : ''),
      node: reply.nodeName,
      plan: reply.plan,
      intent: reply.intentId,
      way: reply.way,
      reason: reply.reason,
    },
    'pinning pod',
  );
  return patch;
};

/** True for a pod that an earlier review pinned for this intent. */
const isPinnedFor = (pod: Pod, intentId: string): boolean =>
  intentId !== '' &&
  intentId === pod.metadata.annotations?.[PIN] &&
  (pod.spec.nodeName !== undefined || isGated(pod));

/** Leaves the pod to kube-scheduler, without the pin that an earlier review gave it. */
const refuse = (
  o: Admission,
  { namespace, pod, owner }: EligibleRequest,
  reply: TakeReply,
): readonly JsonPatchOperation[] => {
  o.observe('refused');
  const fields = { namespace, owner: owner.name, reason: reply.reason };
  if (isPinnedFor(pod, reply.intentId)) {
    o.log.info({ ...fields, node: pod.spec.nodeName }, 'pin removed from pod');
    return unpinPatch(pod);
  }
  o.log.debug({ ...fields, way: reply.way }, 'pod left to kube-scheduler');
  return [];
};
