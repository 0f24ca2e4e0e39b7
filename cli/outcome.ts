/** The result of a command. */
export interface Outcome {
  /** Text for stdout. */
  readonly out: string;
  /** Lines for stderr. */
  readonly err: readonly string[];
  /** Exit code: 0 done, 1 invalid input, 3 a pod can't be placed, 4 the plan was refused by its check, 5 something is left. */
  readonly code: 0 | 1 | 3 | 4 | 5;
}
