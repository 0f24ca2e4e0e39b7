import { isMarked } from '../../api/identity/marks.ts';
import type { EvictAs } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { KARPENTER_DISRUPTED_TAINT, MIRROR_POD, REMOVAL_DISABLED, SAFE_TO_EVICT } from '../../api/labels.ts';
import type { Pod, PodDisruptionBudget, ReplicaSet, Taint } from '../../api/objects.ts';
import { controllerOf, foreignSchedulerOf, isSurgeWanted, podName } from '../../api/pods.ts';
import { claimBlocker, claimedDevices } from '../scheduling/resourceclaims.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import type { Blocker, BlockerKind } from './blocker.ts';
import { isProtected } from './donotdisrupt.ts';
import { budgetBlocker } from './evictionapi.ts';

/** The blockers that a plan is asked to ignore. */
export type AggressiveMode = NonNullable<RebalancePlanClaimSpec['aggressiveModeConfig']>;

/**
 * Tells which pods surge: a Deployment's only pod stays until its successor is ready. With two pods its disruption
 * budget allows one eviction.
 */
export const createSurgeCheck = (
  replicaSets: readonly ReplicaSet[],
  byDefault: boolean,
): ((pod: Pod) => boolean) => {
  const byUid = new Map(replicaSets.map((replicaSet) => [replicaSet.metadata.uid, replicaSet]));
  return (pod) => {
    const replicaSet = byUid.get(controllerOf(pod)?.uid);
    if (replicaSet?.spec?.replicas !== 1) return false;
    const { ownerReferences = [] } = replicaSet.metadata;
    return (
      isSurgeWanted(pod, replicaSet, byDefault) &&
      ownerReferences.some((owner) => owner.kind === 'Deployment')
    );
  };
};

/** The facts that decide whether pods may be evicted. */
export interface EvictionRules {
  readonly budgets: readonly PodDisruptionBudget[];
  readonly mode: AggressiveMode;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly hasLocalVolume: (pod: Pod) => boolean;
  readonly willSurge: (pod: Pod) => boolean;
  /** The pod on another node that waits for a volume which this one runs with, and would get it were it moved. */
  readonly waitsForVolumeOf?: (pod: Pod) => Pod | undefined;
  /** Why the Eviction API will refuse a pod for good, where what budgets allow is left to it. */
  readonly neverEvicted?: (pod: Pod) => Blocker | undefined;
  /** What a single pod may be evicted past, beyond the mode. */
  readonly evictAs?: (pod: Pod) => EvictAs | undefined;
  /** Whether no other pod of a pod's workload is ready on another node, where such pods have to stay. */
  readonly isAlone?: (pod: Pod) => boolean;
  /** Names of the schedulers whose rules are known; our own when left out. */
  readonly schedulers?: readonly string[];
}

/** A blocker of a pod: 'has no controller' of one, 'have no controller' of several. */
const podBlocks = (kind: BlockerKind, pod: Pod, verb: 'is' | 'has' | 'belongs', rest: string): Blocker => {
  const plural = { is: 'are', has: 'have', belongs: 'belong' }[verb];
  return {
    kind,
    cause: `pods ${plural} ${rest}`,
    message: `pod ${podName(pod)} ${verb} ${rest}`,
    pod: podName(pod),
  };
};

const removalBlocker = (
  pod: Pod,
  { mode, now }: Pick<EvictionRules, 'mode' | 'now'>,
): Blocker | undefined => {
  if (mode.ignoreProblemRemovalDisabledPods) return undefined;
  if (isMarked(pod, REMOVAL_DISABLED)) return podBlocks('marked-pod', pod, 'is', 'marked removal-disabled');
  if (isProtected(pod, now)) return podBlocks('marked-pod', pod, 'is', 'marked do-not-disrupt');
  return pod.metadata.annotations?.[SAFE_TO_EVICT] === 'false'
    ? podBlocks('marked-pod', pod, 'is', 'marked safe-to-evict=false')
    : undefined;
};

/** Why a pod with claimed devices keeps its node. */
export const deviceBlocker = (pod: Pod, devices: string | undefined): Blocker | undefined => {
  const message = claimBlocker(pod, devices);
  if (message === undefined) return undefined;
  const cause =
    'pods have devices from resource claims, and no other node is known to have such devices free';
  return { kind: 'devices', cause, message, pod: podName(pod) };
};

/** Why a pod that needs another place may not be evicted, so that its node can't be drained. */
export const evictionBlocker = (pod: Pod, rules: EvictionRules): Blocker | undefined => {
  const { mode } = rules;
  const scheduler = foreignSchedulerOf(pod, rules.schedulers);
  if (scheduler)
    return podBlocks('scheduler', pod, 'is', `placed by scheduler ${scheduler}, whose rules are not known`);
  const owner = controllerOf(pod);
  const as = rules.evictAs?.(pod);
  if (!owner && !mode.ignoreProblemPodsWithoutController && as !== 'Disposable')
    return podBlocks('no-controller', pod, 'has', 'no controller');
  if (owner?.kind === 'Job' && !mode.ignoreProblemJobPods && as === undefined)
    return podBlocks('job', pod, 'belongs', 'to a Job');
  if (as === undefined && rules.isAlone?.(pod))
    return podBlocks('alone', pod, 'is', 'the only one of its workload that is ready');
  const blocker = removalBlocker(pod, rules) ?? deviceBlocker(pod, claimedDevices(pod));
  if (blocker) return blocker;
  if (!mode.ignoreLocalPersistentVolumes && rules.hasLocalVolume(pod)) {
    return podBlocks('local-volume', pod, 'has', 'a volume that is local to the node');
  }
  const waits = rules.waitsForVolumeOf?.(pod);
  if (waits) {
    return {
      kind: 'shared-volume',
      cause: 'pods run with a volume that one node at a time attaches, and pods on other nodes wait for it',
      message: `pod ${podName(pod)} runs with a volume that one node at a time attaches, and pod ${podName(waits)} on ${waits.spec.nodeName} waits for it`,
      pod: podName(pod),
    };
  }
  const never = rules.neverEvicted?.(pod);
  if (never) return never;
  return mode.ignoreBlockingPDB ? undefined : budgetBlocker(pod, rules.budgets, rules.willSurge(pod));
};

const DISRUPTED: Taint = { key: KARPENTER_DISRUPTED_TAINT, effect: 'NoSchedule' };

/**
 * Why a pod that goes with its node keeps the node from being drained: Karpenter's drain evicts pods of DaemonSets too,
 * but for those that tolerate its disruption taint, and leaves static pods alone.
 */
export const nodePodBlocker = (
  pod: Pod,
  rules: Pick<EvictionRules, 'budgets' | 'mode' | 'now' | 'neverEvicted'>,
): Blocker | undefined => {
  if (!untoleratedTaint([DISRUPTED], pod.spec.tolerations)) return undefined;
  if (!rules.mode.ignoreProblemRemovalDisabledPods && isProtected(pod, rules.now)) {
    return podBlocks('marked-pod', pod, 'is', 'marked do-not-disrupt');
  }
  const isStatic = pod.metadata.annotations?.[MIRROR_POD] !== undefined;
  if (isStatic) return undefined;
  const never = rules.neverEvicted?.(pod);
  if (never) return never;
  return rules.mode.ignoreBlockingPDB ? undefined : budgetBlocker(pod, rules.budgets, false);
};
