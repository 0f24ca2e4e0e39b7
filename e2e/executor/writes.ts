import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_DO_NOT_DISRUPT, LOCKED_BY, PREPARING_TAINT } from '../../api/labels.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { controllerOf, podName } from '../../api/pods.ts';
import { NODE_CLAIMS, NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { currentClaim } from '../../kentroller/rebalanceplan/state/claimnames.ts';
import { hasReached } from '../../kentroller/rebalanceplan/state/status.ts';
import { isAlreadyExists } from '../../kube/errors.ts';
import { type MachineType, machineOf } from './cluster/catalogue.ts';
import type { Cluster } from './cluster/cluster.ts';
import { type Model, type PlanModel, Violation } from './model.ts';
import type { Write } from './ours/process.ts';

/** Which writes of kentroller are lawful, and what each changes in the model. */

interface Context {
  readonly model: Model;
  readonly cluster: Cluster;
}

const annotation = (node: Node | undefined, key: string): string | undefined =>
  node?.metadata.annotations?.[key];

/** An act that only the holder of all nodes may do. */
const mustHoldNodes = ({ model, cluster }: Context, plan: PlanModel, act: string): void => {
  for (const node of model.nodesOf(cluster.api, plan.existing)) {
    const other = model.otherHolder(cluster.api, node, plan.uid);
    if (!other) continue;
    throw new Violation(
      'one plan a node',
      `plan ${plan.name} ${act}, while plan ${other.name} holds node ${node.metadata.name}`,
    );
  }
};

const afterOrder = (context: Context, plan: PlanModel, write: Write): void => {
  const { model } = context;
  if (write.error) {
    if (!isAlreadyExists(write.error)) return;
    const owner = model.orderedBy.get(write.before?.metadata.uid ?? '');
    // A plan that was made again under its name may ask for the old names, and gets others.
    if (owner === plan.uid || model.plans.get(owner ?? '')?.name === plan.name) return;
    throw new Violation(
      'names are unique',
      `plan ${plan.name} orders NodeClaim ${write.call.ref.name}, whose name is taken by ${owner === undefined ? 'a NodeClaim that is not ours' : `one of another plan (${owner})`}`,
    );
  }
  model.orderedBy.set(write.after?.metadata.uid ?? '', plan.uid);
  mustHoldNodes(context, plan, `orders NodeClaim ${write.after?.metadata.name}`);
};

/** Whether a process could know of a version when the reconciliation of a write began. */
const isKnown = (write: Write, kind: string, version: number): boolean => version <= (write.knew[kind] ?? 0);

const mustBeEvictable = ({ model, cluster }: Context, plan: PlanModel, pod: Pod, write: Write): void => {
  const since = model.protectedPods.get(pod.metadata.uid ?? '');
  const node =
    pod.spec.nodeName === undefined ? undefined : cluster.api.find(NODES, { name: pod.spec.nodeName });
  // An eviction carries the resourceVersion of what was judged, so no mark is too late for it.
  if (since !== undefined) {
    const why = controllerOf(pod) ? 'is marked do-not-disrupt' : 'has no controller';
    throw new Violation(
      'late pods',
      `plan ${plan.name} evicts pod ${podName(pod)} from node ${pod.spec.nodeName}, which ${why}`,
    );
  }
  for (const [mark, version] of node ? model.marksOf(node) : []) {
    if (mark !== 'do-not-disrupt' && mark !== 'removal-disabled') continue;
    const claim = node && cluster.claimOfNode(node);
    if (!claim || !plan.removed.has(claim.metadata.name) || !isKnown(write, 'Node', version)) continue;
    throw new Violation(
      'late nodes',
      `plan ${plan.name} evicts pod ${podName(pod)} from node ${node?.metadata.name}, which a user marked ${mark}, and kentroller knew it`,
    );
  }
  const object = model.objectOf(cluster.api, plan.uid);
  if (object && !hasReached(object, 'SavingsValidated')) {
    throw new Violation(
      'order of phases',
      `plan ${plan.name} evicts pod ${podName(pod)} before its nodes are there`,
    );
  }
};

const afterEviction = (context: Context, plan: PlanModel, write: Write): void => {
  const pod = write.before as Pod | undefined;
  if (write.error || !pod?.spec.nodeName) return;
  const isPlaced =
    context.cluster.api.find(NODES, { name: pod.spec.nodeName })?.status?.nodeInfo !== undefined;
  if (write.call.verb === 'delete' && !isPlaced) return;
  mustBeEvictable(context, plan, pod, write);
  mustHoldNodes(context, plan, `evicts pod ${podName(pod)}`);
};

const afterNode = ({ model, cluster }: Context, plan: PlanModel, write: Write): void => {
  const before = write.before as Node | undefined;
  const after = write.after as Node | undefined;
  if (write.error || !before || !after) return;
  const { name, uid = '' } = after.metadata;
  const [held, holds] = [annotation(before, LOCKED_BY), annotation(after, LOCKED_BY)];
  if (held !== holds) {
    const other = model.otherHolder(cluster.api, before, plan.uid);
    if (other) {
      const verb = holds === undefined ? 'lifts' : 'takes over';
      throw new Violation(
        'one plan a node',
        `plan ${plan.name} ${verb} the lock of plan ${other.name} on node ${name}`,
      );
    }
    if (holds === undefined) model.locks.delete(uid);
    else model.locks.set(uid, plan.uid);
  }
  const marks = model.marksOf(before);
  if (marks.has('cordon') && !after.spec?.unschedulable) {
    throw new Violation('undo equals do', `plan ${plan.name} uncordons node ${name}, which a user cordoned`);
  }
  if (marks.has('do-not-disrupt') && annotation(after, KARPENTER_DO_NOT_DISRUPT) === undefined) {
    throw new Violation('undo equals do', `plan ${plan.name} takes a user's do-not-disrupt off node ${name}`);
  }
  const left = new Set((after.spec?.taints ?? []).map((t) => t.key));
  const lost = (before.spec?.taints ?? []).find((t) => t.key !== PREPARING_TAINT && !left.has(t.key));
  if (lost)
    throw new Violation('undo equals do', `plan ${plan.name} removes taint ${lost.key} of node ${name}`);
  if (!before.spec?.unschedulable && after.spec?.unschedulable) {
    mustHoldNodes({ model, cluster }, plan, `cordons node ${name}`);
  }
};

const afterClaimDeletion = (context: Context, plan: PlanModel, write: Write): void => {
  const claim = write.before as NodeClaim | undefined;
  if (write.error || !claim) return;
  const { name, uid = '' } = claim.metadata;
  const owner = context.model.orderedBy.get(uid);
  if (owner !== plan.uid && !plan.removed.has(name)) {
    const whose = owner === undefined ? 'which is no plan’s' : `which another plan ordered (${owner})`;
    throw new Violation('only its own', `plan ${plan.name} deletes NodeClaim ${name}, ${whose}`);
  }
  if (owner === plan.uid) return;
  mustHoldNodes(context, plan, `deletes NodeClaim ${name}`);
};

/** 8. A plan that is Done costs no more than what it removed would cost now. */
const mustNotCostMore = ({ cluster }: Context, plan: PlanModel, object: RebalancePlan): void => {
  const { market } = cluster;
  const sum = (machines: readonly MachineType[]): number =>
    machines.reduce((cost, m) => cost + (market.priceOf(m.instanceType, m.zone, m.capacityType) ?? 0), 0);
  const added = (object.spec.nodeClaimsToAdd ?? []).flatMap(({ metadata }) => {
    const claim = cluster.api.find(NODE_CLAIMS, { name: currentClaim(object, metadata.name) });
    return claim ? [machineOf(claim)] : [];
  });
  if (sum(added) <= sum(plan.machines) * 1.001) return;
  const text = (machines: readonly MachineType[]): string =>
    `${machines.map((m) => m.instanceType).join(', ')} for ${sum(machines).toFixed(3)} an hour`;
  throw new Violation(
    'cost',
    `plan ${plan.name} is Done, and has replaced ${text(plan.machines)} by ${text(added)}`,
  );
};

/** Whether a plan says that it leaves an added node for the pods that run there. */
const saysKept = ({ status }: RebalancePlan, node: string): boolean =>
  (status?.warnings ?? []).some(({ description }) =>
    description?.startsWith(`Node ${node}, which the plan added, stays: pod `),
  );

const mustLeaveNothing = ({ model, cluster }: Context, plan: PlanModel, ended: RebalancePlan): void => {
  const isRolledBack = ended.status?.failurePhase === 'Creation';
  const left = (what: string): never => {
    throw new Violation('undo equals do', `plan ${plan.name} has ended and left ${what}`);
  };
  for (const claim of cluster.api.list(NODE_CLAIMS)) {
    const { name, uid = '', deletionTimestamp } = claim.metadata;
    if (model.orderedBy.get(uid) !== plan.uid || deletionTimestamp) continue;
    const node = cluster.nodeOfClaim(claim);
    const isKept = node !== undefined && saysKept(ended, node.metadata.name);
    if (isRolledBack && !isKept) left(`NodeClaim ${name}, which it ordered and does not use`);
    // Nobody needs the room on a node that goes.
    if (node?.metadata.deletionTimestamp) continue;
    if (node?.spec?.taints?.some((t) => t.key === PREPARING_TAINT))
      left(`node ${node.metadata.name} reserved`);
  }
};

const afterStatus = (context: Context, plan: PlanModel, write: Write): void => {
  const before = write.before as RebalancePlan | undefined;
  const after = write.after as RebalancePlan | undefined;
  if (write.error || !after || !before) return;
  const { model, cluster } = context;
  for (const { attempts } of Object.values(after.status?.nodesCreation ?? {})) {
    for (const { nodeClaimName: name, status } of attempts) {
      const uid = cluster.api.find(NODE_CLAIMS, { name })?.metadata.uid;
      if (uid === undefined || status === 'Failed' || model.orderedBy.get(uid) === plan.uid) continue;
      throw new Violation(
        'names are unique',
        `plan ${plan.name} takes NodeClaim ${name}, which it did not order, for its own`,
      );
    }
  }
  if (isFinished(before) || !isFinished(after)) return;
  const { state } = after.status ?? {};
  mustLeaveNothing(context, plan, after);
  for (const [node, holder] of model.locks) if (holder === plan.uid) model.locks.delete(node);
  if (state === 'Done') mustNotCostMore(context, plan, after);
};

/** Moves the model by a write of kentroller; throws a Violation for one that is not lawful. */
export const observeWrite = (context: Context, write: Write): void => {
  const plan = context.model.plans.get(write.subject ?? '');
  if (!plan) return;
  const { verb, resource, subresource } = write.call;
  if (resource.kind === NODE_CLAIMS.kind && verb === 'create') afterOrder(context, plan, write);
  if (resource.kind === NODE_CLAIMS.kind && verb === 'delete') afterClaimDeletion(context, plan, write);
  if (resource.kind === NODES.kind) afterNode(context, plan, write);
  if (resource.kind === PODS.kind && (verb === 'evict' || verb === 'delete'))
    afterEviction(context, plan, write);
  if (resource.kind === REBALANCE_PLANS.kind && subresource === 'status') afterStatus(context, plan, write);
};
