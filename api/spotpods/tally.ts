import { countsOf, formatPlace, type Occupied, type Side, type SpotPlace, sideAfter } from './split.ts';

/** The places of a workload's pods while more are given, counted once for all pods that come together. */
export class Tally {
  readonly #taken: Set<string>;
  #pods: number;
  #onSpot: number;
  /** Below these, by side, no place is free. */
  readonly #from: Record<Side, number> = { spot: 0, 'on-demand': 0 };

  constructor(occupied: Occupied) {
    const { pods, onSpot } = countsOf(occupied);
    this.#taken = new Set(occupied.places.map(formatPlace));
    this.#pods = pods;
    this.#onSpot = onSpot;
  }

  /** The side of the next pod, which counts itself. */
  nextSide(percentage: number): Side {
    return sideAfter({ pods: this.#pods, onSpot: this.#onSpot }, percentage);
  }

  /** Takes the lowest free place of a side. */
  take(side: Side): SpotPlace {
    while (this.#taken.has(formatPlace({ side, index: this.#from[side] }))) this.#from[side] += 1;
    const place = { side, index: this.#from[side] };
    this.#taken.add(formatPlace(place));
    this.#pods += 1;
    if (side === 'spot') this.#onSpot += 1;
    return place;
  }
}
