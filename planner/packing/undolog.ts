import type { CompiledOption } from './compiledoption.ts';

/** One change of a packing, as it is taken back. */
export type Change =
  | { readonly kind: 'put'; readonly podClass: number; readonly node: number; readonly n: number }
  | { readonly kind: 'open'; readonly node: number; readonly was: number }
  /** A node bought (no column) or sold (the column that it had). */
  | { readonly kind: 'bought'; readonly node: number; readonly option: CompiledOption | undefined };

/** The changes since some mark, so that they can be taken back, to the last mark or to an earlier one. */
export class UndoLog {
  #changes: Change[] = [];
  #isRecording = false;

  /** Begins to note, if it has not; returns where it stands, for `since`. */
  mark(): number {
    this.#isRecording = true;
    return this.#changes.length;
  }

  record(change: Change): void {
    if (this.#isRecording) this.#changes.push(change);
  }

  /** Forgets everything: what was changed stays. */
  commit(): void {
    this.#changes = [];
    this.#isRecording = false;
  }

  /** Hands out the steps since a mark, the last first, and forgets them; `take` is run without notes. */
  rollBack(to: number, take: (change: Change) => void): void {
    const changes = this.#changes.splice(to).reverse();
    this.withoutRecording(() => {
      for (const change of changes) take(change);
    });
    this.#isRecording = to > 0;
  }

  /** Runs what takes back all of its own changes, without notes. */
  withoutRecording(run: () => void): void {
    const was = this.#isRecording;
    this.#isRecording = false;
    run();
    this.#isRecording = was;
  }
}
