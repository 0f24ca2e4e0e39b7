import { mustGoIn } from '../packing/existingnode.ts';
import { itemAt, readers } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import { type Effort, EPSILON, fullness, objective, worthInPlace } from './effort.ts';
import type { FillOptions } from './filloptions.ts';
import { randomFrom } from './random.ts';
import { openTargets, type RebuildOptions, rebuild } from './rebuild.ts';

const { byteAt } = readers;

/** Open nodes that one round may move pods onto at most. */
const MAX_TARGETS = 48;
/** Rounds after which the time is looked at. */
const POLLED_ROUNDS = 8;
/** Rounds without a better answer, with some for each node, after which the search accepts dearer answers. */
const STALE = 150;
/** Excess over the best answer's cost that the search accepts, as fractions, one after the other. */
const DETOURS = [0.004, 0.01, 0.02, 0.04] as const;

/** Fill options with perturbed worths and only some of the nodes to buy; unchanged every fourth round. */
const perturb = (o: FillOptions, random: () => number, round: number): RebuildOptions => {
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

/** Picks open nodes to rebuild together: of two the emptier one, as a rule, since that is where money is wasted. */
const chooseNodes = (
  packing: Packing,
  open: readonly number[],
  worth: Float64Array,
  size: number,
  random: () => number,
): Set<number> => {
  const chosen = new Set<number>();
  while (chosen.size < size) {
    const a = itemAt(open, Math.floor(random() * open.length));
    const b = itemAt(open, Math.floor(random() * open.length));
    const isEmptier = random() < 0.7 && fullness(packing, b, worth) < fullness(packing, a, worth);
    const pick = isEmptier ? b : a;
    chosen.add(chosen.has(pick) ? a : pick);
    if (chosen.has(a) && chosen.has(b) && open.length <= 2) break;
  }
  return chosen;
};

/** Up to `most` neighbours in the list, from a random place on, around its end if need be. */
const sampleWindow = (list: readonly number[], most: number, random: () => number): readonly number[] => {
  if (list.length <= most) return list;
  const start = Math.floor(random() * list.length);
  return [...list, ...list].slice(start, start + most);
};

/** Open nodes that the search may empty: candidates and bought ones. */
const openReplaceable = (packing: Packing, candidates: ReadonlySet<number>): number[] => {
  const nodes: number[] = [];
  for (let node = 0; node < packing.nodes; node += 1) {
    if (byteAt(packing.open, node) === 0) continue;
    if (node >= packing.existingCount || candidates.has(node)) nodes.push(node);
  }
  return nodes;
};

/**
 * Local search: empties and closes some nodes and rebuilds them together, so that any number of nodes can become any
 * number. When that finds nothing more it goes on from dearer answers near the best one, less and less dear, and
 * returns to the best one when they lead nowhere (threshold accepting, Dueck and Scheuer 1990).
 */
export const improve = (
  packing: Packing,
  candidates: readonly number[],
  untimed: FillOptions,
  effort: Effort,
): void => {
  const o = { ...untimed, isOver: effort.isOver };
  const random = randomFrom(effort.seed);
  const candidateSet = new Set(candidates);
  const mustGo = mustGoIn(packing.problem.existingNodes);
  const worth = worthInPlace(o, effort);
  let best = objective(packing, effort);
  let bestCost = packing.cost();
  let now = best;
  let stale = 0;
  let detour = -1;
  packing.undoLog.commit();
  for (let round = 0; round < effort.rounds && best > effort.targetCost + EPSILON; round += 1) {
    if (round % POLLED_ROUNDS === 0) {
      effort.onPoll?.(round === 0 ? 0 : POLLED_ROUNDS, bestCost);
      if (effort.isOver()) break;
    }
    const patience = STALE + 20 * Math.min(candidates.length + packing.nodes, 500);
    if (stale > patience) {
      packing.undo();
      now = best;
      stale = 0;
      detour += 1;
    }
    const excess = detour < 0 ? 0 : itemAt(DETOURS, detour % DETOURS.length);
    const acceptable = best * (1 + excess * (1 - stale / patience));
    const open = openReplaceable(packing, candidateSet);
    if (open.length === 0) break;
    const closed = candidates.filter((node) => byteAt(packing.open, node) === 0 && !mustGo.has(node));
    const size = Math.min(open.length, 1 + Math.floor(random() * (stale > 40 ? 8 : 4)));
    const chosen = chooseNodes(packing, open, worth, size, random);
    const others = openTargets(packing).filter((node) => !chosen.has(node));
    const targets = sampleWindow(others, MAX_TARGETS, random);
    const reopen = new Set([...chosen].filter((node) => node < packing.existingCount && !mustGo.has(node)));
    for (let n = 0; n < 3 && closed.length > 0; n += 1)
      reopen.add(itemAt(closed, Math.floor(random() * closed.length)));
    const mark = packing.undoLog.mark();
    const isPlaced = rebuild(packing, [...chosen], targets, [...reopen], perturb(o, random, round));
    const value = isPlaced ? objective(packing, effort) : Number.POSITIVE_INFINITY;
    stale += 1;
    const isBest = value < best - EPSILON;
    const isAccepted = isBest || value < now - EPSILON || (detour >= 0 && value <= acceptable);
    if (isAccepted && packing.satisfiesAllRules()) {
      now = value;
      if (!isBest) continue;
      packing.undoLog.commit();
      best = value;
      bestCost = packing.cost();
      stale = 0;
    } else packing.undo(mark);
  }
  packing.undo();
};
