import { readers } from '../packing/matrix.ts';
import { randomFrom } from '../search/random.ts';
import type { Assignment, AssignmentProblem, Kind } from './assignmentproblem.ts';
import { EPSILON, Loads } from './loads.ts';

const { byteAt, floatAt, intAt } = readers;

/** Steps for which a pod does not go back to where it was taken from: at least, and at random up to as many more. */
const TABU_STEPS = 6;
/** Claims with which exchanges of two pods for one are tried, where none of one for one helps: the emptiest, and any. */
const WIDE_CLAIMS = 2;
/** Steps after which a search that found nothing better ends. */
const MAX_STALE_STEPS = 1_000;

/** One pod of each kind that `goes` is exchanged for one of each that `comes`. */
interface Exchange {
  readonly to: number;
  readonly goes: readonly number[];
  readonly comes: readonly number[];
}

/**
 * A tabu search over kinds × claims. All pods are on some claim at all times, and what claims are overfilled by goes
 * to zero.
 */
export class AssignmentSearch {
  readonly #kinds: readonly Kind[];
  readonly #loads: Loads;
  /** 1 where a claim may hold a kind. */
  readonly #allowed: Uint8Array;
  /** The step until which no pod of a kind comes back to a claim. */
  readonly #tabuUntil: Int32Array;
  readonly #random: () => number;
  /** Exchanges looked at so far. */
  looks = 0;
  #step = 0;

  constructor(problem: AssignmentProblem, seed: number) {
    const { kinds, rooms } = problem;
    this.#kinds = kinds;
    this.#loads = new Loads(problem);
    this.#tabuUntil = new Int32Array(kinds.length * rooms.length);
    this.#allowed = new Uint8Array(kinds.length * rooms.length);
    for (const [kind, { claims }] of kinds.entries())
      for (const claim of claims) this.#allowed[kind * rooms.length + claim] = 1;
    this.#random = randomFrom(kinds.length + seed);
  }

