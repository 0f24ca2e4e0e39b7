import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { PLAN_FINALIZER } from '../../api/labels.ts';
import { executionPhaseOf, isRunning } from '../../api/plans.ts';
import { REBALANCE_MIGRATION_PLANS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { Inventory } from './inventory.ts';
import { nodeNamesOf, nodeSteps, viewsOf } from './nodes.ts';
import { podSteps } from './pods.ts';
import type { UndoStep } from './step.ts';

/** Steps in the order of the argument in docs/designs/0017-uninstall.md. */
export interface Undoing {
  /** Plans end first, so that no component of ours that still lives goes on with them. */
  readonly ends: readonly UndoStep[];
  /** What plans did to the cluster. */
  readonly undo: readonly UndoStep[];
  /** What keeps plans from being deleted, once nothing of them is left to undo. */
  readonly finalizers: readonly UndoStep[];
}

const MESSAGE = 'precision-packer was taken away while the plan ran.';

const endStep = (plan: RebalancePlan, phase: 'Creation' | 'Deletion', now: number): UndoStep => ({
  kind: 'patch',
  resource: REBALANCE_PLANS,
  ref: { name: plan.metadata.name },
  subresource: 'status',
  body: {
    status: {
      state: 'Canceled',
      failurePhase: phase,
      failureReason: 'Canceled',
      failureMessage: plan.status?.failureMessage ?? MESSAGE,
      completionTime: new Date(now).toISOString(),
    },
  },
  object: `RebalancePlan ${plan.metadata.name}`,
  what: 'end it as Canceled',
});

const finalizerStep = ({ metadata }: RebalancePlan): UndoStep => ({
  kind: 'patch',
  resource: REBALANCE_PLANS,
  ref: { name: metadata.name },
  body: {
    metadata: {
      resourceVersion: metadata.resourceVersion,
      finalizers: (metadata.finalizers ?? []).filter((each) => each !== PLAN_FINALIZER),
    },
  },
  object: `RebalancePlan ${metadata.name}`,
  what: `remove its finalizer ${PLAN_FINALIZER}`,
});

/**
 * Everything that brings a cluster back to one without us, from the marks on its objects; plans only tell how far they
 * had come. Pure: the same inventory gives the same steps.
 */
export const decideUndo = (inventory: Inventory, now: number): Undoing => {
  const { plans, migrations } = inventory;
  const running = plans.filter(isRunning);
  const held = plans.filter(({ metadata }) => metadata.finalizers?.includes(PLAN_FINALIZER));
  const ending = new Set([...running, ...held].map(({ metadata }) => metadata.uid));
  const withdrawn = migrations
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => ending.has(uid)))
    .map(
      ({ metadata: { name, uid } }): UndoStep => ({
        kind: 'delete',
        resource: REBALANCE_MIGRATION_PLANS,
        ref: { name },
        ...(uid && { uid }),
        object: `RebalanceMigrationPlan ${name}`,
        what: 'delete it: its plan is ended',
      }),
    );
  const ofNodes = viewsOf(inventory).flatMap(nodeSteps);
  const deleted = new Set(ofNodes.flatMap(({ object }) => (object.startsWith('Pod ') ? [object] : [])));
  return {
    ends: running.map((plan) => endStep(plan, executionPhaseOf(plan, nodeNamesOf(inventory)), now)),
    undo: [...ofNodes, ...podSteps(inventory).filter(({ object }) => !deleted.has(object)), ...withdrawn],
    finalizers: held.map(finalizerStep),
  };
};
