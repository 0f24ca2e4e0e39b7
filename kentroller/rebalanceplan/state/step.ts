import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type {
  DeletionEvent,
  DetachedPod,
  PlanState,
  RebalancePlanStatus,
  Savings,
} from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOfferingSpec } from '../../../api/kinds/unavailableoffering.ts';
import type { NodeClaim, OwnerReference, Toleration } from '../../../api/objects.ts';
import type { AttemptRef } from './attemptref.ts';
import type { Phase } from './labels.ts';
import type { SurgeRecord } from './surgerecord.ts';

/** Why a step is taken: event reason and message. */
export interface Why {
  readonly reason: string;
  readonly message: string;
}

export type FailurePhase = 'Creation' | 'Deletion';

/** One action for a plan; each is idempotent, so a crash between step and status does no harm. */
export type Step = Why &
  (
    | { readonly kind: 'prepare'; readonly baseline: Readonly<Record<string, number>> }
    | { readonly kind: 'wait-to-start' }
    /** The phase is not reached, for a reason outside of the plan. */
    | { readonly kind: 'wait-in-phase'; readonly phase: Phase }
    | {
        readonly kind: 'start';
        readonly budgets: NonNullable<RebalancePlanStatus['nodePoolBudgets']>;
        /** NodeClaims, and nodes without one, that the plan takes for itself, in this order. */
        readonly places: readonly string[];
      }
    | { readonly kind: 'free'; readonly place: string }
    | { readonly kind: 'lock'; readonly node: string }
    | { readonly kind: 'unlock'; readonly node: string }
    | {
        readonly kind: 'tolerate';
        readonly name: string;
        readonly namespace: string;
        readonly uid: string;
        readonly resourceVersion: string;
        /** All tolerations of the pod, with those that it lacked. */
        readonly tolerations: readonly Toleration[];
      }
    | { readonly kind: 'create-claim'; readonly attempt: AttemptRef; readonly claim: NodeClaim }
    | { readonly kind: 'attempt-succeeded'; readonly attempt: AttemptRef }
    | {
        readonly kind: 'attempt-failed';
        readonly attempt: AttemptRef;
        readonly description: string;
        readonly offerings: readonly UnavailableOfferingSpec[];
      }
    | {
        readonly kind: 'delete-claim';
        readonly claim: string;
        readonly uid: string;
        /** True for one whose node was drained, which is looked at once more. */
        readonly isDrained?: boolean;
        /** True for one that stays when its node has joined and runs pods by then. */
        readonly isUnused?: boolean;
      }
    | { readonly kind: 'remove-pod'; readonly name: string; readonly namespace: string; readonly uid: string }
    | { readonly kind: 'close'; readonly node: string }
    | { readonly kind: 'cordon'; readonly node: string }
    | { readonly kind: 'mark-evicted'; readonly node: string }
    | { readonly kind: 'uncordon'; readonly node: string; readonly drainFailed: boolean }
    | { readonly kind: 'evict'; readonly name: string; readonly namespace: string; readonly uid: string }
    | {
        readonly kind: 'delete-pod';
        readonly name: string;
        readonly namespace: string;
        readonly uid: string;
        /** The ReplicaSet that a detached pod would have gone with, and that is gone. */
        readonly forsakenBy?: SurgeRecord['replicaSet'];
      }
    | { readonly kind: 'record-surge'; readonly pod: DetachedPod }
    | {
        readonly kind: 'surge';
        readonly name: string;
        readonly namespace: string;
        readonly uid: string;
        readonly resourceVersion: string;
        readonly record: SurgeRecord;
        readonly owner: OwnerReference;
      }
    | {
        readonly kind: 'reattach';
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
        /** Name of the RebalanceMigrationPlan, for steps of a live migration. */
        readonly migrationPlan?: string;
      }
    | {
        readonly kind: 'keep-node';
        readonly claim: string;
        readonly node: string;
        /** Why the node stays. */
        readonly description: string;
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
        readonly kind: 'reserve';
        readonly node: string;
        /** What keeps strangers off: the taint, or a cordon, which lets DaemonSets on. */
        readonly by: 'taint' | 'cordon';
        /** Until when the cordon waits for pods that don't come, RFC 3339; with the taint: that they did not. */
        readonly until?: string;
      }
    | {
        readonly kind: 'release';
        readonly node: string;
        readonly claim: string;
        /** True where do-not-disrupt stays. */
        readonly keeps: boolean;
        /** True when the plan gives the NodeClaim up for good, though do-not-disrupt stays. */
        readonly isDisowned?: boolean;
      }
    | { readonly kind: 'fail'; readonly phase: FailurePhase; readonly failureReason: string }
    | {
        readonly kind: 'finish';
        readonly state: PlanState;
        readonly outcome?: NonNullable<RebalancePlanStatus['achievedOutcome']>;
      }
    | { readonly kind: 'remove-finalizer' }
  );

export interface Decision {
  readonly steps: readonly Step[];
  /** Milliseconds until the next pass when no watched object changes before. */
  readonly againAfterMs: number;
}

export const LOOK_AGAIN_MS = 2_000;

export const steps = (...list: readonly Step[]): Decision => ({ steps: list, againAfterMs: LOOK_AGAIN_MS });
