import { formatPlace, type Occupied, type Side, type SpotPlace, spotShareOf } from './split.ts';

/** The places of a workload's pods while more are given, counted once for all pods that come together. */
export class Tally {
  readonly #taken: Set<string>;
  #pods: number;
  #onSpot: number;
  /** Below these, by side, no place is free. */
  readonly #from: Record<Side, number> = { spot: 0, 'on-demand': 0 };

  constructor({ places, unplacedOnSpot, unplacedElsewhere }: Occupied) {
    this.#taken = new Set(places.map(formatPlace));
    this.#pods = places.length + unplacedOnSpot + unplacedElsewhere;
    this.#onSpot = unplacedOnSpot + places.filter(({ side }) => side === 'spot').length;
  }

  /** The side of the next pod, which counts itself. */
  nextSide(percentage: number): Side {
    return this.#onSpot < spotShareOf(this.#pods + 1, percentage) ? 'spot' : 'on-demand';
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
