import { isGated, isHeld, withoutHold } from '../../api/heldpods.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import type { Pin } from '../../planner/pinning/pinpolicy.ts';
import { choosePinFor } from './choosepin.ts';
import { isSlotFor, type Slot, slotsOf } from './slotcount.ts';
import { inOrderFor } from './slotorder.ts';
import { creationOrderOf, type State } from './state.ts';

/** How long a granted slot is kept for a pod that does not appear, because its creation failed or was a dry run. */
export const GRANT_MS = 10_000;
/** Slots prefetched at once, at most. */
const MAX_PREFETCHED = 64;
/** One prefetched slot for this many free ones. */
const FREE_PER_PREFETCHED = 4;

const acceptsPod = ({ intent }: Slot, pod: Pod): boolean => isSlotFor(intent, pod);

/** Why an owner's slots are of no use to a pod that is created now. */
const noSlotReason = (own: readonly Slot[]): string => {
  if (own.length === 0) return 'the plan moves other pods of this owner';
  return own.some(({ closed }) => closed > 0)
    ? 'the slots left belong to pods that have not been evicted yet'
    : 'every slot of this owner is taken';
};

export type Grant =
  | { readonly intent: Intent; readonly way: 'assign' | 'hold'; readonly reason: string }
  | { readonly intent: undefined; readonly reason: string };

/** The creation of a pod that needs a slot. */
export interface SlotRequest {
  readonly requestUid: string;
  readonly ownerUid: string;
  readonly pod: Pod;
  /** Another webhook may change the pod after ours. */
  readonly isCoexisting?: boolean;
}

const assumeGrant = (
  state: State,
  { requestUid, ownerUid, pod }: SlotRequest,
  intent: Intent,
  pin: Pin,
): Grant => {
  state.assumedPods.assume({
    uid: requestUid,
    nodeName: intent.nodeName,
    intentId: intent.id,
    ownerUid,
    pod,
    isGrant: true,
    until: state.now() + GRANT_MS,
  });
  return { intent, way: pin.way === 'assign' ? 'assign' : 'hold', reason: pin.reason };
};

/**
 * Grants a free slot to a pod that is being created: one that it can be assigned to at once, else one to hold it for.
 */
export const allocateSlot = (state: State, slotRequest: SlotRequest): Grant =>
  allocateFrom(state, slotRequest, slotsOf(state, slotRequest.ownerUid));

const allocateFrom = (state: State, slotRequest: SlotRequest, slots: readonly Slot[]): Grant => {
  if (slots.length === 0) return { intent: undefined, reason: 'no running plan has a place for this owner' };
  const own = slots.filter((slot) => acceptsPod(slot, slotRequest.pod));
  let reason = noSlotReason(own);
  let fallback: { readonly intent: Intent; readonly pin: Pin } | undefined;
  const free = own.filter((slot) => slot.free > 0);
  for (const { intent } of inOrderFor(state, slotRequest.pod, free)) {
    const pin = choosePinFor(state, intent, slotRequest.pod, 'admission', slotRequest.isCoexisting);
    if (pin.way === 'assign') return assumeGrant(state, slotRequest, intent, pin);
    if (pin.way === 'hold' && !state.assumedPods.isAvoided(intent.id)) fallback ??= { intent, pin };
    reason = pin.reason;
  }
  return fallback
    ? assumeGrant(state, slotRequest, fallback.intent, fallback.pin)
    : { intent: undefined, reason };
};

/** A slot for a pod that has not been created yet. */
export interface PrefetchedGrant {
  readonly uid: string;
  readonly grant: Extract<Grant, { way: string }>;
}

/**
 * Grants slots for pods that differ from this one by name alone. They are part of the free slots only, so that the last
 * ones go to the pods that come first; an owner whose pods keep their names gets none.
 */
