import { createHash } from 'node:crypto';
import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import type { DeletionEvent, PodToMigrate, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { GROUP_VERSION, LIVE_MIGRATION, PLAN } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { isTerminating, podName } from '../../../api/pods.ts';
import { claimInForce } from '../finish/decide.ts';
import type { World } from '../state/state.ts';
import { deletionEventsOf } from '../state/status.ts';
import type { Step } from '../state/step.ts';
import { entriesOf, isCapable, isRefused, mandatoryPods, whyNotMigrated } from './livemigrationpods.ts';
import { type Progress, progressOf } from './livemigrationprogress.ts';

const LONGEST_NAME = 253;

const list = (names: readonly string[]): string =>
  `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** Name of the RebalanceMigrationPlan for one node of a plan: always the same, so that a second one is never made. */
export const migrationPlanName = (plan: string, claim: string): string => {
  const name = `${plan}-${claim}`;
  if (name.length <= LONGEST_NAME) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 10);
  return `${name.slice(0, LONGEST_NAME - 11).replace(/[-.]+$/, '')}-${digest}`;
};

const build = (
  world: World,
  claim: string,
  pods: readonly (readonly [Pod, PodToMigrate])[],
): RebalanceMigrationPlan => {
  const { name, uid } = world.plan.metadata;
  return {
    apiVersion: GROUP_VERSION,
    kind: 'RebalanceMigrationPlan',
    metadata: {
      name: migrationPlanName(name, claim),
      labels: { [PLAN]: name },
      ownerReferences: [
        { apiVersion: GROUP_VERSION, kind: 'RebalancePlan', name, uid: uid ?? '', controller: true },
      ],
    },
    spec: {
      migrations: pods.map(([pod, entry]) => {
        const destination = claimInForce(world.plan, entry.dstNodeClaimName);
        const node = world.nodes.get(destination)?.metadata.name;
        return {
          podName: pod.metadata.name,
          podNamespace: pod.metadata.namespace ?? '',
          ...(node ? { destinationNode: node } : {}),
          destinationNodeClaim: destination,
          policy: entry.policy ?? 'Optional',
          options: { podUID: pod.metadata.uid ?? '' },
        };
      }),
    },
  };
};

const record = (
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

/** A step that ends the drain of a node: what must be migrated is still there. */
const mustStay = (world: World, claim: string, why: string): Step => ({
  kind: 'fail',
  phase: 'Deletion',
  failureReason: 'FailureReasonLiveMigrationFailed',
  reason: 'FailureReasonLiveMigrationFailed',
  message: `Pods of node ${world.nodes.get(claim)?.metadata.name} that must be migrated were not: ${why}. Look at the live migration provider, or let the plan evict them (policy Optional).`,
});

const begin = (world: World, claim: string): readonly Step[] | undefined => {
  const entries = [...entriesOf(world, claim)].filter(([pod]) => !isTerminating(pod));
  const able: (readonly [Pod, PodToMigrate])[] = [];
  for (const [pod, entry] of entries) {
    const why = whyNotMigrated(world, claim, pod, entry);
    if (why === undefined) able.push([pod, entry]);
    else if (entry.policy === 'Mandatory') return [mustStay(world, claim, `${podName(pod)}: ${why}`)];
  }
  if (able.length === 0) return undefined;
  const migration = build(world, claim, able);
  return [
    {
      kind: 'create-migration',
      claim,
      migration,
      reason: 'LiveMigrationCreated',
      message: `Asking for live migration of ${able.length} pods off node ${world.nodes.get(claim)?.metadata.name} (RebalanceMigrationPlan ${migration.metadata.name})`,
    },
  ];
};

/** Takes the request back: whoever acts on it later must not touch pods that were evicted meanwhile. */
const withdraw = (migration: RebalanceMigrationPlan, message: string): Step => ({
  kind: 'withdraw-migration',
  name: migration.metadata.name,
  uid: migration.metadata.uid ?? '',
  reason: 'LiveMigrationWithdrawn',
  message,
});

/** What is wrong with a migration that has begun; undefined while it may still succeed. */
const troubleOf = (
  world: World,
  migration: RebalanceMigrationPlan | undefined,
  progress: Progress,
  since: number,
): string | undefined => {
  if (!migration || migration.metadata.deletionTimestamp)
    return 'the RebalanceMigrationPlan was deleted before it ended';
  if (progress.open.length === 0 && progress.failed.length > 0)
    return `the provider could not migrate ${list(progress.failed)}`;
  const { answerTimeoutMs, timeoutMs } = world.migration;
  const age = world.now - since;
  if (!progress.answered && age > answerTimeoutMs)
    return `no provider answered within ${seconds(answerTimeoutMs)}`;
  if (age <= timeoutMs) return undefined;
  const what = progress.open.length > 0 ? list(progress.open) : 'pods that the provider calls migrated';
  return `not done within ${seconds(timeoutMs)}: ${what}`;
};

const follow = (world: World, claim: string, events: readonly DeletionEvent[]): readonly Step[] => {
  const created = events.find((e) => e.status === 'LiveMigrationCreated');
  const name = created?.migrationPlanName ?? migrationPlanName(world.plan.metadata.name, claim);
  const migration = world.migration.plans.get(name);
  const progress = progressOf(migration);
  const node = world.nodes.get(claim)?.metadata.name;
  const trouble = troubleOf(world, migration, progress, Date.parse(created?.timestamp ?? ''));
  if (trouble) {
    const isOpen = migration && !migration.metadata.deletionTimestamp && progress.open.length > 0;
    return [
      record(claim, 'LiveMigrationFailed', name, 'LiveMigrationFailed', trouble),
      ...(isOpen ? [withdraw(migration, `Taking RebalanceMigrationPlan ${name} back: ${trouble}`)] : []),
    ];
  }
  const asked = new Set(progress.completed);
  const stays = (world.pods.get(claim) ?? []).some((pod) => asked.has(podName(pod)) && !isTerminating(pod));
  if (progress.open.length === 0 && !stays) {
    const message = `${progress.completed.length} pods were migrated off node ${node}`;
    return [record(claim, 'LiveMigrationSucceeded', name, 'LiveMigrationSucceeded', message)];
  }
  if (!progress.answered || events.some((e) => e.status === 'LiveMigrationInProgress')) return [];
  const message = `Pods of node ${node} are being migrated`;
  return [record(claim, 'LiveMigrationInProgress', name, 'LiveMigrationInProgress', message)];
};

/**
 * Live migration of a cordoned node's pods, before any of them is evicted: the steps to take, none while it is under
 * way, undefined when it is over or not to be had and what is left may be evicted.
 */
export const migrate = (world: World, claim: string): readonly Step[] | undefined => {
  const events = deletionEventsOf(world.plan, claim);
  const end = events.findLast(
    (e) => e.status === 'LiveMigrationSucceeded' || e.status === 'LiveMigrationFailed',
  );
  if (end?.status === 'LiveMigrationFailed' && mandatoryPods(world, claim).length > 0)
    return [mustStay(world, claim, end.description ?? 'live migration failed')];
  if (end) return undefined;
  return events.some((e) => e.status === 'LiveMigrationCreated')
    ? follow(world, claim, events)
    : begin(world, claim);
};

/** From when the time to empty a node counts: its beginning, or the end of its live migration. */
export const drainSince = (events: readonly DeletionEvent[]): number => {
  const end = events.findLast(
    (e) => e.status === 'LiveMigrationSucceeded' || e.status === 'LiveMigrationFailed',
  );
  return Date.parse((end ?? events[0])?.timestamp ?? '');
};

/** Requests of a plan that failed and that nobody has finished. */
export const withdrawals = (world: World): readonly Step[] =>
  [...world.migration.plans.values()]
    .filter((m) => !m.metadata.deletionTimestamp && progressOf(m).open.length > 0)
    .map((m) => withdraw(m, `Taking RebalanceMigrationPlan ${m.metadata.name} back: its plan failed`));

/** Before the first machine is ordered: pods that must be migrated where nobody can. */
export const unmigratable = (world: World): Step | undefined => {
  if (Object.keys(world.plan.status?.nodesCreation ?? {}).length > 0) return undefined;
  for (const { nodeClaimName } of world.plan.spec.nodeClaimsToDelete ?? []) {
    const node = world.nodes.get(nodeClaimName);
    const [pod] = mandatoryPods(world, nodeClaimName);
    if (!pod || (isCapable(world, node) && !isRefused(pod))) continue;
    return {
      kind: 'fail',
      phase: 'Creation',
      failureReason: 'FailureReasonLiveMigrationUnavailable',
      reason: 'FailureReasonLiveMigrationUnavailable',
      message: `Pod ${podName(pod)} must be migrated live, and no provider does that on node ${node?.metadata.name}: label the nodes that one serves with ${LIVE_MIGRATION}=true, or plan the pod as Optional.`,
    };
  }
  return undefined;
};

/** Names of the RebalanceMigrationPlans that a plan has asked for and whose end it has not recorded. */
export const openMigrations = (plan: RebalancePlan): readonly string[] =>
  Object.values(plan.status?.nodesDeletion ?? {}).flatMap(({ events }) => {
    const isOver = events.some(
      (e) => e.status === 'LiveMigrationSucceeded' || e.status === 'LiveMigrationFailed',
    );
    const created = events.find((e) => e.status === 'LiveMigrationCreated');
    return !isOver && created?.migrationPlanName ? [created.migrationPlanName] : [];
  });
