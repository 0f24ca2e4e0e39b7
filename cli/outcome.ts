/** The result of a command. */
export interface Outcome {
  /** Text for stdout. */
  readonly out: string;
  /** Lines for stderr. */
  readonly err: readonly string[];
  /** Exit code: 0 done, 1 invalid input, or for check something is lacking, 2 for check something could not be seen, 3 a pod can't be placed, 4 the plan was refused by its check, 5 something is left. */
  readonly code: 0 | 1 | 2 | 3 | 4 | 5;
}
