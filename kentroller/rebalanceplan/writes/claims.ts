import { labelValueOf } from '../../../api/identity/names.ts';
import { isMarkedBy } from '../../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { OWNED_BY, PLAN } from '../../../api/labels.ts';
import { NODE_CLAIMS, REBALANCE_MIGRATION_PLANS } from '../../../api/resources.ts';
import { isAlreadyExists, isTerminal } from '../../../kube/errors.ts';
import { getOrUndefined } from '../../../kube/ignore.ts';
import { isReserved } from '../create/nodeclaim.ts';
import { noteUnavailable, unavailableName } from '../create/unavailable.ts';
import type { ExecutionState } from '../state/state.ts';
import { recordAttempt, recordDeletion } from '../state/status.ts';
import { emptiedVersion, isUnblocked, unusedVersion } from './lastlook.ts';
import { type Change, deleteIfThere, SKIPPED, type StepOf, type Writer } from './writer.ts';

/** NodeClaims and RebalanceMigrationPlans. An object that exists already counts when it is this plan's. */

type PlanState = Pick<ExecutionState, 'plan' | 'now'>;
type MovingState = PlanState & Pick<ExecutionState, 'rules' | 'nodes' | 'nodeClaims'>;

export const createClaim = async (
  w: Writer,
  { plan, now }: PlanState,
  step: StepOf<'create-claim'>,
): Promise<Change> => {
  try {
    await w.client.create(NODE_CLAIMS, step.claim, { signal: w.signal });
  } catch (error) {
    // The next alternative may be accepted; without one the plan fails with this reason.
    if (isTerminal(error)) return recordAttempt(step.attempt, 'Failed', error.message, now);
    if (!isAlreadyExists(error)) throw error;
    const ref = { name: step.claim.metadata.name };
    const existing = await getOrUndefined(w.client.get(NODE_CLAIMS, ref, { signal: w.signal }));
    // It went in between: the next pass tries again.
    if (!existing) throw error;
    if (!isMarkedBy(plan, existing, OWNED_BY)) {
      const description = `a NodeClaim of that name exists, and this plan did not create it`;
      return recordAttempt(step.attempt, 'Failed', description, now);
    }
  }
  return recordAttempt(step.attempt, 'InProgress', '', now);
};

/** True while a plan whose creation failed has a NodeClaim to delete: one may be missing in the cache. */
export const hasUnseenClaims = async (w: Writer, plan: RebalancePlan): Promise<boolean> => {
  if (plan.status?.failurePhase !== 'Creation') return false;
  const labelSelector = `${PLAN}=${labelValueOf(plan.metadata.name)}`;
  const { items } = await w.client.list(NODE_CLAIMS, { labelSelector, signal: w.signal });
  return items.some((claim) => !claim.metadata.deletionTimestamp && isReserved(plan, claim));
};

/** Deletes a NodeClaim; one that was drained or is unused only while it still is. */
export const deleteClaim = async (
  w: Writer,
  state: Pick<ExecutionState, 'plan' | 'rules' | 'nodes'>,
  step: StepOf<'delete-claim'>,
): Promise<typeof SKIPPED | undefined> => {
  const { claim, uid, isDrained, isUnused } = step;
  if (isUnused) return giveUpClaim(w, state, step);
  const resourceVersion = isDrained ? await emptiedVersion(w, state, step) : undefined;
  if (isDrained && resourceVersion === undefined) return SKIPPED;
  const options = { uid, ...(resourceVersion !== undefined && { resourceVersion }), signal: w.signal };
  await deleteIfThere(w.client.delete(NODE_CLAIMS, { name: claim }, options));
  return undefined;
};

/** Deletes the NodeClaim of an added node only while no pod would be lost by it. */
export const giveUpClaim = async (
  w: Pick<Writer, 'client' | 'signal'>,
  state: Parameters<typeof unusedVersion>[1],
  { claim, uid }: StepOf<'delete-claim'>,
): Promise<typeof SKIPPED | undefined> => {
  const resourceVersion = await unusedVersion(w, state, { claim, uid });
  if (resourceVersion === undefined) return SKIPPED;
  const options = { uid, resourceVersion, signal: w.signal };
  await deleteIfThere(w.client.delete(NODE_CLAIMS, { name: claim }, options));
  return undefined;
};

export const recordFailedAttempt = async (
  w: Writer,
  now: number,
  step: StepOf<'attempt-failed'>,
): Promise<Change> => {
  for (const offering of step.offerings) {
    const known = w.caches.unavailable.get(unavailableName(offering));
    await noteUnavailable(w.client, offering, known, now, w.signal);
  }
  return recordAttempt(step.attempt, 'Failed', step.description, now);
};

export const createMigration = async (
  w: Writer,
  state: MovingState,
  step: StepOf<'create-migration'>,
): Promise<Change | typeof SKIPPED> => {
  const { plan, now } = state;
  const { claim, migration, message } = step;
  if (!(await isUnblocked(w, state, claim))) return SKIPPED;
  try {
    await w.client.create(REBALANCE_MIGRATION_PLANS, migration, { signal: w.signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const ref = { name: migration.metadata.name };
    const existing = await getOrUndefined(w.client.get(REBALANCE_MIGRATION_PLANS, ref, { signal: w.signal }));
    // One of an earlier plan of the same name is garbage-collected; the next pass tries again.
    if (!existing?.metadata.ownerReferences?.some((o) => o.uid === plan.metadata.uid)) throw error;
  }
  return recordDeletion(claim, 'LiveMigrationCreated', message, now, migration.metadata.name);
};
