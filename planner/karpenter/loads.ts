import { readers } from '../packing/matrix.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import type { AssignmentProblem, Kind } from './assignmentproblem.ts';
import { Conflicts } from './conflicts.ts';

const { floatAt, intAt } = readers;

/** Rounding of sums of mean pods. */
export const EPSILON = 1e-9;

/** Pods of each kind on each claim, and what the claims are overfilled by. Amounts are in mean pods of the problem. */
export class Loads {
  readonly claims: number;
  /** What each claim is overfilled by over all resources, and pods that others keep off. */
  readonly excess: Float64Array;
  /** The part of it that is over all resources. */
  readonly #overfill: Float64Array;
  readonly #kinds: readonly Kind[];
  readonly #resources: number;
  readonly #requests: Float64Array;
  /** What is left of each claim's room, per resource; negative where it is overfilled. */
  readonly #free: Float64Array;
  /** Room of each claim beyond its budget. */
  readonly #spare: Float64Array;
  readonly #counts: Int32Array;
  /** Undefined when no kind keeps another off. */
  readonly #conflicts: Conflicts | undefined;
  /** Scratch: what an exchange frees on one claim and takes of the other. */
  readonly #change: Float64Array;

  constructor({ kinds, budgets, rooms, keepsOff }: AssignmentProblem) {
    const resources = [...new Set(kinds.flatMap(({ requests }) => [...requests.keys()]))];
    const podCount = kinds.reduce((sum, { count }) => sum + count, 0);
    const scales = resources.map((resource) => {
      const sum = kinds.reduce((all, kind) => all + kind.count * (kind.requests.get(resource) ?? 0), 0);
      return sum > 0 ? podCount / sum : 1;
    });
    const vectorOf = (amounts: Requests): readonly number[] =>
      resources.map((resource, i) => Math.max(0, amounts.get(resource) ?? 0) * (scales[i] ?? 1));
    this.claims = rooms.length;
    this.#kinds = kinds;
    this.#resources = resources.length;
    this.#requests = Float64Array.from(kinds.flatMap(({ requests }) => vectorOf(requests)));
    this.#free = Float64Array.from(budgets.flatMap(vectorOf));
    this.#spare = Float64Array.from(rooms.flatMap(vectorOf), (room, i) => room - floatAt(this.#free, i));
    this.#counts = new Int32Array(kinds.length * rooms.length);
    this.#conflicts = keepsOff && new Conflicts(kinds.length, keepsOff);
    this.excess = new Float64Array(rooms.length);
    this.#overfill = new Float64Array(rooms.length);
    this.#change = new Float64Array(resources.length);
  }

  /** Makes the claims as large as their machines are. */
  enlarge(): void {
    for (const [i, more] of this.#spare.entries()) this.#free[i] = floatAt(this.#free, i) + more;
    for (let claim = 0; claim < this.claims; claim++) this.#recount(claim);
  }

  count(kind: number, claim: number): number {
    return intAt(this.#counts, kind * this.claims + claim);
  }

  kindsOn(claim: number): readonly number[] {
    const kinds: number[] = [];
    for (let kind = 0; kind < this.#kinds.length; kind++) if (this.count(kind, claim) > 0) kinds.push(kind);
    return kinds;
  }

  /** A kind's requests over all resources. */
  sizeOf(kind: number): number {
    let sum = 0;
    for (let i = 0; i < this.#resources; i++) sum += floatAt(this.#requests, kind * this.#resources + i);
    return sum;
  }

  put(kind: number, claim: number, sign: 1 | -1): void {
    this.#counts[kind * this.claims + claim] = this.count(kind, claim) + sign;
    for (let i = 0; i < this.#resources; i++) {
      const at = claim * this.#resources + i;
      this.#free[at] = floatAt(this.#free, at) - sign * floatAt(this.#requests, kind * this.#resources + i);
    }
    this.#recount(claim);
  }

  /** What the claim would be overfilled by without one pod of `out` and with one more of `into`; -1 for none. */
  excessWith(claim: number, out: number, into: number): number {
    this.#change.fill(0);
    if (out >= 0) this.#add(out, 1);
    if (into >= 0) this.#add(into, -1);
    return this.#overfillAfter(claim, 1) + this.#conflictsWith(claim, [out], [into]);
  }

  /**
   * By how much two claims would be overfilled more, if pods of up to two kinds went from one to the other and up to two
   * came back; -1 for none. Numbers instead of lists, since this runs a million times.
   */
  exchange(from: number, to: number, goes: number, goesToo: number, comes: number, comesToo: number): number {
    this.#change.fill(0);
    this.#add(goes, 1);
    if (goesToo >= 0) this.#add(goesToo, 1);
    if (comes >= 0) this.#add(comes, -1);
    if (comesToo >= 0) this.#add(comesToo, -1);
    const before = floatAt(this.#overfill, from) + floatAt(this.#overfill, to);
    const change = this.#overfillAfter(from, 1) + this.#overfillAfter(to, -1) - before;
    if (this.#conflicts === undefined) return change;
    const [out, back] = [
      [goes, goesToo],
      [comes, comesToo],
    ];
    const conflicts = this.#conflicts;
    const isConcerned = (kind: number): boolean => conflicts.concerns(kind);
    if (!out.some(isConcerned) && !back.some(isConcerned)) return change;
    return (
      change +
      this.#conflictsWith(from, out, back) +
      this.#conflictsWith(to, back, out) -
      (floatAt(this.excess, from) + floatAt(this.excess, to) - before)
    );
  }

  /** So many claims with the most room of what this one is overfilled by the most. */
  emptiest(claim: number, count: number): readonly number[] {
    const freeOf = (of: number, resource: number): number =>
      floatAt(this.#free, of * this.#resources + resource);
    let scarce = 0;
    for (let i = 1; i < this.#resources; i++) if (freeOf(claim, i) < freeOf(claim, scarce)) scarce = i;
    return Array.from({ length: this.claims }, (_, each) => each)
      .sort((a, b) => freeOf(b, scarce) - freeOf(a, scarce))
      .slice(0, count);
  }

  #recount(claim: number): void {
    this.#change.fill(0);
    const overfill = this.#overfillAfter(claim, 1);
    this.#overfill[claim] = overfill;
    this.excess[claim] = overfill + this.#conflictsWith(claim, [], []);
  }

  #add(kind: number, sign: 1 | -1): void {
    for (let i = 0; i < this.#resources; i++)
      this.#change[i] = floatAt(this.#change, i) + sign * floatAt(this.#requests, kind * this.#resources + i);
  }

  /** What the claim would be overfilled by if the change came to its free room, or went off it for the sign -1. */
  #overfillAfter(claim: number, sign: 1 | -1): number {
    let excess = 0;
    for (let i = 0; i < this.#resources; i++) {
      const free = floatAt(this.#free, claim * this.#resources + i) + sign * floatAt(this.#change, i);
      if (free < -EPSILON) excess -= free;
    }
    return excess;
  }

  #conflictsWith(claim: number, out: readonly number[], into: readonly number[]): number {
    if (this.#conflicts === undefined) return 0;
    return this.#conflicts.count(
      (kind) =>
        this.count(kind, claim) -
        out.filter((each) => each === kind).length +
        into.filter((each) => each === kind).length,
    );
  }
}
