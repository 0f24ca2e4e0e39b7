import type { OfferColumn } from './compiledoption.ts';

/** One change of a packing, as it is taken back. */
export type Step =
  | { readonly kind: 'put'; readonly shape: number; readonly node: number; readonly n: number }
  | { readonly kind: 'open'; readonly node: number; readonly was: number }
  /** A node bought (no column) or sold (the column that it had). */
  | { readonly kind: 'bought'; readonly node: number; readonly column: OfferColumn | undefined };

/** The changes since some mark, so that they can be taken back, to the last mark or to an earlier one. */
export class Journal {
  #steps: Step[] = [];
  #isOn = false;

  /** Begins to note, if it has not; returns where it stands, for `since`. */
  mark(): number {
    this.#isOn = true;
    return this.#steps.length;
  }

  note(step: Step): void {
    if (this.#isOn) this.#steps.push(step);
  }

  /** Forgets everything: what was changed stays. */
  forget(): void {
    this.#steps = [];
    this.#isOn = false;
  }

  /** Hands out the steps since a mark, the last first, and forgets them; `take` is run without notes. */
  takeBack(to: number, take: (step: Step) => void): void {
    const steps = this.#steps.splice(to).reverse();
    this.unnoted(() => {
      for (const step of steps) take(step);
    });
    this.#isOn = to > 0;
  }

  /** Runs what takes back all of its own changes, without notes. */
  unnoted(run: () => void): void {
    const was = this.#isOn;
    this.#isOn = false;
    run();
    this.#isOn = was;
  }
}
