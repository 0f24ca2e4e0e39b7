import { unitPrices, worthOf } from '../bound/shadowprices.ts';
import type { CompiledOption } from '../packing/compiledoption.ts';
import type { Packing } from '../packing/packing.ts';
import type { Problem } from '../packing/problem.ts';
import type { FillOptions } from './filloptions.ts';
import { orderByWorth } from './filloptions.ts';
import { fillOpen, openAndFill } from './greedy.ts';
import { randomFrom } from './random.ts';

/** How long and how hard to look. */
export interface Effort {
  readonly seed: number;
  /** Rounds of local search. */
  readonly rounds: number;
  /** Asked now and then; true ends the search with the best answer so far. */
  readonly isOver: () => boolean;
  /** USD per hour that moving one pod weighs. */
  readonly movePrice: number;
  /** No answer is better than this, pods moved apart: the search may end there. */
  readonly targetCost: number;
}

const EPSILON = 1e-9;

const objective = (packing: Packing, cost: number, movePrice: number): number =>
  cost + packing.moved * movePrice;

/** Open nodes that pods may be put onto. */
export const openTargets = (packing: Packing): number[] => {
  const nodes: number[] = [];
  for (let node = 0; node < packing.nodes; node += 1) {
    const existing = packing.problem.existingNodes[node];
    if (packing.open[node] && (existing === undefined || existing.acceptsPods)) nodes.push(node);
  }
  return nodes;
};

/** What each shape is worth where it is: to move it costs too. */
const withMoves = (o: FillOptions, effort: Effort): Float64Array =>
  o.worth.map((worth) => worth + effort.movePrice);

/** Whether a column has room for all that is on a node. */
const canHold = (packing: Packing, option: CompiledOption, node: number): boolean => {
  const from = packing.option[node]?.room;
  const free = packing.roomOf(node);
  for (let d = 0; d < packing.width; d += 1) {
    const load = (from?.[d] ?? 0) - (free[d] as number);
    // Amounts are whole numbers.
    if (load > (option.room[d] as number) + 0.5) return false;
  }
  return true;
};

/** Moves each bought node to the cheapest column that holds what is on it. */
export const rightsize = (packing: Packing): void => {
  const byPrice = [...packing.problem.options].sort((a, b) => a.price - b.price);
  for (let node = packing.existingCount; node < packing.nodes; node += 1) {
    const option = packing.option[node];
    if (!packing.open[node] || !option) continue;
    const able = byPrice.filter(
      (other) =>
        other === option ||
        ((!packing.isPlain || other.price < option.price) && canHold(packing, other, node)),
    );
    if (able.length === 1 && able[0] === option) continue;
    const content = packing.empty(node);
    const isRuled = content.some(([podClass]) => packing.counts.hasRules(podClass));
    packing.sell(node);
    const pods = content.reduce((sum, [, n]) => sum + n, 0);
    const costOf = (other: CompiledOption): number => packing.priceOf(other) + pods * other.podRisk;
    const cost = costOf(option);
    const order = packing.isPlain ? able : able.sort((a, b) => costOf(a) - costOf(b));
    for (const other of order) {
      const is = other === option;
      if (!is && (costOf(other) >= cost || (isRuled && other.nodeClass !== option.nodeClass))) continue;
      // What it was it may be again, whatever the limits say by now.
      if (!is && !packing.canBuy(other)) continue;
      const again = packing.buy(other);
      if (is) {
        // Rules that look at the others may not let it come now; it was there, and no pod may be lost.
        for (const [podClass, n] of content) packing.put(podClass, again, n);
        break;
      }
      if (content.every(([podClass, n]) => packing.putUpTo(podClass, again, n) === n)) break;
      packing.empty(again);
      packing.sell(again);
    }
  }
};

