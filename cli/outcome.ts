/** What a command prints, and its exit code. */
export interface Outcome {
  readonly out: string;
  readonly err: readonly string[];
  readonly code: 0 | 1 | 3;
}
