/** What a failed request means for the caller: wait for a change, try again, or give up. */
export type ErrorKind =
  | 'not-found'
  | 'conflict'
  | 'already-exists'
  | 'retryable'
  | 'gone'
  | 'forbidden'
  | 'terminal';

export interface KubeErrorInit {
  readonly kind: ErrorKind;
  readonly status?: number;
  readonly reason?: string;
  /** How long the server asked us to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** A request to the API server that did not succeed. The message is one sentence for a person. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly kind: ErrorKind;
  readonly status?: number;
  readonly reason?: string;
  readonly retryAfterMs?: number;

  constructor(message: string, init: KubeErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.kind = init.kind;
    if (init.status !== undefined) this.status = init.status;
    if (init.reason !== undefined) this.reason = init.reason;
    if (init.retryAfterMs !== undefined) this.retryAfterMs = init.retryAfterMs;
  }
}

/** An option that cannot be used as it was given. The message says which, why and what is allowed. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

/** Raised before a write when the Lease that permits it may already be someone else's. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

const isKind =
  (kind: ErrorKind) =>
  (e: unknown): e is KubeError =>
    e instanceof KubeError && e.kind === kind;

export const isNotFound = isKind('not-found');
export const isConflict = isKind('conflict');
export const isAlreadyExists = isKind('already-exists');
export const isRetryable = isKind('retryable');
export const isGone = isKind('gone');
export const isForbidden = isKind('forbidden');
export const isTerminal = isKind('terminal');

/** True for the error that an aborted signal raises. */
export const isAborted = (e: unknown): boolean => e instanceof Error && e.name === 'AbortError';

/** The error that everything here raises when its signal is aborted. */
export const aborted = (signal?: AbortSignal): Error =>
  new DOMException('the operation was stopped', { name: 'AbortError', cause: signal?.reason });
