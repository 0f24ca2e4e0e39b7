import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import * as labels from '../../api/labels.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import { cpuMillis } from '../../api/quantity.ts';
import { isOpenToDaemonSets } from '../../api/reservation.ts';

/** The demo's picture, from one reading of the API server. */

export type NodeState = 'steady' | 'ordered' | 'placeholder' | 'new' | 'draining';

export interface NodeLine {
  readonly name: string;
  readonly instanceType: string;
  /** USD per hour. */
  readonly price: number;
  readonly state: NodeState;
  /** Requested and allocatable CPU, in millicores. */
  readonly used: number;
  readonly room: number;
  readonly pods: number;
}

export interface DemoState {
  readonly nodes: readonly NodeLine[];
  /** USD per hour of all machines that are paid for now. */
  readonly price: number;
  readonly claimState: string;
  readonly planState: string;
  readonly phase: string;
  readonly created: readonly [number, number];
  readonly deleted: readonly [number, number];
  readonly pending: number;
  readonly running: number;
}

export interface Seen {
  readonly nodes: readonly Node[];
  readonly nodeClaims: readonly NodeClaim[];
  readonly pods: readonly Pod[];
  readonly plan: RebalancePlan | undefined;
  readonly claim: RebalancePlanClaim | undefined;
  readonly priceOf: (instanceType: string) => number;
}

const requested = (pod: Pod): number =>
  pod.spec.containers.reduce((sum, c) => sum + cpuMillis(c.resources?.requests?.cpu ?? '0'), 0);

const stateOf = (node: Node | undefined, claim: NodeClaim, isPlans: boolean): NodeState => {
  const isCordoned = node?.spec?.unschedulable === true && !isOpenToDaemonSets(node);
  if (claim.metadata.deletionTimestamp !== undefined || isCordoned) return 'draining';
  if (node === undefined) return 'ordered';
  if (node.metadata.labels?.[labels.PLACEHOLDER] !== undefined) return 'placeholder';
  return isPlans ? 'new' : 'steady';
};

const phaseOf = (plan: RebalancePlan | undefined): string => {
  if (plan === undefined) return 'no plan yet';
  const { state, nodesDeletion } = plan.status ?? {};
  if (state !== 'Running') return state ?? 'Created';
  return Object.keys(nodesDeletion ?? {}).length > 0 ? 'Deletion' : 'Creation';
};

/** Derives the picture: one line a machine, old machines first. */
export const demoState = (seen: Seen): DemoState => {
  const nodes = new Map(seen.nodes.map((n) => [n.spec?.providerID ?? n.metadata.name, n]));
  const live = seen.pods.filter(
    (p) => p.metadata.deletionTimestamp === undefined && p.status?.phase !== 'Failed',
  );
  const byNode = Map.groupBy(live, (p) => p.spec.nodeName ?? '');
  const lines = seen.nodeClaims.map((claim): NodeLine => {
    const node = nodes.get(claim.status?.providerID ?? '');
    const instanceType = claim.metadata.labels?.[labels.INSTANCE_TYPE] ?? '';
    const pods = byNode.get(node?.metadata.name ?? claim.status?.nodeName ?? '-') ?? [];
    return {
      name: node?.metadata.name.split('.')[0] ?? claim.metadata.name,
      instanceType,
      price: instanceType === '' ? 0 : seen.priceOf(instanceType),
      state: stateOf(node, claim, claim.metadata.labels?.[labels.PLAN] !== undefined),
      used: pods.reduce((sum, p) => sum + requested(p), 0),
      room: cpuMillis(node?.status?.allocatable?.cpu ?? claim.status?.allocatable?.cpu ?? '0'),
      pods: pods.length,
    };
  });
  const isNew = (l: NodeLine) => l.state === 'new' || l.state === 'placeholder' || l.state === 'ordered';
  lines.sort(
    (a, b) => Number(isNew(a)) - Number(isNew(b)) || a.name.localeCompare(b.name, 'en', { numeric: true }),
  );
  const { plan } = seen;
  const attempts = Object.values(plan?.status?.nodesCreation ?? {});
  const deletions = Object.values(plan?.status?.nodesDeletion ?? {});
  return {
    nodes: lines,
    price: lines.reduce((sum, l) => sum + l.price, 0),
    claimState: seen.claim?.status?.state ?? 'none',
    planState: plan?.status?.state ?? 'none',
    phase: phaseOf(plan),
    created: [
      attempts.filter((c) => c.attempts.some((a) => a.status === 'Success')).length,
      plan?.spec.nodeClaimsToAdd?.length ?? 0,
    ],
    deleted: [
      deletions.filter((d) => d.events.some((e) => e.status === 'Success')).length,
      plan?.spec.nodeClaimsToDelete?.length ?? 0,
    ],
    pending: live.filter((p) => p.status?.phase === 'Pending').length,
    running: live.filter((p) => p.status?.phase === 'Running').length,
  };
};
