import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { PLAN } from '../../../api/labels.ts';
import type { NodeClaim } from '../../../api/objects.ts';
import { deletedClaims, destinationOf, foreignNodeOf } from '../../../api/plans.ts';
import { attemptsOf } from './status.ts';

/** Names that the plan gives to the NodeClaims that it adds; what it ordered is its own, whatever its spec says now. */
export const addedNames = ({ spec, status }: RebalancePlan): ReadonlySet<string> =>
  new Set([
    ...(spec.nodeClaimsToAdd ?? []).map((c) => c.metadata.name),
    ...Object.keys(status?.nodesCreation ?? {}),
  ]);

/** NodeClaims that existed before the plan and that it removes or moves pods to. */
export const existingClaims = (plan: RebalancePlan): readonly string[] => {
  const added = addedNames(plan);
  const filled = (plan.spec.podsToMigrate ?? [])
    .map(destinationOf)
    .filter((name) => name !== '' && !added.has(name) && foreignNodeOf(name) === undefined);
  return [...new Set([...deletedClaims(plan.spec), ...filled])];
};

/** Destinations of the plan that Karpenter does not own. */
export const foreignDestinations = ({ spec }: Pick<RebalancePlan, 'spec'>): readonly string[] => [
  ...new Set(
    (spec.podsToMigrate ?? []).map(destinationOf).filter((name) => foreignNodeOf(name) !== undefined),
  ),
];

/** The UIDs of such destinations, of those that the plan names with it. */
export const foreignUids = ({ spec }: Pick<RebalancePlan, 'spec'>): ReadonlyMap<string, string> =>
  new Map(
    (spec.podsToMigrate ?? []).flatMap((move) =>
      move.dstNodeName === undefined || move.dstNodeUID === undefined
        ? []
        : [[destinationOf(move), move.dstNodeUID] as const],
    ),
  );

/** What the plan has to itself while it runs: its existing NodeClaims, and the nodes without one that it fills. */
export const placesInUse = (plan: RebalancePlan): readonly string[] => [
  ...existingClaims(plan),
  ...foreignDestinations(plan),
];

/** The NodeClaim behind a name of the plan: its last attempt, or the existing claim of that name. */
export const currentClaim = (plan: RebalancePlan, name: string): string =>
  addedNames(plan).has(name) ? (attemptsOf(plan, name).at(-1)?.nodeClaimName ?? name) : name;

/** Whether a NodeClaim is of some plan and has no machine yet. */
export const isUnlaunched = ({ metadata, status }: NodeClaim): boolean =>
  metadata.labels?.[PLAN] !== undefined &&
  metadata.deletionTimestamp === undefined &&
  status?.providerID === undefined;
