import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { NodeClaim, Pod } from '../../api/objects.ts';
import { isRunning } from './workload.ts';

export interface Outcome {
  readonly planned: number;
  readonly placed: number;
  /** One line for each owner and node where fewer pods run than planned. */
  readonly missing: readonly string[];
}

const add = (counts: Map<string, number>, key: string, by = 1) =>
  counts.set(key, (counts.get(key) ?? 0) + by);

/** The NodeClaim of one that the plan adds: the attempt that succeeded. */
export const claimOf = (plan: RebalancePlan, planned: string): string =>
  plan.status?.nodesCreation?.[planned]?.attempts.find((a) => a.status === 'Success')?.nodeClaimName ??
  planned;

/**
 * Compares where pods run with where the plan put them. Moved pods have new names, so they are counted by owner and
 * node.
 */
export const outcomeOf = (
  plan: RebalancePlan,
  pods: readonly Pod[],
  claims: readonly NodeClaim[],
): Outcome => {
  const nodeOfClaim = new Map(claims.map((c) => [c.metadata.name, c.status?.nodeName ?? '']));
  const wanted = new Map<string, number>();
  for (const move of plan.spec.podsToMigrate ?? []) {
    const claim = move.dstNodeClaimName ?? '';
    const node = move.dstNodeName ?? nodeOfClaim.get(claimOf(plan, claim)) ?? `claim ${claim}`;
    add(wanted, `${move.owner?.kind} ${move.namespace}/${move.owner?.name} on ${node}`);
  }
  const running = new Map<string, number>();
  for (const pod of pods.filter(isRunning)) {
    const owner = pod.metadata.ownerReferences?.find((o) => o.controller);
    if (owner) add(running, `${owner.kind} ${pod.metadata.namespace}/${owner.name} on ${pod.spec.nodeName}`);
  }
  let planned = 0;
  let placed = 0;
  const missing: string[] = [];
  for (const [key, count] of wanted) {
    const there = running.get(key) ?? 0;
    planned += count;
    placed += Math.min(count, there);
    if (there < count) missing.push(`${key}: ${there} of ${count}`);
  }
  return { planned, placed, missing };
};
