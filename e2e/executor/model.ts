import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Node } from '../../api/objects.ts';
import { isFinished, isRunning } from '../../api/plans.ts';
import { NODE_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { existingClaims } from '../../kentroller/rebalanceplan/state/claimnames.ts';
import type { MemoryApi } from '../../kube/testing/memory/api.ts';
import type { MachineType } from './cluster/catalogue.ts';

/** A broken invariant, in one sentence with the objects' names. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

/** One plan as the specification has it. */
export interface PlanModel {
  readonly uid: string;
  readonly name: string;
  /** NodeClaims that were there before the plan, by name; none of them is the plan's own. */
  readonly existing: readonly string[];
  /** Those of them that it removes. */
  readonly removed: ReadonlySet<string>;
  /** The machines that it removes. */
  readonly machines: readonly MachineType[];
}

/** A mark that a user put on a Node; it is the user's to take off. */
export type NodeMark = 'cordon' | 'do-not-disrupt' | 'removal-disabled' | `taint ${string}`;

/**
 * The specification of the executor as a state machine: who holds which node, who made which NodeClaim, which marks are
 * the users'. It is moved by what happens, and says which writes of ours are lawful. See docs/designs/0020.
 */
export class Model {
  readonly plans = new Map<string, PlanModel>();
  /** The plan that holds a node, by the UIDs of both. */
  readonly locks = new Map<string, string>();
  /** The plan that ordered a NodeClaim, by the UIDs of both. */
  readonly orderedBy = new Map<string, string>();
  /** Marks of users by the UID of the Node, each with the resourceVersion that it came with. */
  readonly marks = new Map<string, Map<NodeMark, number>>();
  /** The resourceVersion from which on a pod may not be evicted, by UID. */
  readonly protectedPods = new Map<string, number>();

  planned(plan: RebalancePlan, machines: readonly MachineType[]): void {
    const { uid = '', name } = plan.metadata;
    this.plans.set(uid, {
      uid,
      name,
      existing: existingClaims(plan),
      removed: new Set((plan.spec.nodeClaimsToDelete ?? []).map((c) => c.nodeClaimName)),
      machines,
    });
  }

  /** Whether a plan is there, and neither waits nor has ended. */
  isActive(api: MemoryApi, uid: string): boolean {
    const plan = this.objectOf(api, uid);
    return plan !== undefined && isRunning(plan) && !isFinished(plan);
  }

  objectOf(api: MemoryApi, uid: string): RebalancePlan | undefined {
    const known = this.plans.get(uid);
    const plan = known && api.find(REBALANCE_PLANS, { name: known.name });
    return plan?.metadata.uid === uid ? plan : undefined;
  }

  /** The other plan that holds a node now; undefined when none does. */
  otherHolder(api: MemoryApi, node: Node, uid: string): PlanModel | undefined {
    const holder = this.locks.get(node.metadata.uid ?? '');
    if (holder === undefined || holder === uid || !this.isActive(api, holder)) return undefined;
    return this.plans.get(holder);
  }

  /** The nodes of NodeClaims that exist. */
  nodesOf(api: MemoryApi, claims: readonly string[]): readonly Node[] {
    const ids = new Set(claims.flatMap((name) => api.find(NODE_CLAIMS, { name })?.status?.providerID ?? []));
    return api.nodes().filter((node) => ids.has(node.spec?.providerID ?? ''));
  }

  mark(node: Node, mark: NodeMark): void {
    const { uid = '', resourceVersion } = node.metadata;
    const marks = this.marks.get(uid) ?? new Map<NodeMark, number>();
    marks.set(mark, Number(resourceVersion));
    this.marks.set(uid, marks);
  }

  unmark(node: Node, mark: NodeMark): void {
    this.marks.get(node.metadata.uid ?? '')?.delete(mark);
  }

  marksOf(node: Node): ReadonlyMap<NodeMark, number> {
    return this.marks.get(node.metadata.uid ?? '') ?? new Map();
  }
}
