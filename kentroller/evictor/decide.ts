import type { EvictAs, RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { DRAINING_EVICTOR, EVICTION_IN_PROGRESS, SCOPED_TAINT } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import {
  controllerKey,
  controllerOf,
  isBoundToNode,
  isLive,
  isPodReady,
  isReschedulable,
  podName,
} from '../../api/pods.ts';
import { namespaceOf } from '../../planner/scheduling/interpodaffinity.ts';
import { cooldownOf, hasEvictedTaint } from './moves.ts';
import type { EvictorSettings } from './settings.ts';
import { isNodeKept, treatmentOf } from './treatment.ts';

/** The cluster that a cycle decides from. `now` in milliseconds since 1970. */
export interface EvictorState {
  readonly plans: readonly RebalancePlan[];
  readonly nodes: readonly Node[];
  readonly podsOn: (node: string) => readonly Pod[];
  /** Who wants pods evicted by an EvictionRequest, by the pods' uids. */
  readonly requests?: ReadonlyMap<string, string>;
  readonly now: number;
}

/** The reason why this cycle looks for no node; undefined when it does. */
export const skipReason = (
  { enabled, heldBy }: Pick<EvictorSettings, 'enabled' | 'heldBy'>,
  { plans }: Pick<EvictorState, 'plans'>,
): string | undefined => {
  if (!enabled) return heldBy?.message ?? 'the evictor is not enabled';
  const unfinished = plans.find((plan) => plan.spec.execute && !isFinished(plan));
  return unfinished && `plan ${unfinished.metadata.name} has not finished`;
};

const workloadOf = (pod: Pod): string | undefined => {
  const owner = controllerOf(pod);
  return owner && controllerKey(owner, namespaceOf(pod));
};

/** Ready pods of each workload, as the nodes that they are on, one entry a pod. */
const readyNodes = ({ nodes, podsOn }: EvictorState): ReadonlyMap<string, readonly string[]> => {
  const ready = new Map<string, string[]>();
  for (const { metadata } of nodes) {
    for (const pod of podsOn(metadata.name)) {
      const workload = workloadOf(pod);
      if (workload === undefined || isBoundToNode(pod) || !isLive(pod) || !isPodReady(pod)) continue;
      const known = ready.get(workload);
      if (known) known.push(metadata.name);
      else ready.set(workload, [metadata.name]);
    }
  }
  return ready;
};

/** Reasons that are true. */
const reasonsOf = (...each: readonly (readonly [boolean, string])[]): string[] =>
  each.flatMap(([is, reason]) => (is ? [reason] : []));

export interface Selection {
  readonly candidates: readonly string[];
  readonly skipped: readonly { readonly name: string; readonly reasons: string[] }[];
  /** What pods on candidates may be evicted past, by 'namespace/name'. */
  readonly evictAs: Readonly<Record<string, EvictAs>>;
}

/** Which nodes the evictor's own settings let it drain; the planner's rules come on top of them. */
export const selectNodes = (settings: EvictorSettings, state: EvictorState): Selection => {
  const ready = readyNodes(state);
  const cooldown = cooldownOf(state.plans, settings.cooldownMs);
  const podReasons = (pod: Pod, node: Node): string[] => {
    const name = podName(pod);
    const treatment = treatmentOf(pod, node, settings);
    const others = ready.get(workloadOf(pod) ?? '')?.some((on) => on !== node.metadata.name) ?? false;
    const until = cooldown(pod);
    const mover = pod.metadata.annotations?.[EVICTION_IN_PROGRESS];
    const requester = state.requests?.get(pod.metadata.uid ?? '');
    return reasonsOf(
      [treatment.isKept, `a rule of the evictor keeps pod ${name}`],
      [
        treatment.evictAs === undefined && !others,
        `no other pod of the workload of pod ${name} is ready on another node`,
      ],
      [until > state.now, `pod ${name} was moved, and stays until ${new Date(until).toISOString()}`],
      [mover !== undefined, `pod ${name} is being moved by ${mover}`],
      [requester !== undefined, `${requester} has asked for the eviction of pod ${name}`],
    );
  };
  const candidates: string[] = [];
  const skipped: { name: string; reasons: string[] }[] = [];
  const evictAs: [string, EvictAs][] = [];
  for (const node of state.nodes) {
    const { name } = node.metadata;
    const pods = state.podsOn(name).filter(isReschedulable);
    const isScoped = node.spec?.taints?.some(({ key }) => key === SCOPED_TAINT) ?? false;
    const reasons = [
      ...reasonsOf(
        [settings.scopedMode && !isScoped, `it has no taint ${SCOPED_TAINT}, which scopedMode asks for`],
        [isNodeKept(node, settings), 'a rule of the evictor keeps it'],
        [hasEvictedTaint(node), 'its last drain failed a short time ago'],
      ),
      ...pods.flatMap((pod) => podReasons(pod, node)),
    ];
    if (reasons.length > 0) {
      skipped.push({ name, reasons });
      continue;
    }
    candidates.push(name);
    for (const pod of pods) {
      const as = treatmentOf(pod, node, settings).evictAs;
      if (as) evictAs.push([podName(pod), as]);
    }
  }
  return { candidates, skipped, evictAs: Object.fromEntries(evictAs) };
};

/**
 * Which of the nodes that could go are drained together: no more than the settings allow, and of each workload whose pods
 * need it a ready pod stays on a node that is not drained.
 */
export const nodesToDrain = (
  removable: readonly string[],
  settings: EvictorSettings,
  state: EvictorState,
): readonly string[] => {
  const ready = readyNodes(state);
  const nodeOf = new Map(state.nodes.map((node) => [node.metadata.name, node]));
  const chosen = new Set<string>();
  for (const name of removable) {
    if (chosen.size === settings.maxNodes) break;
    const node = nodeOf.get(name);
    if (!node) continue;
    const staysReady = (pod: Pod): boolean =>
      treatmentOf(pod, node, settings).evictAs !== undefined ||
      (ready.get(workloadOf(pod) ?? '') ?? []).some((on) => on !== name && !chosen.has(on));
    if (state.podsOn(name).filter(isReschedulable).every(staysReady)) chosen.add(name);
  }
  return [...chosen];
};

/** The spec of a plan as the evictor carries it out. */
export const evictorPlan = (
  spec: RebalancePlanSpec,
  settings: EvictorSettings,
  evictAs: Selection['evictAs'],
): RebalancePlanSpec => {
  const as = new Map(Object.entries(evictAs));
  const moves = (spec.podsToMigrate ?? []).map((move) => {
    const own = as.get(`${move.namespace}/${move.name}`);
    return { ...move, ...(own && { evictAs: own }) };
  });
  return {
    ...spec,
    execute: true,
    ...(moves.length > 0 && { podsToMigrate: moves }),
    drainReason: DRAINING_EVICTOR,
    eviction: { onlyReplicated: !settings.aggressiveMode, failureBackOff: settings.failureBackOff },
    aggressiveMode: {
      drainTimeout: settings.drainTimeout,
      ...(settings.ignorePodDisruptionBudgets && { ignoreBlockingPDB: true, aggressiveEviction: true }),
    },
  };
};
