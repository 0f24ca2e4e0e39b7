import type { Pod } from '../../api/objects.ts';
import { isAwaitingPlan } from '../../api/pods.ts';
import type { Watched } from './decide.ts';
import { isHeldInFull } from './pods.ts';

/** Milliseconds after kube-scheduler's refusal within which Karpenter, which waits for a second of quiet, buys nothing. */
const QUICK_MS = 2_000;

/** Milliseconds after which the cache shows a nomination, or it was taken off. */
const SHOWN_MS = 1_000;

const uidOf = ({ metadata }: Pod): string => metadata.uid ?? '';

/** When kube-scheduler refused a pod, in milliseconds since 1970; whole seconds. */
const refusedAt = ({ status }: Pod): number =>
  Date.parse(status?.conditions?.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime ?? '') || 0;

/** Whether a pod is left to others for now, without a nomination. */
const isGivenBack = (known: Pick<Watched, 'left'> | undefined, now: number): boolean =>
  known?.left !== undefined && !known.left.isHeld && known.left.until > now;

/** What is remembered of pods that wait. It may be lost: then they count as late. */
export class Memory {
  readonly #watched = new Map<string, Watched>();
  readonly #told = new Map<string, string>();

  get watched(): ReadonlyMap<string, Watched> {
    return this.#watched;
  }

  /** Keeps these pods, adds those that are new, and forgets all others; of `ignored` ones, what they were told. */
  keep(waiting: readonly Pod[], now: number, ignored: readonly Pod[] = []): void {
    const uids = new Set(waiting.map(uidOf));
    for (const uid of this.#watched.keys()) if (!uids.has(uid)) this.#watched.delete(uid);
    const known = new Set([...uids, ...ignored.map(uidOf)]);
    for (const uid of this.#told.keys()) if (!known.has(uid)) this.#told.delete(uid);
    for (const pod of waiting) {
      const uid = uidOf(pod);
      const known = this.#watched.get(uid);
      if (isAwaitingPlan(pod) && known?.heldAt === undefined && !isGivenBack(known, now)) {
        // An earlier leader nominated it, or the API server.
        this.#watched.set(uid, { seenAt: now, isLate: false, ...known, heldAt: now });
      } else if (!known) {
        this.#watched.set(uid, { seenAt: now, isLate: now - refusedAt(pod) > QUICK_MS });
      }
    }
  }

  /** Records nominations that were written. */
  hold(pods: readonly Pod[], now: number): void {
    for (const pod of pods) {
      const uid = uidOf(pod);
      const known = this.#watched.get(uid) ?? { seenAt: now, isLate: true };
      const isLate = known.isLate || (known.heldAt === undefined && now - known.seenAt > QUICK_MS);
      this.#watched.set(uid, { ...known, heldAt: now, isLate });
    }
  }

  /** Records that a pod is left alone for a while; one that is not held is late when its turn comes again. */
  leave(pod: Pod, until: number, isHeld: boolean): void {
    const known = this.#watched.get(uidOf(pod));
    if (!known) return;
    const { heldAt, ...rest } = known;
    this.#watched.set(uidOf(pod), {
      ...rest,
      ...(isHeld && heldAt !== undefined && { heldAt }),
      isLate: known.isLate || !isHeld,
      left: { until, isHeld },
    });
  }

  /** Whether this is news for a pod. */
  isNews(pod: Pod, text: string): boolean {
    if (this.#told.get(uidOf(pod)) === text) return false;
    this.#told.set(uidOf(pod), text);
    return true;
  }

  /** Pods that are left to others and still nominated: the write that took it off came too late. */
  stillHeld(waiting: readonly Pod[], now: number): readonly Pod[] {
    return waiting.filter((pod) => isAwaitingPlan(pod) && isGivenBack(this.#watched.get(uidOf(pod)), now));
  }

  /** Pods to nominate: those that wait, but those that are left to others. */
  unheld(waiting: readonly Pod[], now: number): readonly Pod[] {
    return waiting.filter((pod) => {
      const known = this.#watched.get(uidOf(pod));
      // The cache shows a nomination a moment after it was written.
      if (known?.heldAt !== undefined && now - known.heldAt < SHOWN_MS) return false;
      return !isHeldInFull(pod) && !isGivenBack(known, now);
    });
  }
}
