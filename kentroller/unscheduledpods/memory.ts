import type { Pod } from '../../api/objects.ts';
import type { Watched } from './decide.ts';
import { isHeldForPlan } from './pods.ts';

/** Milliseconds after kube-scheduler's refusal within which Karpenter, which waits for a second of quiet, buys nothing. */
const QUICK_MS = 2_000;

/** Milliseconds after which the cache shows a nomination, or it was taken off. */
const SHOWN_MS = 1_000;

const uidOf = ({ metadata }: Pod): string => metadata.uid ?? '';

/** When kube-scheduler refused a pod, in milliseconds since 1970; whole seconds. */
const refusedAt = ({ status }: Pod): number =>
  Date.parse(status?.conditions?.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime ?? '') || 0;

/** What is remembered of pods that wait. It may be lost: then they count as late. */
export class Memory {
  readonly #watched = new Map<string, Watched>();
  readonly #told = new Map<string, string>();

  get watched(): ReadonlyMap<string, Watched> {
    return this.#watched;
  }

  /** Keeps these pods, adds those that are new, and forgets all others. */
  keep(waiting: readonly Pod[], now: number): void {
    const uids = new Set(waiting.map(uidOf));
    for (const uid of this.#watched.keys()) if (!uids.has(uid)) this.#watched.delete(uid);
    for (const uid of this.#told.keys()) if (!uids.has(uid)) this.#told.delete(uid);
    for (const pod of waiting) {
      const uid = uidOf(pod);
      const known = this.#watched.get(uid);
      if (isHeldForPlan(pod) && known?.heldAt === undefined) {
        // An earlier leader nominated it.
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

  /** Pods to nominate: those that wait, but those that are left to others. */
  unheld(waiting: readonly Pod[], now: number): readonly Pod[] {
    return waiting.filter((pod) => {
      const { left, heldAt } = this.#watched.get(uidOf(pod)) ?? {};
      // The cache shows a nomination a moment after it was written.
      if (heldAt !== undefined && now - heldAt < SHOWN_MS) return false;
      const isLeft = left !== undefined && !left.isHeld && left.until > now;
      return !isHeldForPlan(pod) && !isLeft;
    });
  }
}