export const prefetchSlots = (
  state: State,
  slotRequest: SlotRequest,
  count: number,
): readonly PrefetchedGrant[] => {
  if (count === 0) return [];
  let slots = slotsOf(state, slotRequest.ownerUid);
  if (slots.some(({ intent }) => (intent.pin?.owner?.names ?? []).length > 0)) return [];
  const free = slots.reduce((sum, slot) => sum + slot.free, 0);
  const limit = Math.min(count, MAX_PREFETCHED, Math.floor(free / FREE_PER_PREFETCHED));
  const grants: PrefetchedGrant[] = [];
  while (grants.length < limit) {
    const uid = `${slotRequest.requestUid}/${grants.length + 1}`;
    const granted = allocateFrom(state, { ...slotRequest, requestUid: uid }, slots);
    if (!granted.intent) break;
    if (granted.way !== 'assign') {
      state.assumedPods.forget(uid);
      break;
    }
    grants.push({ uid, grant: granted });
    slots = slots.map((slot) =>
      slot.intent.id === granted.intent.id ? { ...slot, used: slot.used + 1, free: slot.free - 1 } : slot,
    );
  }
  return grants;
};

/** The pod as its controller created it, without our node or gate. */
const withoutPin = (pod: Pod): Pod => {
  const { nodeName: _, ...spec } = withoutHold(pod).spec;
  return { ...pod, spec };
};

/**
 * Decides anew for a pod that we pinned and that another webhook may have changed since. Its slot is freed first, so it
 * may get the same one, another or none; undefined when the pin is not ours.
 */
export const reallocateSlot = (state: State, slotRequest: SlotRequest): Grant | undefined => {
  const { pod } = slotRequest;
  const granted = pod.spec.nodeName || isGated(pod) ? state.assumedPods.grantFor(pod) : undefined;
  if (!granted) return undefined;
  state.assumedPods.forget(granted.uid);
  const unpinned = { ...slotRequest, pod: withoutPin(pod) };
  const stored = state.store.get(granted.intentId);
  const pin =
    stored && choosePinFor(state, stored.intent, unpinned.pod, 'admission', slotRequest.isCoexisting);
  if (stored && (pin?.way === 'assign' || pin?.way === 'hold')) {
    // A gated pod stays gated, even if it could be assigned by now.
    const way = isGated(pod) ? 'hold' : pin.way;
    return assumeGrant(state, { ...unpinned, requestUid: granted.uid }, stored.intent, {
      way,
      reason: pin.reason,
    });
  }
  return allocateSlot(state, unpinned);
};

const isNominatedTo = (pod: Pod, intent: Intent): boolean => {
  const name = pod.status?.nominatedNodeName ?? '';
  return name !== '' && (name === intent.nodeName || name === intent.nodeClaim);
};

/** An owner's pods that wait for a node and are not on their way to one, the oldest first. */
export const pendingPodsOf = (state: State, ownerUid: string): readonly Pod[] =>
  state.pods
    .by('owner', ownerUid)
    .filter((pod) => isLive(pod) && !pod.spec.nodeName && !isHeld(pod) && !isGated(pod))
    .filter((pod) => !state.assumedPods.has(pod.metadata.uid ?? ''))
    .sort((a, b) => (creationOrderOf(a) < creationOrderOf(b) ? -1 : 1));

/** Assigns an owner's pending pods to slots: nominated pods keep theirs, the others follow in order of creation. */
export const assignPendingPods = (
  state: State,
  ownerUid: string,
  pending: readonly Pod[] = pendingPodsOf(state, ownerUid),
): readonly { readonly pod: Pod; readonly intent: Intent }[] => {
  if (pending.length === 0) return [];
  const slots = slotsOf(state, ownerUid).map((slot) => ({ slot, free: slot.free }));
  const matches: { pod: Pod; intent: Intent }[] = [];
  const assign = (pod: Pod, entry: { readonly slot: Slot; free: number } | undefined): boolean => {
    if (!entry || !acceptsPod(entry.slot, pod)) return false;
    entry.free--;
    matches.push({ pod, intent: entry.slot.intent });
    return true;
  };
  const others = pending.filter(
    (pod) =>
      !assign(
        pod,
        slots.find(({ slot, free }) => free > 0 && isNominatedTo(pod, slot.intent)),
      ),
  );
  for (const pod of others) {
    const free = slots
      .filter((entry) => entry.free > 0 && acceptsPod(entry.slot, pod))
      .map((entry) => ({ intent: entry.slot.intent, free: entry.free, entry }));
    const fitting = inOrderFor(state, pod, free).find(
      ({ intent }) => choosePinFor(state, intent, pod, 'pending').way !== 'leave',
    );
    assign(pod, fitting?.entry);
  }
  return matches;
};
