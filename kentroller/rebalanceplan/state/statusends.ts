/**
 * The most that a plan's status says, in characters and entries: far less than its CRD admits, so that a plan has room for
 * its end when it is stored (kentroller/rebalanceplanclaim/plansize.ts).
 */
export const STATUS_ENDS = {
  /** Why an attempt failed. */
  attemptText: 256,
  /** What one event of a drain says. */
  eventText: 256,
  /** Events of a removed node: the drain begins, a live migration has three, and it ends, maybe twice. */
  events: 6,
  warnings: 100,
  warningText: 500,
  /** Message of a condition or of a failure, such as the API server's answer. */
  message: 4_096,
} as const;