/** Tries emptying one set of nodes, placing their pods again at least cost. False leaves the packing in disorder. */
export const rebuild = (
  packing: Packing,
  nodes: readonly number[],
  targets: readonly number[],
  reopen: readonly number[],
  o: FillOptions & { readonly perturbWorth?: (worth: number) => number },
): boolean => {
  const left = new Int32Array(packing.problem.podClasses.length);
  const present = new Map<number, number>();
  for (const node of nodes) {
    for (const [podClass, n] of packing.empty(node)) {
      left[podClass] = (left[podClass] ?? 0) + n;
      if (!present.has(podClass))
        present.set(podClass, o.perturbWorth?.(o.worth[podClass] ?? 0) ?? o.worth[podClass] ?? 0);
    }
    if (node < packing.existingCount) packing.setOpen(node, false);
    else packing.sell(node);
  }
  const order = Int32Array.from(
    [...present].sort((a, b) => b[1] - a[1] || a[0] - b[0]),
    ([podClass]) => podClass,
  );
  fillOpen(packing, left, targets, { ...o, order });
  return openAndFill(packing, left, { ...o, order, reopen });
};

/** What placing these pods, per shape, is guided by. */
export const optionsFor = (problem: Problem, demand: Int32Array): FillOptions => {
  const prices = unitPrices(problem, demand);
  const worth = worthOf(problem, prices);
  return { prices, worth, order: orderByWorth(worth), options: problem.options };
};

/**
 * Empties candidates in growing prefixes, the worst used first, and keeps the prefix that saves most. The first
 * answer; `improve` goes on from it.
 */
export const replacePrefix = (
  packing: Packing,
  candidates: readonly number[],
  o: FillOptions,
  effort: Effort,
): void => {
  const worthWithMoves = withMoves(o, effort);
  const order = [...candidates].sort(
    (a, b) => packing.fullness(a, worthWithMoves) - packing.fullness(b, worthWithMoves) || a - b,
  );
  const start = objective(packing, packing.cost(), effort.movePrice);
  let best = start - EPSILON;
  let bestSize = 0;
  const attempt = (size: number): boolean => {
    const exhausted = new Set(order.slice(0, size));
    const targets = openTargets(packing).filter((node) => !exhausted.has(node));
    const done = rebuild(packing, [...exhausted], targets, [], o);
    if (done) rightsize(packing);
    return done;
  };
  const tried = new Set<number>();
  const weigh = (size: number): void => {
    if (size <= 0 || tried.has(size) || (tried.size > 0 && effort.isOver())) return;
    tried.add(size);
    packing.undoLog.mark();
    if (attempt(size)) {
      const value = objective(packing, packing.cost(), effort.movePrice);
      if (value < best && packing.satisfiesAllRules()) {
        best = value;
        bestSize = size;
      }
    }
    packing.undo();
  };
  for (let part = 8; part >= 1; part -= 1) weigh(Math.round((order.length * part) / 8));
  for (let step = Math.floor(order.length / 16); step >= 1 && tried.size < 20; step = Math.floor(step / 2)) {
    weigh(bestSize - step);
    weigh(bestSize + step > order.length ? 0 : bestSize + step);
  }
  if (bestSize > 0) attempt(bestSize);
};

const MAX_TARGETS = 48;
/** Rounds without a better answer, with some for each node, after which the search goes another way. */
const STALE = 150;
/** How much dearer than the best answer the search may get on its way to a better one, at most. */
const DETOURS = [0.004, 0.01, 0.02, 0.04] as const;

/** The same options with another taste: worths a little off, and only some of the columns on offer. */
const perturb = (
  o: FillOptions,
  random: () => number,
  round: number,
): FillOptions & { readonly perturbWorth?: (worth: number) => number } => {
  if (round % 4 === 0) return o;
  const noise = 0.1 + 0.5 * random();
  const share = 0.25 + 0.5 * random();
  const options = o.options.filter(() => random() < share);
  return {
    ...o,
    options: options.length > 0 ? options : o.options,
    perturbWorth: (worth) => worth * (1 + noise * (random() - 0.5)),
  };
};

