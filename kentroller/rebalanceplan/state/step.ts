import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type {
  DeletionEvent,
  PlanState,
  RebalancePlanStatus,
  Savings,
} from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOfferingSpec } from '../../../api/kinds/unavailableoffering.ts';
import type { NodeClaim, OwnerReference } from '../../../api/objects.ts';
import type { Surged } from '../drain/surge.ts';
import type { Phase } from './labels.ts';

/** Why a step is taken: event reason and sentence. */
export interface Why {
  readonly reason: string;
  readonly message: string;
}

export interface AttemptRef {
  /** Name of the claim in the plan. */
  readonly planned: string;
  readonly claimName: string;
  readonly instanceType: string;
  readonly capacityType: string;
  readonly zone: string;
}

export type FailurePhase = 'Creation' | 'Deletion';

/** The next thing to do for a plan. Each can be done again with no harm. */
export type Step = Why &
  (
    | { readonly kind: 'prepare'; readonly baseline: Readonly<Record<string, number>> }
    | { readonly kind: 'wait-to-start' }
    | { readonly kind: 'start'; readonly budgets: NonNullable<RebalancePlanStatus['nodePoolBudgets']> }
    | { readonly kind: 'lock'; readonly node: string; readonly keeps: boolean }
    | { readonly kind: 'unlock'; readonly node: string; readonly keeps: boolean }
    | { readonly kind: 'create-claim'; readonly attempt: AttemptRef; readonly claim: NodeClaim }
    | { readonly kind: 'attempt-succeeded'; readonly attempt: AttemptRef }
    | {
        readonly kind: 'attempt-failed';
        readonly attempt: AttemptRef;
        readonly description: string;
        readonly offerings: readonly UnavailableOfferingSpec[];
      }
    | { readonly kind: 'delete-claim'; readonly claim: string; readonly uid: string }
    | { readonly kind: 'remove-pod'; readonly name: string; readonly namespace: string; readonly uid: string }
    | { readonly kind: 'cordon'; readonly node: string }
    | { readonly kind: 'uncordon'; readonly node: string; readonly drainFailed: boolean }
    | { readonly kind: 'evict'; readonly name: string; readonly namespace: string; readonly uid: string }
    | { readonly kind: 'delete-pod'; readonly name: string; readonly namespace: string; readonly uid: string }
    | {
        readonly kind: 'surge';
        readonly name: string;
        readonly namespace: string;
        readonly uid: string;
        readonly resourceVersion: string;
        readonly record: Surged;
        readonly owner: OwnerReference;
      }
    | {
        readonly kind: 'unsurge';
        readonly name: string;
        readonly namespace: string;
        readonly uid: string;
        readonly resourceVersion: string;
        readonly hash: string;
      }
    | {
        readonly kind: 'record-deletion';
        readonly claim: string;
        readonly status: DeletionEvent['status'];
        readonly description: string;
        /** Name of the RebalanceMigrationPlan that it is about. */
        readonly migrationPlan?: string;
      }
    | {
        readonly kind: 'create-migration';
        readonly claim: string;
        readonly migration: RebalanceMigrationPlan;
      }
    | { readonly kind: 'withdraw-migration'; readonly name: string; readonly uid: string }
    | { readonly kind: 'advance'; readonly phase: Phase; readonly validated?: Savings }
    | { readonly kind: 'warn' }
    | {
        readonly kind: 'release';
        readonly node: string;
        readonly claim: string;
        readonly keeps: boolean;
      }
    | { readonly kind: 'fail'; readonly phase: FailurePhase; readonly failureReason: string }
    | {
        readonly kind: 'finish';
        readonly state: PlanState;
        readonly outcome?: NonNullable<RebalancePlanStatus['achievedOutcome']>;
      }
    | { readonly kind: 'let-go' }
  );

export interface Decision {
  readonly steps: readonly Step[];
  /** Milliseconds after which to look again where nothing changes. */
  readonly againAfterMs: number;
}

export const LOOK_AGAIN_MS = 2_000;

export const steps = (...list: readonly Step[]): Decision => ({ steps: list, againAfterMs: LOOK_AGAIN_MS });
