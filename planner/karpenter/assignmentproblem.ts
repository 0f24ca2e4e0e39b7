import type { Requests } from '../scheduling/noderesources.ts';

/** Equal pods, and where they may go. */
export interface Kind {
  readonly requests: Requests;
  readonly count: number;
  /** Indexes of the claims that may hold them. */
  readonly claims: readonly number[];
  /** Indexes of claims, one for each pod that has a preference. */
  readonly preferred: readonly number[];
}

export interface AssignmentProblem {
  readonly kinds: readonly Kind[];
  /** What each claim was bought for and is not used up, which an assignment keeps to as far as it can. */
  readonly budgets: readonly Requests[];
  /** Free room of each claim. */
  readonly rooms: readonly Requests[];
  /** Whether a pod of one kind keeps one of the other off its machine; undefined when none does. */
  readonly keepsOff?: (kind: number, other: number) => boolean;
}

export interface Assignment {
  /** Per kind the index of the claim of each pod that has a place. */
  readonly claimsOf: readonly (readonly number[])[];
  /** Whether every pod has a place. */
  readonly isComplete: boolean;
}
