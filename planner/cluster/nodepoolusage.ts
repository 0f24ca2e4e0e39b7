import { INSTANCE_TYPE, KARPENTER_INITIALIZED, KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { Node, NodeClaim, NodePool, ResourceList } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Catalogue } from '../model/catalogue.ts';
import { poolLimits } from '../model/nodepool.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { allowedOfferings } from './allowedofferings.ts';
import { capacityOf, type PoolUsage } from './nodepoollimits.ts';

const read = (resource: string, list: ResourceList | undefined): number =>
  amount(resource, valueAt(list, resource) ?? '0');

/**
 * Resources of a launched machine, as Karpenter counts them: the claim's until the Node is initialized and has its own;
 * by its type where neither says anything.
 */
export const launchedAmount = (
  resource: string,
  claim: NodeClaim,
  node: Node | undefined,
  catalogue: Catalogue,
): number => {
  if (resource === 'nodes') return 1;
  const own = read(resource, node?.status?.capacity);
  const isInitialized = node?.metadata.labels?.[KARPENTER_INITIALIZED] === 'true';
  const said = isInitialized || own > 0 ? own : read(resource, claim.status?.capacity);
  if (said > 0) return said;
  const name = node?.metadata.labels?.[INSTANCE_TYPE] ?? claim.metadata.labels?.[INSTANCE_TYPE];
  const type = catalogue.instanceTypes.find((each) => each.name === name);
  return (type && capacityOf(type).get(resource)) ?? 0;
};

/** The most that a machine may have which was ordered and not launched; 0 where the catalogue knows none of its types. */
export const orderedAmount = (resource: string, claim: NodeClaim, catalogue: Catalogue): number => {
  if (resource === 'nodes') return 1;
  const types = new Set(
    allowedOfferings(claim.spec.requirements, catalogue).map(({ type }) => capacityOf(type)),
  );
  return Math.max(0, ...[...types].map((capacity) => capacity.get(resource) ?? 0));
};

export const isLaunched = ({ status }: NodeClaim): boolean =>
  status?.providerID !== undefined && status.providerID !== '';

/**
 * The usage of NodePools with limits: what their status says or what their launched NodeClaims have, whichever is more,
 * since Karpenter writes the status every 5 s (pkg/controllers/nodepool/counter). Claims that are not launched are in
 * neither and are added; those being deleted count in neither, as for Karpenter (pkg/controllers/state/cluster.go).
 */
export const poolUsageOf = (
  {
    nodePools,
    nodeClaims,
    nodes,
  }: {
    readonly nodePools: readonly NodePool[];
    readonly nodeClaims: readonly NodeClaim[];
    readonly nodes: readonly Node[];
  },
  catalogue: Catalogue,
): PoolUsage => {
  const limited = nodePools.filter((pool) => Object.keys(poolLimits(pool)).length > 0);
  const usage = new Map<string, Requests>();
  if (limited.length === 0) return usage;
  const nodeOf = new Map(nodes.map((node) => [node.spec?.providerID ?? '', node]));
  for (const pool of limited) {
    const { name } = pool.metadata;
    const claims = nodeClaims.filter(
      ({ metadata }) =>
        metadata.labels?.[KARPENTER_NODEPOOL] === name && metadata.deletionTimestamp === undefined,
    );
    const launched = claims.filter(isLaunched);
    const ordered = claims.filter((claim) => !isLaunched(claim));
    const used: Requests = new Map();
    for (const resource of Object.keys(poolLimits(pool))) {
      const there = launched.reduce(
        (sum, claim) =>
          sum + launchedAmount(resource, claim, nodeOf.get(claim.status?.providerID ?? ''), catalogue),
        0,
      );
      const coming = ordered.reduce((sum, claim) => sum + orderedAmount(resource, claim, catalogue), 0);
      used.set(resource, Math.max(read(resource, pool.status?.resources), there) + coming);
    }
    usage.set(name, used);
  }
  return usage;
};
