import type { KubeClient } from '../../../kube/client/client.ts';
import { ignoreNotFound, ignoreNotFoundOrConflict } from '../../../kube/ignore.ts';
import type { Guards } from '../../../kube/undo/guards.ts';
import type { Caches } from '../../caches.ts';
import type { SavingsStore } from '../../savings/savingsstore.ts';
import type { PinsView } from '../state/state.ts';
import type { StatusChange } from '../state/status.ts';
import type { Step } from '../state/step.ts';

/** What a step is applied with. */
export interface Writer {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'unavailable'>;
  /** Adds the savings of a plan before its finalizer is removed. */
  readonly account: SavingsStore;
  /** Raised before a plan changes anything. */
  readonly guards: Guards;
  /** Called when a PodDisruptionBudget refuses an eviction, with the server's Retry-After in milliseconds. */
  readonly onEvictionRefused: (podUid: string, retryAfterMs: number | undefined) => void;
  /** The pinner's state now, which may differ from the one that the steps were decided with. */
  readonly pins: () => PinsView;
  readonly signal: AbortSignal;
}

/** The result of a step that was left to the next pass: nothing was written, and it is not reported. */
export const SKIPPED = Symbol('skipped');

/** The change of the plan's status that a step leads to; undefined for none. */
export type Change = StatusChange | undefined;

export type StepOf<K extends Step['kind']> = Step & { readonly kind: K };

/** Waits for a write; its object may be gone. */
export const writeIfThere = async (request: Promise<unknown>): Promise<void> => {
  await request.catch(ignoreNotFound);
};

/** Waits for a delete or eviction by UID; the object may be gone, or replaced by one with another UID. */
export const deleteIfThere = async (request: Promise<unknown>): Promise<void> => {
  await request.catch(ignoreNotFoundOrConflict);
};
