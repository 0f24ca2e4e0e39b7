/** What a door lets in: of one request, of one caller, and of all callers together. */
export interface DoorLimits {
  /** Bytes of one body. */
  readonly bodyBytes: number;
  /** Bytes of all bodies that are held at once. */
  readonly heldBytes: number;
  /** Connections at once; a connection carries one request at a time. */
  readonly connections: number;
  /** Milliseconds for the TLS handshake and for the head of a request. */
  readonly headMs: number;
  /** Milliseconds until a request has arrived whole. */
  readonly requestMs: number;
  /** Milliseconds until its answer has been taken. */
  readonly answerMs: number;
  /** Milliseconds that an idle connection stays open. */
  readonly idleMs: number;
  /** Offences that a caller may commit at once, and how many it may commit a second in the long run. */
  readonly offences: number;
  readonly offencesPerSecond: number;
}

const MiB = 2 ** 20;

/**
 * Limits of every door; a room says its own body size. The API server and kube-scheduler keep idle connections for 90 s
 * and see resets when the server closes them first.
 */
export const DOOR_LIMITS: DoorLimits = {
  bodyBytes: 0,
  heldBytes: 48 * MiB,
  connections: 1024,
  headMs: 5_000,
  requestMs: 10_000,
  answerMs: 20_000,
  idleMs: 120_000,
  offences: 64,
  offencesPerSecond: 8,
};