/** Some open nodes to be rebuilt together: of two the emptier one, as a rule, since that is where money lies. */
const chooseNodes = (
  packing: Packing,
  open: readonly number[],
  worth: Float64Array,
  size: number,
  random: () => number,
): Set<number> => {
  const chosen = new Set<number>();
  while (chosen.size < size) {
    const a = open[Math.floor(random() * open.length)] ?? 0;
    const b = open[Math.floor(random() * open.length)] ?? 0;
    const pick = random() < 0.7 && packing.fullness(b, worth) < packing.fullness(a, worth) ? b : a;
    chosen.add(chosen.has(pick) ? a : pick);
    if (chosen.has(a) && chosen.has(b) && open.length <= 2) break;
  }
  return chosen;
};

const sampleWindow = (list: readonly number[], most: number, random: () => number): readonly number[] => {
  if (list.length <= most) return list;
  const start = Math.floor(random() * list.length);
  return [...list, ...list].slice(start, start + most);
};

/**
 * Local search: some nodes are emptied, closed and rebuilt together; what costs less, pods moved included, stays. When
 * that finds nothing more, it goes on from dearer answers near the best one, less and less dear, and comes back when
 * they lead nowhere. Nodes may be standing candidates, closed candidates or bought ones, so that any number goes to
 * any number. Source of the detours: threshold accepting, Dueck and Scheuer 1990.
 */
export const improve = (
  packing: Packing,
  candidates: readonly number[],
  o: FillOptions,
  effort: Effort,
): void => {
  const random = randomFrom(effort.seed);
  const isCandidate = new Set(candidates);
  const worthWithMoves = withMoves(o, effort);
  const valueNow = (): number => objective(packing, packing.cost(), effort.movePrice);
  let best = valueNow();
  let now = best;
  let stale = 0;
  let detour = -1;
  packing.undoLog.commit();
  for (let round = 0; round < effort.rounds && best > effort.targetCost + EPSILON; round += 1) {
    if (round % 8 === 0 && effort.isOver()) break;
    const patience = STALE + 20 * Math.min(candidates.length + packing.nodes, 500);
    if (stale > patience) {
      packing.undo();
      now = best;
      stale = 0;
      detour += 1;
    }
    const most = detour < 0 ? 0 : (DETOURS[detour % DETOURS.length] ?? 0);
    const allowed = best * (1 + most * (1 - stale / patience));
    const open: number[] = [];
    for (let node = 0; node < packing.nodes; node += 1) {
      if (packing.open[node] && (node >= packing.existingCount || isCandidate.has(node))) open.push(node);
    }
    if (open.length === 0) break;
    const closed = candidates.filter((node) => !packing.open[node]);
    const size = Math.min(open.length, 1 + Math.floor(random() * (stale > 40 ? 8 : 4)));
    const chosen = chooseNodes(packing, open, worthWithMoves, size, random);
    const around = openTargets(packing).filter((node) => !chosen.has(node));
    const targets = sampleWindow(around, MAX_TARGETS, random);
    const reopen = new Set([...chosen].filter((node) => node < packing.existingCount));
    for (let n = 0; n < 3 && closed.length > 0; n += 1)
      reopen.add(closed[Math.floor(random() * closed.length)] ?? 0);
    const mark = packing.undoLog.mark();
    const done = rebuild(packing, [...chosen], targets, [...reopen], perturb(o, random, round));
    const value = done ? valueNow() : Number.POSITIVE_INFINITY;
    stale += 1;
    const isBest = value < best - EPSILON;
    if (
      (isBest || value < now - EPSILON || (detour >= 0 && value <= allowed)) &&
      packing.satisfiesAllRules()
    ) {
      now = value;
      if (!isBest) continue;
      packing.undoLog.commit();
      best = value;
      stale = 0;
    } else packing.undo(mark);
  }
  packing.undo();
};