  /** Puts every pod on a claim: where it prefers to be if that is asked for, else where it overfills least. */
  fill(keepsPreferred: boolean): void {
    const loads = this.#loads;
    const placed = this.#kinds.map(({ preferred, count }, kind) => {
      const kept = keepsPreferred ? preferred.slice(0, count) : [];
      for (const claim of kept) loads.put(kind, claim, 1);
      return kept.length;
    });
    const claimCount = (kind: number): number => this.#kinds[kind]?.claims.length ?? 0;
    const order = [...this.#kinds.keys()].sort(
      (a, b) => claimCount(a) - claimCount(b) || loads.sizeOf(b) - loads.sizeOf(a),
    );
    for (const kind of order) {
      const { count = 0, claims = [] } = this.#kinds[kind] ?? {};
      for (let n = placed[kind] ?? 0; n < count; n++) {
        let best = -1;
        let least = Number.POSITIVE_INFINITY;
        for (const claim of claims) {
          const more = loads.excessWith(claim, -1, kind) - floatAt(loads.excess, claim);
          if (more >= least) continue;
          least = more;
          best = claim;
        }
        if (best >= 0) loads.put(kind, best, 1);
      }
    }
  }

  /** Makes the claims as large as their machines are. */
  enlarge(): void {
    this.#loads.enlarge();
  }

  /** Exchanges pods until no claim is overfilled; at most so many exchanges are looked at. */
  run(maxLooks: number): void {
    const end = this.looks + maxLooks;
    let least = Number.POSITIVE_INFINITY;
    let improvedAt = this.#step;
    let stuck = 0;
    for (;;) {
      const from = this.#pickOverfilled();
      if (from < 0 || this.looks >= end) return;
      this.#step++;
      const total = this.#loads.excess.reduce((sum, excess) => sum + excess, 0);
      if (total < least - EPSILON) {
        least = total;
        improvedAt = this.#step;
      } else if (this.#step - improvedAt > MAX_STALE_STEPS) return;
      const best = this.#bestExchange(from);
      if (!best) {
        // By then every pod that was moved may go back, so there is no exchange at all.
        if (++stuck > 2 * TABU_STEPS) return;
        continue;
      }
      stuck = 0;
      for (const kind of best.goes) this.#move(kind, from, best.to);
      for (const kind of best.comes) this.#move(kind, best.to, from);
    }
  }

  /** Takes pods off overfilled claims, those first that leave the least of what is too much. */
  trim(): void {
    const loads = this.#loads;
    for (let claim = 0; claim < loads.claims; claim++) {
      while (floatAt(loads.excess, claim) > EPSILON) {
        let best = -1;
        let least = Number.POSITIVE_INFINITY;
        for (const kind of loads.kindsOn(claim)) {
          const left = loads.excessWith(claim, kind, -1);
          if (left >= least) continue;
          least = left;
          best = kind;
        }
        if (best < 0) break;
        loads.put(best, claim, -1);
      }
    }
  }

  assignment(): Assignment {
    const claimsOf = this.#kinds.map(({ claims }, kind) =>
      claims.flatMap((claim) => Array<number>(this.#loads.count(kind, claim)).fill(claim)),
    );
    return { claimsOf, isComplete: this.#kinds.every(({ count }, i) => claimsOf[i]?.length === count) };
  }

  #move(kind: number, from: number, to: number): void {
    this.#loads.put(kind, from, -1);
    this.#loads.put(kind, to, 1);
    this.#tabuUntil[kind * this.#loads.claims + from] =
      this.#step + TABU_STEPS + Math.floor(this.#random() * TABU_STEPS);
  }

  /** One of the overfilled claims, -1 when there is none. */
  #pickOverfilled(): number {
    let found = 0;
    let picked = -1;
    for (let claim = 0; claim < this.#loads.claims; claim++)
      if (floatAt(this.#loads.excess, claim) > EPSILON && this.#random() * ++found < 1) picked = claim;
    return picked;
  }

  /** The exchange with another claim that leaves the least excess, one of them at random; undefined for none. */
  #bestExchange(from: number): Exchange | undefined {
    const loads = this.#loads;
    const here = loads.kindsOn(from);
    let best: Exchange | undefined;
    let least = Number.POSITIVE_INFINITY;
    let ties = 0;
    const look = (to: number, goes: number, goesToo: number, comes: number, comesToo: number): void => {
      this.looks++;
      const change = loads.exchange(from, to, goes, goesToo, comes, comesToo);
      if (change > least + EPSILON) return;
      if (change < least - EPSILON) {
        least = change;
        ties = 0;
      }
      if (this.#random() * ++ties >= 1) return;
      const isKind = (kind: number): boolean => kind >= 0;
      best = { to, goes: [goes, goesToo].filter(isKind), comes: [comes, comesToo].filter(isKind) };
    };
    const lookAt = (to: number, isWide: boolean): void => {
      if (to === from) return;
      const out = here.filter((kind) => this.#mayCome(kind, to));
      const back = loads.kindsOn(to).filter((kind) => this.#mayCome(kind, from));
      for (const kind of out) {
        if (!isWide) look(to, kind, -1, -1, -1);
        for (const other of back) {
          if (other === kind) continue;
          if (!isWide) {
            look(to, kind, -1, other, -1);
            continue;
          }
          for (const third of back)
            if (third !== kind && this.#isPair(other, third, to)) look(to, kind, -1, other, third);
          for (const third of out)
            if (third !== other && this.#isPair(kind, third, from)) look(to, kind, third, other, -1);
        }
      }
    };
    for (let to = 0; to < loads.claims; to++) lookAt(to, false);
    if (least > -EPSILON) {
      for (const to of loads.emptiest(from, WIDE_CLAIMS)) lookAt(to, true);
      for (let i = 0; i < WIDE_CLAIMS; i++) lookAt(Math.floor(this.#random() * loads.claims), true);
    }
    return best;
  }

  /** Whether two pods of these kinds are there, each pair in one order only. */
  #isPair(kind: number, second: number, claim: number): boolean {
    return kind < second || (kind === second && this.#loads.count(kind, claim) > 1);
  }

  #mayCome(kind: number, claim: number): boolean {
    const at = kind * this.#loads.claims + claim;
    return byteAt(this.#allowed, at) === 1 && intAt(this.#tabuUntil, at) <= this.#step;
  }
}
