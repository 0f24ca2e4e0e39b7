import { derivedName, labelValueOf } from '../../../api/identity/names.ts';
import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type { DeletionEvent, PodToMigrate, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { GROUP_VERSION, LIVE_MIGRATION, PLAN } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { destinationOf, foreignNodeOf } from '../../../api/plans.ts';
import { isTerminating, podName } from '../../../api/pods.ts';
import { currentClaim } from '../state/claimnames.ts';
import type { ExecutionState } from '../state/state.ts';
import { deletionEventsOf, hasOrdered } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import {
  entriesOf,
  hasOptedOut,
  isServed,
  type MigrationState,
  mandatoryPods,
  notMigratableReason,
} from './livemigrationpods.ts';
import { type Progress, progressOf } from './livemigrationprogress.ts';

const joinNames = (names: readonly string[]): string =>
  `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** Name of the RebalanceMigrationPlan for one node of a plan: deterministic, so that none is created twice. */
export const migrationPlanName = (plan: string, claim: string): string => derivedName(`${plan}-${claim}`, '');

const buildMigration = (
  state: Pick<ExecutionState, 'plan' | 'nodes'>,
  claim: string,
  pods: readonly (readonly [Pod, PodToMigrate])[],
): RebalanceMigrationPlan => {
  const { name, uid } = state.plan.metadata;
  return {
    apiVersion: GROUP_VERSION,
    kind: 'RebalanceMigrationPlan',
    metadata: {
      name: migrationPlanName(name, claim),
      labels: { [PLAN]: labelValueOf(name) },
      ownerReferences: [
        { apiVersion: GROUP_VERSION, kind: 'RebalancePlan', name, uid: uid ?? '', controller: true },
      ],
    },
    spec: {
      migrations: pods.map(([pod, entry]) => {
        const destination = currentClaim(state.plan, destinationOf(entry));
        const node = state.nodes.get(destination)?.metadata.name;
        return {
          podName: pod.metadata.name,
          podNamespace: pod.metadata.namespace ?? '',
          ...(node && { destinationNode: node }),
          ...(foreignNodeOf(destination) === undefined && { destinationNodeClaim: destination }),
          policy: entry.policy ?? 'Optional',
          options: { podUID: pod.metadata.uid ?? '' },
        };
      }),
    },
  };
};

const recordStep = (
  claim: string,
  status: DeletionEvent['status'],
  migrationPlan: string,
  reason: string,
  message: string,
): Step => ({
  kind: 'record-deletion',
  claim,
  status,
  description: message,
  migrationPlan,
  reason,
  message,
});

/** Fails the plan: pods that may only be migrated live are still on the node. */
const failMandatory = (state: Pick<ExecutionState, 'nodes'>, claim: string, reason: string): Step => ({
  kind: 'fail',
  phase: 'Deletion',
  failureReason: 'FailureReasonLiveMigrationFailed',
  reason: 'FailureReasonLiveMigrationFailed',
  message: `Pods of node ${state.nodes.get(claim)?.metadata.name} that must be migrated were not: ${reason}. Look at the live migration provider, or let the plan evict them (policy Optional).`,
});

const requestMigration = (state: MigrationState, claim: string): readonly Step[] | undefined => {
  const entries = [...entriesOf(state, claim)].filter(([pod]) => !isTerminating(pod));
  const able: (readonly [Pod, PodToMigrate])[] = [];
  for (const [pod, entry] of entries) {
    const reason = notMigratableReason(state, claim, pod, entry);
    if (reason === undefined) able.push([pod, entry]);
    else if (entry.policy === 'Mandatory') return [failMandatory(state, claim, `${podName(pod)}: ${reason}`)];
  }
  if (able.length === 0) return undefined;
  const migration = buildMigration(state, claim, able);
  return [
    {
      kind: 'create-migration',
      claim,
      migration,
      reason: 'LiveMigrationCreated',
      message: `Requesting live migration of ${able.length} pods off node ${state.nodes.get(claim)?.metadata.name} (RebalanceMigrationPlan ${migration.metadata.name})`,
    },
  ];
};

/** Withdraws a request, so that no provider acts on pods that are evicted instead. */
const withdrawStep = (migration: RebalanceMigrationPlan, message: string): Step => ({
  kind: 'withdraw-migration',
  name: migration.metadata.name,
  uid: migration.metadata.uid ?? '',
  reason: 'LiveMigrationWithdrawn',
  message,
});

/** Why a requested migration has failed; undefined while it may still succeed. */
const failureOf = (
  state: Pick<ExecutionState, 'migration' | 'now'>,
  migration: RebalanceMigrationPlan | undefined,
  progress: Progress,
  since: number,
): string | undefined => {
  if (!migration || migration.metadata.deletionTimestamp)
    return 'the RebalanceMigrationPlan was deleted before it ended';
  if (progress.open.length === 0 && progress.failed.length > 0)
    return `the provider could not migrate ${joinNames(progress.failed)}`;
  const { answerTimeoutMs, timeoutMs } = state.migration;
  const age = state.now - since;
  if (!progress.answered && age > answerTimeoutMs)
    return `no provider answered within ${seconds(answerTimeoutMs)}`;
  if (age <= timeoutMs) return undefined;
  const what =
    progress.open.length > 0
      ? joinNames(progress.open)
      : 'pods that the provider reports as migrated are still there';
  return `not done within ${seconds(timeoutMs)}: ${what}`;
};

const trackMigration = (
  state: MigrationState & Pick<ExecutionState, 'now'>,
  claim: string,
  events: readonly DeletionEvent[],
): readonly Step[] => {
  const created = events.find((e) => e.status === 'LiveMigrationCreated');
  const name = created?.migrationPlanName ?? migrationPlanName(state.plan.metadata.name, claim);
  const migration = state.migration.plans.get(name);
  const progress = progressOf(migration);
  const node = state.nodes.get(claim)?.metadata.name;
  const failure = failureOf(state, migration, progress, Date.parse(created?.timestamp ?? ''));
  if (failure) {
    const isOpen = migration && !migration.metadata.deletionTimestamp && progress.open.length > 0;
    return [
      recordStep(claim, 'LiveMigrationFailed', name, 'LiveMigrationFailed', failure),
      ...(isOpen ? [withdrawStep(migration, `Withdrawing RebalanceMigrationPlan ${name}: ${failure}`)] : []),
    ];
  }
  const completed = new Set(progress.completed);
  const stays = (state.pods.get(claim) ?? []).some(
    (pod) => completed.has(podName(pod)) && !isTerminating(pod),
  );
  if (progress.open.length === 0 && !stays) {
    const message = `${progress.completed.length} pods were migrated off node ${node}`;
    return [recordStep(claim, 'LiveMigrationSucceeded', name, 'LiveMigrationSucceeded', message)];
  }
  if (!progress.answered || events.some((e) => e.status === 'LiveMigrationInProgress')) return [];
  const message = `Pods of node ${node} are being migrated`;
  return [recordStep(claim, 'LiveMigrationInProgress', name, 'LiveMigrationInProgress', message)];
};

/**
 * Live migration of a cordoned node's pods, before any is evicted: its next steps, empty while the provider works,
 * undefined once the remaining pods may be evicted.
 */
export const liveMigrationSteps = (
  state: MigrationState & Pick<ExecutionState, 'now'>,
  claim: string,
): readonly Step[] | undefined => {
  const events = deletionEventsOf(state.plan, claim);
  const end = events.findLast(
    (e) => e.status === 'LiveMigrationSucceeded' || e.status === 'LiveMigrationFailed',
  );
  if (end?.status === 'LiveMigrationFailed') {
    // Its withdrawal may have failed after the end was recorded: a provider must not move pods that are evicted.
    const withdrawals = withdrawMigrationSteps(state, { claim, why: 'it failed' });
    if (withdrawals.length > 0) return withdrawals;
    if (mandatoryPods(state, claim).length > 0)
      return [failMandatory(state, claim, end.description ?? 'live migration failed')];
  }
  if (end) return undefined;
  return events.some((e) => e.status === 'LiveMigrationCreated')
    ? trackMigration(state, claim, events)
    : requestMigration(state, claim);
};

/** Start of a node's drain timeout in milliseconds: the start of the drain, or the end of its live migration. */
export const drainSince = (events: readonly DeletionEvent[]): number => {
  const end = events.findLast(
    (e) => e.status === 'LiveMigrationSucceeded' || e.status === 'LiveMigrationFailed',
  );
  return Date.parse((end ?? events[0])?.timestamp ?? '');
};

/** Withdraws the plan's requests that have not ended: all of a failed plan, or those for one of its nodes. */
export const withdrawMigrationSteps = (
  state: Pick<ExecutionState, 'plan' | 'migration'>,
  { claim, why }: { readonly claim?: string; readonly why: string },
): readonly Step[] => {
  const own = claim === undefined ? undefined : deletionEventsOf(state.plan, claim);
  return [...state.migration.plans.values()]
    .filter((m) => own === undefined || own.some((e) => e.migrationPlanName === m.metadata.name))
    .filter((m) => !m.metadata.deletionTimestamp && progressOf(m).open.length > 0)
    .map((m) => withdrawStep(m, `Withdrawing RebalanceMigrationPlan ${m.metadata.name}: ${why}`));
};

/** Fails a plan before it orders a machine when a pod may only be migrated live and no provider serves its node. */
export const unmigratableFailure = (state: MigrationState): Step | undefined => {
  if (hasOrdered(state.plan)) return undefined;
  for (const { nodeClaimName } of state.plan.spec.nodeClaimsToDelete ?? []) {
    const node = state.nodes.get(nodeClaimName);
    const [pod] = mandatoryPods(state, nodeClaimName);
    if (!pod || (isServed(state, node) && !hasOptedOut(pod))) continue;
    return {
      kind: 'fail',
      phase: 'Creation',
      failureReason: 'FailureReasonLiveMigrationUnavailable',
      reason: 'FailureReasonLiveMigrationUnavailable',
      message: `Pod ${podName(pod)} must be migrated live, and no provider serves node ${node?.metadata.name}: label the nodes that a provider serves with ${LIVE_MIGRATION}=true, or plan the pod as Optional.`,
    };
  }
  return undefined;
};

/** Names of the RebalanceMigrationPlans that a plan created and whose end it has not recorded. */
export const openMigrations = (plan: RebalancePlan): readonly string[] =>
  Object.values(plan.status?.nodesDeletion ?? {}).flatMap(({ events }) => {
    const isOver = events.some(
      (e) => e.status === 'LiveMigrationSucceeded' || e.status === 'LiveMigrationFailed',
    );
    const created = events.find((e) => e.status === 'LiveMigrationCreated');
    return !isOver && created?.migrationPlanName ? [created.migrationPlanName] : [];
  });
