import type { CompiledOption } from './compiledoption.ts';

/** One change of a packing. */
export type Change =
  /** `n` pods of a class were put onto a node; negative where they were taken off. */
  | { readonly kind: 'put'; readonly podClass: number; readonly node: number; readonly n: number }
  /** An existing node was opened or closed; `was` is 1 if it was open before. */
  | { readonly kind: 'open'; readonly node: number; readonly was: number }
  /** A node was bought (no option) or sold (the option that it had). */
  | { readonly kind: 'bought'; readonly node: number; readonly option: CompiledOption | undefined };

/** The changes of a packing since a mark, so that they can be undone. */
export class UndoLog {
  #changes: Change[] = [];
  #isRecording = false;

  /** Starts to record if it does not yet. Returns the place in the log that `rollBack` goes back to. */
  mark(): number {
    this.#isRecording = true;
    return this.#changes.length;
  }

  record(change: Change): void {
    if (this.#isRecording) this.#changes.push(change);
  }

  /** Keeps all changes for good, drops the marks and stops to record. */
  commit(): void {
    this.#changes = [];
    this.#isRecording = false;
  }

  /** Drops the changes since a mark and passes each to `undo`, the last one first; `undo` is not recorded. */
  rollBack(mark: number, undo: (change: Change) => void): void {
    const changes = this.#changes.splice(mark).reverse();
    this.#isRecording = false;
    for (const change of changes) undo(change);
    this.#isRecording = mark > 0;
  }
}
