import type { PodToMigrate, RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import * as labels from '../../api/labels.ts';
import type { Node, NodeClaim, Taint as ObjectTaint, Pod } from '../../api/objects.ts';
import type { Intent, NodeIntent } from '../../api/pinning.ts';
import { destinationOf, foreignNodeOf, givesSlotsOn, isUnderWay } from '../../api/plans.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { addedNames, currentClaim } from '../rebalanceplan/state/claimnames.ts';
import { baselineKey, baselineOf, movesOf } from '../rebalanceplan/state/moves.ts';
import { nodeIntentId, pinIntentId } from './intentids.ts';

/** What intents read of a Node: nothing that a heartbeat changes. */
export type NamedNode = Pick<Node, 'metadata'>;

/** The objects that a plan's intents are derived from. */
export interface IntentSources {
  readonly claim: (name: string) => NodeClaim | undefined;
  /** Read for its name alone, as `nodeNamed` is for being there and `pod` for its uid. */
  readonly node: (claim: NodeClaim) => NamedNode | undefined;
  readonly nodeNamed: (name: string) => NamedNode | undefined;
  readonly pod: (namespace: string, name: string) => Pick<Pod, 'metadata'> | undefined;
  /** Name that the machine's Node will have; undefined until the cloud has answered. */
  readonly nodeName: (providerID: string) => string | undefined;
  readonly joinDeadlineMs: number;
}

/** Labels that Karpenter will put on the Node: those of the claim, and requirements with exactly one value. */
export const labelsOf = (claim: NodeClaim, nodeName: string): Readonly<Record<string, string>> => {
  const single = claim.spec.requirements.flatMap((r): [string, string][] => {
    const value = r.operator === 'In' && r.values?.length === 1 ? r.values[0] : undefined;
    return value === undefined ? [] : [[r.key, value]];
  });
  const own = claim.metadata.labels ?? {};
  const zone = own[labels.ZONE] ?? Object.fromEntries(single)[labels.ZONE];
  const region = zone === undefined ? undefined : /^(.+-\d+)[a-z]$/.exec(zone)?.[1];
  return {
    [labels.OS]: 'linux',
    ...(region !== undefined && { [labels.REGION]: region }),
    ...Object.fromEntries(single),
    ...own,
    [labels.HOSTNAME]: nodeName,
  };
};

/** The placeholder for a claim's machine. */
export const nodeIntent = (claim: NodeClaim, nodeName: string, joinDeadlineMs: number): NodeIntent => {
  const taintOf = (startup: boolean) => (t: ObjectTaint) => ({
    key: t.key,
    value: t.value ?? '',
    effect: t.effect,
    startup,
  });
  return {
    providerId: claim.status?.providerID ?? '',
    labels: labelsOf(claim, nodeName),
    // Karpenter copies the claim's annotations when it registers the Node; sent here, they would come back after the
    // plan has removed them.
    annotations: {},
    taints: [
      ...(claim.spec.taints ?? []).map(taintOf(false)),
      ...(claim.spec.startupTaints ?? []).map(taintOf(true)),
    ],
    capacity: claim.status?.capacity ?? {},
    allocatable: claim.status?.allocatable ?? {},
    joinDeadlineMs: Date.parse(claim.metadata.creationTimestamp ?? '') + joinDeadlineMs,
    nodeClaimUid: claim.metadata.uid ?? '',
  };
};

/** What intents name of a destination; no NodeClaim for a node that Karpenter does not own. */
interface Target {
  readonly nodeClaim: string;
  readonly nodeName: string;
}

interface Machine {
  readonly claim: NodeClaim;
  readonly nodeName: string;
}

/** The current attempt's NodeClaim for a planned claim, and its node's name, '' until that is known. */
const machineOf = (s: IntentSources, plan: RebalancePlan, name: string): Machine | undefined => {
  const claim = s.claim(currentClaim(plan, name));
  if (!claim || claim.metadata.deletionTimestamp) return undefined;
  const id = claim.status?.providerID;
  const known = s.node(claim)?.metadata.name ?? claim.status?.nodeName;
  return { claim, nodeName: known || (id ? s.nodeName(id) : undefined) || '' };
};

const readTarget = (s: IntentSources, plan: RebalancePlan, destination: string): Target | undefined => {
  const nodeName = foreignNodeOf(destination);
  if (nodeName !== undefined) return s.nodeNamed(nodeName) && { nodeClaim: '', nodeName };
  const machine = machineOf(s, plan, destination);
  return machine && { nodeClaim: machine.claim.metadata.name, nodeName: machine.nodeName };
};

type TargetOf = (destination: string) => Target | undefined;

/** The plan's destinations, each looked up once: hundreds of moves share them. */
const targetsOf = (s: IntentSources, plan: RebalancePlan): TargetOf => {
  const known = new Map<string, Target | undefined>();
  return (destination) => {
    if (!known.has(destination)) known.set(destination, readTarget(s, plan, destination));
    return known.get(destination);
  };
};

const nodeIntents = (s: IntentSources, plan: RebalancePlan): Intent[] =>
  [...addedNames(plan)].flatMap((name): Intent[] => {
    const target = machineOf(s, plan, name);
    if (!target || target.nodeName === '' || !target.claim.status?.providerID) return [];
    const nodeClaim = target.claim.metadata.name;
    const node = nodeIntent(target.claim, target.nodeName, s.joinDeadlineMs);
    return [
      {
        id: nodeIntentId(plan.metadata.name, nodeClaim),
        plan: plan.metadata.name,
        nodeClaim,
        nodeName: target.nodeName,
        node,
      },
    ];
  });

const isPending = (pod: PodToMigrate): boolean => !pod.srcNode;

/** Pods that running plans buy machines for, as 'namespace/name'. */
export const waitingPodsOf = (plans: readonly RebalancePlan[]): ReadonlySet<string> =>
  new Set(
    plans
      .filter(isUnderWay)
      .flatMap(({ spec }) => (spec.podsToMigrate ?? []).filter(isPending))
      .map(({ namespace, name }) => `${namespace}/${name}`),
  );

const podIntents = (s: IntentSources, plan: RebalancePlan, targetOf: TargetOf): Intent[] =>
  (plan.spec.podsToMigrate ?? []).filter(isPending).flatMap((entry): Intent[] => {
    const uid = s.pod(entry.namespace, entry.name)?.metadata.uid;
    const destination = destinationOf(entry);
    const target = targetOf(destination);
    if (!uid || !target) return [];
    return [
      {
        id: pinIntentId(plan.metadata.name, destination, entry.namespace, uid),
        plan: plan.metadata.name,
        ...target,
        pin: { namespace: entry.namespace, pod: { name: entry.name, uid } },
      },
    ];
  });

/** True for a StatefulSet: a replacement pod gets the name of the one it replaces. */
const keepsNames = (kind: string): boolean => kind === 'StatefulSet';

const ownerIntents = (plan: RebalancePlan, targetOf: TargetOf): Intent[] => {
  const baseline = baselineOf(plan);
  return movesOf(plan.spec.podsToMigrate ?? [], false).flatMap((move): Intent[] => {
    const { owner, destination, namespace } = move;
    if (!givesSlotsOn(plan, destination)) return [];
    const target = owner ? targetOf(destination) : undefined;
    if (!owner || !target) return [];
    const count = (valueAt(baseline, baselineKey(owner.uid, destination)) ?? 0) + move.names.length;
    return [
      {
        id: pinIntentId(plan.metadata.name, destination, namespace, owner.uid),
        plan: plan.metadata.name,
        ...target,
        pin: {
          namespace,
          owner: {
            ...owner,
            count,
            ...(keepsNames(owner.kind) && { names: [...move.names].sort() }),
            replaces: [...move.names].sort(),
          },
        },
      },
    ];
  });
};

/** What a plan asks of the pinners. */
export interface PlanIntents {
  readonly pins: readonly Intent[];
  readonly nodes: readonly Intent[];
}

/**
 * The intents of a running plan: machines and pods that wait for them at once, slots from the pin step on or once their
 * added node is ready.
 */
export const intentsOf = (s: IntentSources, plan: RebalancePlan): PlanIntents => {
  if (!isUnderWay(plan) || plan.metadata.deletionTimestamp) return { pins: [], nodes: [] };
  const targetOf = targetsOf(s, plan);
  return {
    pins: [...ownerIntents(plan, targetOf), ...podIntents(s, plan, targetOf)],
    nodes: nodeIntents(s, plan),
  };
};

/** Pins come before nodes, over all plans, so that a client that knows a node knows its pins. */
export const inOrder = (all: readonly PlanIntents[]): readonly Intent[] => [
  ...all.flatMap(({ pins }) => pins),
  ...all.flatMap(({ nodes }) => nodes),
];
