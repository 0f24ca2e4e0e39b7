import { isGated } from '../api/heldpods.ts';
import { PIN } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { Logger } from '../kube/component/log.ts';
import { messageOf } from '../kube/errors.ts';
import { type IsMoved, matchPod, pinPatch, takeBackPatch } from './eligibility.ts';
import { isProbe, probePatch } from './probe.ts';
import { type Asked, answer, readReview } from './review.ts';
import type { TakeSlot } from './slots/client.ts';
import { shapeOf, slimPod } from './trimpod.ts';

export interface Admission {
  readonly ownNamespace: string;
  readonly isMoved: IsMoved;
  readonly take: TakeSlot;
  /** Whether another webhook may change pods of a namespace after this one. */
  readonly isCoexisting: (namespace: string) => boolean;
  readonly log: Logger;
  /** Counts how each review ended: passed, pinned, refused, failed. */
  readonly observe: (outcome: 'passed' | 'pinned' | 'refused' | 'failed') => void;
}

/**
 * Answers one AdmissionReview. Whatever goes wrong after it was read, the pod is allowed as it came: a pin may lose,
 * a pod may not. Throws BadReview.
 */
export const mutate = async (o: Admission, body: unknown): Promise<string> => {
  const asked = readReview(body);
  try {
    return await pin(o, asked);
  } catch (error) {
    const reason = messageOf(error);
    o.observe('failed');
    o.log.warn({ namespace: asked.namespace, reason }, 'pod not pinned');
    return answer(asked, []);
  }
};

/** Whether we pinned the pod a moment ago, for this intent. */
const isPinnedBy = (pod: Pod, intentId: string): boolean =>
  intentId !== '' &&
  intentId === pod.metadata.annotations?.[PIN] &&
  (pod.spec.nodeName !== undefined || isGated(pod));

const pin = async (o: Admission, asked: Asked): Promise<string> => {
  const { pod, namespace } = asked;
  const probes = isProbe(asked);
  // A probe comes from our own namespace.
  const from = probes ? { ...o, ownNamespace: '' } : o;
  const match = pod && (probes || !asked.isDryRun) ? matchPod(pod, namespace, from) : undefined;
  if (!pod || match?.kind !== 'candidate') {
    o.observe('passed');
    return answer(asked, []);
  }
  const { owner } = match;
  const coexisting = o.isCoexisting(namespace);
  // The leader looks at a pod that we pinned before: it may not fit any more.
  const isNew = !probes && !coexisting && pod.metadata.annotations?.[PIN] === undefined;
  const slim = slimPod(pod);
  const reply = await o.take(
    {
      requestUid: asked.uid,
      namespace,
      ownerKind: owner.kind,
      ownerName: owner.name,
      ownerUid: owner.uid,
      pod: slim,
      coexisting,
      dryRun: probes,
    },
    isNew ? shapeOf(pod, slim) : undefined,
  );
  if (probes) {
    o.observe('passed');
    return answer(asked, probePatch(reply.intentId));
  }
  const isPinned = reply.way === 'hold' || (reply.way === 'assign' && reply.nodeName !== '');
  if (!isPinned) {
    o.observe('refused');
    if (isPinnedBy(pod, reply.intentId)) {
      o.log.info(
        { namespace, owner: owner.name, node: pod.spec.nodeName, reason: reply.reason },
        'pin taken back',
      );
      return answer(asked, takeBackPatch(pod));
    }
    o.log.debug(
      { namespace, owner: owner.name, way: reply.way, reason: reply.reason },
      'pod left to the scheduler',
    );
    return answer(asked, []);
  }
  o.observe('pinned');
  const patch = pinPatch(pod, reply);
  if (patch.length === 0) return answer(asked, patch);
  const generated = pod.metadata.generateName;
  o.log.info(
    {
      namespace,
      pod: pod.metadata.name ?? (generated ? `${generated}*` : ''),
      node: reply.nodeName,
      plan: reply.plan,
      intent: reply.intentId,
      way: reply.way,
      reason: reply.reason,
    },
    'pinning pod',
  );
  return answer(asked, patch);
};
