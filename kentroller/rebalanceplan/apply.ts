import type { RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import {
  DRAINING,
  KARPENTER_DO_NOT_DISRUPT,
  PLAN,
  POD_TEMPLATE_HASH,
  PREPARING_TAINT,
  REBALANCING_STATUS,
  SURGED,
} from '../../api/labels.ts';
import { NODE_CLAIMS, NODES, PODS, REBALANCE_MIGRATION_PLANS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isAlreadyExists, isConflict, isNotFound, isRetryable } from '../../kube/errors.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import type { SavingsStore } from '../savings/savingsstore.ts';
import { noteUnavailable, unavailableName } from './create/unavailable.ts';
import { mustHoldEvictions } from './finish/decide.ts';
import {
  CORDONED_BY,
  DRAIN_FAILED,
  DRAINING_REBALANCING,
  LOCK_KEEPS,
  LOCKED_BY,
  PIN_BASELINE,
  PLAN_FINALIZER,
} from './state/labels.ts';
import type { PinsView, World } from './state/state.ts';
import * as status from './state/status.ts';
import type { Step } from './state/step.ts';

export interface Writer {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'unavailable'>;
  /** Counts what a plan that is done has saved, before it is let go. */
  readonly account: SavingsStore;
  /** Told when a budget holds a pod back, with how long the server asks to wait. */
  readonly held: (podUid: string, retryAfterMs: number | undefined) => void;
  /** What the pinner has at this moment, which may be another than when the steps were decided. */
  readonly pins: () => PinsView;
  readonly signal: AbortSignal;
}

/** A step that was left for the next pass: nothing was written, and nothing is told. */
export const LEFT = Symbol('left');

type Change = status.StatusChange | undefined;

const gone = async (work: Promise<unknown>): Promise<void> => {
  await work.catch(ignoreNotFound);
};

/** A delete whose uid no longer fits has done its work: the object is another one. */
const deleted = async (work: Promise<unknown>): Promise<void> => {
  try {
    await gone(work);
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
};

const patchNode = (w: Writer, node: string, body: object): Promise<void> =>
  gone(w.client.patch(NODES, { name: node }, body, { signal: w.signal }));

const prepare = async (
  w: Writer,
  world: World,
  baseline: Readonly<Record<string, number>>,
): Promise<void> => {
  const { metadata } = world.plan;
  await w.client.patch(
    REBALANCE_PLANS,
    { name: metadata.name },
    {
      metadata: {
        resourceVersion: metadata.resourceVersion,
        finalizers: [...(metadata.finalizers ?? []), PLAN_FINALIZER],
        annotations: { [PIN_BASELINE]: JSON.stringify(baseline) },
      },
    },
    { signal: w.signal },
  );
};

const letGo = async (w: Writer, world: World): Promise<void> => {
  const { metadata } = world.plan;
  await w.account.add(world.plan, w.signal);
  const finalizers = (metadata.finalizers ?? []).filter((f) => f !== PLAN_FINALIZER);
  const body = { metadata: { resourceVersion: metadata.resourceVersion, finalizers } };
  await gone(w.client.patch(REBALANCE_PLANS, { name: metadata.name }, body, { signal: w.signal }));
};

const createClaim = async (
  w: Writer,
  world: World,
  step: Step & { kind: 'create-claim' },
): Promise<Change> => {
  try {
    await w.client.create(NODE_CLAIMS, step.claim, { signal: w.signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const found = await w.client.get(NODE_CLAIMS, { name: step.claim.metadata.name }, { signal: w.signal });
    if (found.metadata.labels?.[PLAN] !== world.plan.metadata.name) throw error;
  }
  return status.recordAttempt(step.attempt, 'InProgress', '', world.now);
};

const noteLoss = async (
  w: Writer,
  world: World,
  step: Step & { kind: 'attempt-failed' },
): Promise<Change> => {
  for (const offering of step.offerings) {
    const known = w.caches.unavailable.get(unavailableName(offering));
    await noteUnavailable(w.client, offering, known, world.now, w.signal);
  }
  return status.recordAttempt(step.attempt, 'Failed', step.description, world.now);
};

const createMigration = async (
  w: Writer,
  world: World,
  step: Step & { kind: 'create-migration' },
): Promise<Change> => {
  const { claim, migration, message } = step;
  try {
    await w.client.create(REBALANCE_MIGRATION_PLANS, migration, { signal: w.signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const ref = { name: migration.metadata.name };
    const found = await w.client.get(REBALANCE_MIGRATION_PLANS, ref, { signal: w.signal });
    // One of an earlier plan of the same name: the garbage collector takes it away.
    if (!found.metadata.ownerReferences?.some((o) => o.uid === world.plan.metadata.uid)) throw error;
  }
  return status.recordDeletion(claim, 'LiveMigrationCreated', message, world.now, migration.metadata.name);
};

/** A wave of evictions takes its time, and the pinner may die meanwhile: each asks once more whether it is there. */
const evict = async (
  w: Writer,
  world: World,
  step: Step & { kind: 'evict' },
): Promise<typeof LEFT | undefined> => {
  if (mustHoldEvictions({ ...world, pins: w.pins() })) return LEFT;
  try {
    await deleted(w.client.evict(step, { signal: w.signal }));
  } catch (error) {
    if (!isRetryable(error)) throw error;
    w.held(step.uid, error.retryAfterMs);
  }
  return undefined;
};

/** Takes the pod from its ReplicaSet: without the label it is not counted, with no controller nobody deletes it. */
const surgePatch = (step: Step & { kind: 'surge' }): object => ({
  metadata: {
    uid: step.uid,
    resourceVersion: step.resourceVersion,
    labels: { [POD_TEMPLATE_HASH]: null },
    annotations: { [SURGED]: JSON.stringify(step.record) },
    ownerReferences: [step.owner],
  },
});

/** With its label again, and an owner no more, the pod is an orphan that its ReplicaSet adopts. */
const unsurgePatch = (step: Step & { kind: 'unsurge' }): object => ({
  metadata: {
    uid: step.uid,
    resourceVersion: step.resourceVersion,
    labels: { [POD_TEMPLATE_HASH]: step.hash },
    annotations: { [SURGED]: null },
    ownerReferences: null,
  },
});

const patchPod = (w: Writer, step: Step & { kind: 'surge' | 'unsurge' }, body: object): Promise<void> =>
  gone(w.client.patch(PODS, { name: step.name, namespace: step.namespace }, body, { signal: w.signal }));

const release = async (w: Writer, step: Step & { kind: 'release' }): Promise<void> => {
  const annotations = step.keeps ? {} : { [KARPENTER_DO_NOT_DISRUPT]: null };
  const claim = { name: step.claim };
  await gone(w.client.patch(NODE_CLAIMS, claim, { metadata: { annotations } }, { signal: w.signal }));
  try {
    const node = await w.client.get(NODES, { name: step.node }, { signal: w.signal });
    const taints = (node.spec?.taints ?? []).filter((t) => t.key !== PREPARING_TAINT);
    const { resourceVersion } = node.metadata;
    const metadata = { annotations, resourceVersion };
    await patchNode(w, step.node, { metadata, spec: { taints: taints.length > 0 ? taints : null } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
};

const lockPatch = (plan: string, keeps: boolean): object => ({
  metadata: {
    annotations: {
      [KARPENTER_DO_NOT_DISRUPT]: 'true',
      [LOCKED_BY]: plan,
      ...(keeps ? { [LOCK_KEEPS]: 'true' } : {}),
    },
  },
});

const unlockPatch = (keeps: boolean): object => ({
  metadata: {
    annotations: {
      ...(keeps ? {} : { [KARPENTER_DO_NOT_DISRUPT]: null }),
      [LOCKED_BY]: null,
      [LOCK_KEEPS]: null,
    },
  },
});

const cordonPatch = (plan: string): object => ({
  metadata: { labels: { [DRAINING]: DRAINING_REBALANCING }, annotations: { [CORDONED_BY]: plan } },
  spec: { unschedulable: true },
});

const uncordonPatch = (drainFailed: boolean): object => ({
  metadata: {
    labels: { [DRAINING]: null, ...(drainFailed ? { [REBALANCING_STATUS]: DRAIN_FAILED } : {}) },
    annotations: { [CORDONED_BY]: null },
  },
  spec: { unschedulable: null },
});

const both =
  (...changes: readonly status.StatusChange[]): status.StatusChange =>
  (s) =>
    changes.reduce((so, change) => change(so), s);

const merge =
  (part: Partial<RebalancePlanStatus>): status.StatusChange =>
  (s) => ({ ...s, ...part });

/** Does one step and answers with what it changes in the plan's status. */
export const apply = async (w: Writer, world: World, step: Step): Promise<Change | typeof LEFT> => {
  const { now } = world;
  const plan = world.plan.metadata.name;
  const at = new Date(now).toISOString();
  const options = { signal: w.signal };
  switch (step.kind) {
    case 'prepare':
      return void (await prepare(w, world, step.baseline));
    case 'let-go':
      return void (await letGo(w, world));
    case 'wait-to-start':
      return both(
        merge({ state: world.plan.status?.state ?? 'Pending' }),
        status.setCondition('Started', 'False', step.reason, step.message, now),
      );
    case 'start':
      return both(
        merge({
          state: 'Running',
          startTime: world.plan.status?.startTime ?? at,
          nodePoolBudgets: step.budgets,
        }),
        status.setCondition('Started', 'True', step.reason, step.message, now),
      );
    case 'lock':
      return void (await patchNode(w, step.node, lockPatch(plan, step.keeps)));
    case 'unlock':
      return void (await patchNode(w, step.node, unlockPatch(step.keeps)));
    case 'create-claim':
      return createClaim(w, world, step);
    case 'attempt-succeeded':
      return status.recordAttempt(step.attempt, 'Success', '', now);
    case 'attempt-failed':
      return noteLoss(w, world, step);
    case 'delete-claim':
      return void (await deleted(
        w.client.delete(NODE_CLAIMS, { name: step.claim }, { ...options, uid: step.uid }),
      ));
    case 'remove-pod': {
      const ref = { name: step.name, namespace: step.namespace };
      return void (await deleted(
        w.client.delete(PODS, ref, { ...options, uid: step.uid, gracePeriodSeconds: 0 }),
      ));
    }
    case 'delete-pod': {
      const ref = { name: step.name, namespace: step.namespace };
      return void (await deleted(w.client.delete(PODS, ref, { ...options, uid: step.uid })));
    }
    case 'surge':
      return void (await patchPod(w, step, surgePatch(step)));
    case 'unsurge':
      return void (await patchPod(w, step, unsurgePatch(step)));
    case 'cordon':
      return void (await patchNode(w, step.node, cordonPatch(plan)));
    case 'uncordon':
      return void (await patchNode(w, step.node, uncordonPatch(step.drainFailed)));
    case 'evict':
      return await evict(w, world, step);
    case 'record-deletion':
      return status.recordDeletion(step.claim, step.status, step.description, now, step.migrationPlan);
    case 'create-migration':
      return createMigration(w, world, step);
    case 'withdraw-migration':
      return void (await deleted(
        w.client.delete(REBALANCE_MIGRATION_PLANS, { name: step.name }, { ...options, uid: step.uid }),
      ));
    case 'advance':
      return both(
        ...(step.validated ? [merge({ validatedSavings: step.validated })] : []),
        status.setCondition(step.phase, 'True', step.reason, step.message, now),
      );
    case 'warn':
      return status.addWarning(step.message);
    case 'release':
      return void (await release(w, step));
    case 'fail':
      return both(
        merge({ failurePhase: step.phase, failureReason: step.failureReason, failureMessage: step.message }),
        status.setCondition('Failed', 'True', step.reason, step.message, now),
      );
    case 'finish':
      return both(
        merge({
          state: step.state,
          completionTime: at,
          ...(step.outcome ? { achievedOutcome: step.outcome } : {}),
        }),
        status.setCondition('Finished', 'True', step.reason, step.message, now),
      );
    default:
      return assertNever(step);
  }
};

const assertNever = (step: never): never => {
  throw new Error(`unknown step ${JSON.stringify(step)}`);
};
