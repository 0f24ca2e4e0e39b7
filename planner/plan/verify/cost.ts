import { isDeepStrictEqual } from 'node:util';
import { type MustGo, maxPricePercentOf, mostInPlaceOf, type PaidPrice } from '../../../api/kinds/mustgo.ts';
import type { RebalancePlanSpec } from '../../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { Node } from '../../../api/objects.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import { Bill, type Billed } from '../../model/billing.ts';
import type { Catalogue } from '../../model/catalogue.ts';
import { soldOutside } from '../../model/offers/reservations.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { capacityTypeOf, osOf, typeOf, zoneOf } from '../../model/standingmachine.ts';
import type { Supply } from '../../model/supply.ts';
import type { PlanFault } from './fault.ts';
import type { PlannedClaim } from './planned.ts';

/** Rounding of sums of prices, and the margin of the planner, in USD per hour. */
const EPSILON = 1e-6;

/** What nodes are billed as, by the catalogue and the NodePools' prices; nothing for a machine that it does not have. */
const billedReader = (
  { nodePools }: Snapshot,
  catalogue: Catalogue,
  supply: Supply,
): ((node: Node) => Billed & PaidPrice) => {
  const pools = new Map(nodePools.map((pool) => [pool.metadata.name, pool]));
  return (node) => {
    const type = catalogue.instanceTypes.find(
      ({ name, os }) => name === typeOf(node) && os.includes(osOf(node)),
    );
    const offering = type?.offerings.find(
      ({ zone, capacityType }) => zone === zoneOf(node) && capacityType === capacityTypeOf(node),
    );
    const pool = pools.get(valueAt(node.metadata.labels, KARPENTER_NODEPOOL) ?? '');
    const outside = type && soldOutside(type, zoneOf(node), capacityTypeOf(node));
    return {
      ...(type && offering ? supply.prices.offering(type, offering, pool) : { price: 0 }),
      ...(outside && { unreserved: supply.prices.offering(type, outside, pool).price }),
    };
  };
};

/**
 * Checks the nodes that a plan calls ones that must go: they are those that were asked for, with the limits that were
 * given, and what takes their place can be had within those limits.
 */
export const mustGoFaults = (
  snapshot: Snapshot,
  { catalogue, supply }: { readonly catalogue: Catalogue; readonly supply: Supply },
  spec: RebalancePlanSpec,
  o: {
    readonly asked: Readonly<Record<string, MustGo>>;
    /** The node of a NodeClaim, by name. */
    readonly nodeOf: (claim: string) => Node | undefined;
    readonly claims: Iterable<PlannedClaim>;
  },
): PlanFault[] => {
  const deleted = spec.nodeClaimsToDelete ?? [];
  const marked = deleted.filter(({ mustGo }) => mustGo !== undefined);
  if (marked.length === 0) return [];
  // 1. Whether all that is marked was asked for.
  const faults: PlanFault[] = marked.flatMap(({ nodeClaimName: claim, mustGo }): PlanFault[] => {
    const node = o.nodeOf(claim)?.metadata.name;
    if (node !== undefined && isDeepStrictEqual(valueAt(o.asked, node), mustGo)) return [];
    const message = `The plan says that NodeClaim ${claim} must go, which was not asked for, or not so.`;
    return [{ rule: 'MustGo', claim, message }];
  });
  // 2. What it costs, with what each of them may cost more.
  const isForPending = (spec.podsToMigrate ?? []).some(({ srcNode }) => !srcNode);
  if (isForPending || (spec.nodeClaimsToAdd ?? []).length === 0) return faults;
  const billedOf = billedReader(snapshot, catalogue, supply);
  const bill = new Bill(catalogue.commitments ?? [], snapshot.nodes.map(billedOf));
  const before = bill.total();
  let most = before + EPSILON;
  for (const { nodeClaimName, mustGo } of deleted) {
    const node = o.nodeOf(nodeClaimName);
    if (!node) continue;
    const billed = billedOf(node);
    bill.count(billed, -1);
    most += mostInPlaceOf(billed, mustGo && maxPricePercentOf(mustGo)) - billed.price;
  }
  for (const { cheapest } of o.claims) if (cheapest) bill.count(cheapest, 1);
  const after = bill.total();
  if (after <= most) return faults;
  const message = `The cluster costs ${after.toFixed(4)} USD an hour after the plan and ${before.toFixed(4)} before, more than the nodes that must go allow.`;
  return [...faults, { rule: 'CostLimit', message }];
};
