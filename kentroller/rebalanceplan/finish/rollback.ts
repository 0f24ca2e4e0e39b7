import type { NodeClaim } from '../../../api/objects.ts';
import { isEvictable, isUnused, podName } from '../../../api/pods.ts';
import { withdrawClaims } from '../create/decide.ts';
import { isReserved } from '../create/nodeclaim.ts';
import { unlockSteps } from '../create/nodelock.ts';
import { freeSteps } from '../create/nodeuse.ts';
import { withdrawMigrationSteps } from '../drain/livemigration.ts';
import { reattachSteps } from '../drain/surge.ts';
import { abandonedDrainSteps, uncordonSteps } from '../drain/undo.ts';
import { releaseStep, releaseSteps } from '../reservation.ts';
import { PLANNED_CLAIM } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { hasWarnedOf } from '../state/status.ts';
import { type Decision, type Step, steps } from '../state/step.ts';
import { unknownClaimsWarnings } from '../unknownclaims.ts';

const reservedClaims = ({
  plan,
  nodeClaims,
}: Pick<ExecutionState, 'plan' | 'nodeClaims'>): readonly NodeClaim[] =>
  [...nodeClaims.values()].filter((claim) => isReserved(plan, claim));

const podsOf = ({ pods }: Pick<ExecutionState, 'pods'>, claim: string): string => {
  const [first, ...others] = (pods.get(claim) ?? []).filter(isEvictable);
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return `${first ? podName(first) : ''}${more}`;
};

/**
 * Added machines stay that run pods: they were bought for them, and no undo may cost a pod. It is told before the node is
 * given away, since nothing shows afterwards whose it was.
 */
const keepSteps = (state: ExecutionState, claims: readonly NodeClaim[]): readonly Step[] =>
  claims.flatMap(({ metadata: { name, labels, annotations } }): Step[] => {
    const node = state.nodes.get(name);
    if (!node) return [];
    const planned = state.plan.spec.nodeClaimsToAdd?.find(
      ({ metadata }) => metadata.name === (annotations?.[PLANNED_CLAIM] ?? name),
    );
    const start = `Node ${node.metadata.name}, which the plan added, stays: `;
    if (!hasWarnedOf(state.plan, start)) {
      return [{ kind: 'warn', reason: 'NodeKept', message: `${start}pod ${podsOf(state, name)} runs on it` }];
    }
    return [
      {
        ...releaseStep(state, name, node, planned ?? { metadata: { name, ...(labels && { labels }) } }),
        isDisowned: true,
      },
    ];
  });

const withdrawUnused = (state: ExecutionState, claims: readonly NodeClaim[]): readonly Step[] => {
  const names = claims.map(({ metadata }) => metadata.name);
  return withdrawClaims(state, names).map((step) =>
    step.kind === 'delete-claim' ? { ...step, isUnused: true } : step,
  );
};

/** Machines that somebody deletes and whose pods may not be evicted: nobody knows for how long, so no plan waits. */
const blockedSteps = (state: ExecutionState, claims: readonly NodeClaim[]): readonly Step[] =>
  claims.map(({ metadata: { name } }) => ({
    kind: 'warn',
    reason: 'NodeClaimDraining',
    message: `NodeClaim ${name} is being deleted and its node still runs pod ${podsOf(state, name)}: look at what keeps it there`,
  }));

/** Undoes a failed plan: a failure in Creation deletes the unused added nodes, one in Deletion keeps and releases them. */
export const rollBack = (state: ExecutionState): Decision => {
  const { failurePhase, failureReason, failureMessage } = state.plan.status ?? {};
  const reserved = failurePhase === 'Creation' ? reservedClaims(state) : [];
  const isFree = ({ metadata: { name } }: NodeClaim): boolean =>
    isUnused(state.nodes.get(name), state.pods.get(name) ?? []);
  const isGoing = ({ metadata }: NodeClaim): boolean => metadata.deletionTimestamp !== undefined;
  const blocked = reserved.filter((claim) => isGoing(claim) && !isFree(claim));
  const undo =
    failurePhase === 'Creation'
      ? [
          ...reattachSteps(state),
          ...uncordonSteps(state),
          ...unlockSteps(state),
          ...keepSteps(
            state,
            reserved.filter((claim) => !isGoing(claim) && !isFree(claim)),
          ),
          ...withdrawUnused(state, reserved.filter(isFree)),
        ]
      : [
          ...withdrawMigrationSteps(state, { why: 'its plan failed' }),
          ...reattachSteps(state),
          ...abandonedDrainSteps(state),
          ...uncordonSteps(state),
          ...releaseSteps(state),
          ...unlockSteps(state),
        ];
  if (undo.length > 0 || reserved.length > blocked.length) return steps(...undo);
  const free = freeSteps(state);
  if (free.length > 0) return steps(...free);
  return steps(...blockedSteps(state, blocked), ...unknownClaimsWarnings(state), {
    kind: 'finish',
    state: failureReason === 'Canceled' ? 'Canceled' : 'Failed',
    reason: failureReason ?? 'Failed',
    message: failureMessage ?? 'The plan failed.',
  });
};
