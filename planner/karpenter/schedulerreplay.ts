import type { Pod } from '../../api/objects.ts';
import type { Requests } from '../scheduling/noderesources.ts';

/** A pod with what it asks and the claims, by number, that may take it. */
export interface QueuedPod {
  readonly pod: Pod;
  readonly requests: Requests;
  readonly hosts: ReadonlySet<number>;
}

/** Comparisons that may be spent on finding out in which order the claims were opened. */
const STEPS = 800_000;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Karpenter's queue: most CPU, most memory, oldest, uid. */
export const byQueue = (a: QueuedPod, b: QueuedPod): number => {
  const more = (resource: string): number =>
    (b.requests.get(resource) ?? 0) - (a.requests.get(resource) ?? 0);
  const [m, n] = [a.pod.metadata, b.pod.metadata];
  return (
    more('cpu') ||
    more('memory') ||
    compareText(m.creationTimestamp ?? '', n.creationTimestamp ?? '') ||
    compareText(m.uid ?? '', n.uid ?? '')
  );
};

/** A claim in the course of one try: what is left of its requests, and how many pods it has. */
interface OpenClaim {
  readonly number: number;
  readonly left: Float64Array;
  count: number;
}

interface Try {
  /** For each card the number of its claim, or -1. */
  readonly hosts: Int32Array;
  /** The claims in the order in which they were opened. */
  readonly opened: readonly number[];
  readonly missed: number;
  /** The first card with which it was certain that Karpenter did otherwise. */
  readonly trouble: number;
}

const CPU = 0;
const PODS = 2;

const isBetter = (a: Try, b: Try): boolean =>
  a.trouble > b.trouble || (a.trouble === b.trouble && a.missed < b.missed);

/**
 * Deals pods to claims as Karpenter's scheduler did: pod by pod from its queue, each to the claim that has the fewest
 * pods so far and still takes it, else to a new claim. What a claim took in the end is known, so as long as every step
 * was the same as Karpenter's, so is the next: a claim that refused a pod for its size refuses it here, since what is
 * left of its requests is never more than what was left of its largest machine. Which claim was opened when is not
 * known: the one that needs the largest pods goes first, and where that does not come out, each other is tried in its
 * turn and the one kept that comes furthest. Answers with the number of the claim for each card, -1 for none.
 * Source: Scheduler.add in sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling.
 */
export const replayScheduler = (cards: readonly QueuedPod[], budgets: readonly Requests[]): Int32Array => {
  const resources = [
    ...new Set(['cpu', 'memory', 'pods', ...cards.flatMap((card) => [...card.requests.keys()])]),
  ];
  const width = resources.length;
  const asked = cards.map((card) => Float64Array.from(resources, (r) => card.requests.get(r) ?? 0));
  const given = budgets.map((budget) => Float64Array.from(resources, (r) => budget.get(r) ?? 0));
  const kinds = given.map((left) => left.join());
  const takes = (left: Float64Array, asks: Float64Array): boolean => {
    for (let r = 0; r < width; r++) if ((asks[r] ?? 0) > (left[r] ?? 0)) return false;
    return true;
  };
  const needOf = (left: Float64Array): number => (left[CPU] ?? 0) / Math.max(1, left[PODS] ?? 0);
  const order = [...given.keys()].sort((a, b) => {
    const [first, second] = [given[a] as Float64Array, given[b] as Float64Array];
    return needOf(second) - needOf(first) || a - b;
  });
  let steps = 0;

  const attempt = (forced: readonly number[]): Try => {
    const piles = given.map((left, number): OpenClaim => ({ number, left: left.slice(), count: 0 }));
    const opened: number[] = [];
    const closed = new Set(order);
    const open: OpenClaim[] = [];
    const hosts = new Int32Array(cards.length).fill(-1);
    let missed = 0;
    let trouble = cards.length;
    for (const [i, card] of cards.entries()) {
      const asks = asked[i] as Float64Array;
      const able = (pile: OpenClaim | undefined): pile is OpenClaim =>
        pile !== undefined && card.hosts.has(pile.number) && takes(pile.left, asks);
      steps += piles.length;
      // Every pod to come asks at most as much: a claim that needs more on average can't come out any more.
      if (trouble > i && piles.some(({ left }) => (left[PODS] ?? 0) > 0 && needOf(left) > (asks[CPU] ?? 0))) {
        trouble = i;
      }
      open.sort((a, b) => a.count - b.count);
      let pile = open.find(able);
      if (!pile) {
        const told = piles[forced[opened.length] ?? -1];
        const number =
          able(told) && closed.has(told.number)
            ? told.number
            : order.find((n) => closed.has(n) && able(piles[n]));
        pile = number === undefined ? undefined : piles[number];
        if (pile) {
          closed.delete(pile.number);
          opened.push(pile.number);
          open.push(pile);
        }
      }
      if (!pile) {
        missed++;
        trouble = Math.min(trouble, i);
        continue;
      }
      for (let r = 0; r < width; r++) pile.left[r] = (pile.left[r] ?? 0) - (asks[r] ?? 0);
      pile.count++;
      hosts[i] = pile.number;
    }
    return { hosts, opened, missed, trouble };
  };

  let best = attempt([]);
  for (let turn = 0; turn < best.opened.length && best.trouble < cards.length; turn++) {
    const before = best.opened.slice(0, turn);
    const seen = new Set([kinds[best.opened[turn] ?? -1]]);
    for (const number of order) {
      const kind = kinds[number] ?? '';
      if (steps > STEPS || best.trouble >= cards.length) break;
      if (before.includes(number) || seen.has(kind)) continue;
      seen.add(kind);
      const found = attempt([...before, number]);
      if (isBetter(found, best)) best = found;
    }
  }
  return best.hosts;
};
