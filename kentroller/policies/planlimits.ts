import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE } from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { type Caches, claimOf } from '../caches.ts';
import type { ClusterLimit } from '../rebalanceplan/state/state.ts';
import type { Planning } from '../rebalanceplanclaim/plannerworker.ts';
import { coresBelow, deletedClaims, plannedToGo, stayingCores } from './limits.ts';
import type { PoliciesNow } from './settings.ts';

/** clusterLimits.cpu.minCores and the plans that make the cluster smaller. */

type Deletions = Pick<RebalancePlanSpec, 'nodeClaimsToDelete'>;

/** Whether a plan replaces nodes that go in any case: no limit keeps those. */
const mustGo = ({ nodeClaimsToDelete = [] }: Deletions): boolean =>
  nodeClaimsToDelete.some(({ mustGo }) => mustGo !== undefined);

/** Millicores of the smallest machines that a plan may add. */
const addedCores = (
  { nodeClaimsToAdd = [] }: Pick<RebalancePlanSpec, 'nodeClaimsToAdd'>,
  catalogue: Catalogue,
): number => {
  const cores = new Map(catalogue.instanceTypes.map(({ name, capacity }) => [name, capacity.cpu]));
  return nodeClaimsToAdd.reduce((sum, { alternatives = [] }) => {
    const types = alternatives
      .flatMap(({ requirements }) => requirements)
      .flatMap(({ key, values = [] }) => (key === INSTANCE_TYPE ? values : []));
    const sizes = types.map((type) => cores.get(type) ?? 0);
    return sum + (sizes.length > 0 ? Math.min(...sizes) : 0);
  }, 0);
};

interface Cluster {
  readonly caches: Pick<Caches, 'nodes' | 'nodeClaims' | 'plans'>;
  readonly policies: () => PoliciesNow;
}

/** Cores of what stays once these NodeClaims and those of all running plans are gone. */
const coresWithout = ({ caches }: Cluster, gone: readonly string[]): number => {
  const going = new Set([...gone, ...plannedToGo(caches.plans.list())]);
  const isGoing = ({ metadata }: NodeClaim): boolean =>
    metadata.deletionTimestamp !== undefined || going.has(metadata.name);
  return stayingCores(caches.nodes.list(), (node) => claimOf(caches, node), isGoing);
};

const leastCores = (now: PoliciesNow): number =>
  now.known ? (now.policies.clusterLimits?.minCores ?? 0) : 0;

/** Why a plan may not delete its nodes now; undefined where it may, or where they go in any case. */
export const planLimit =
  (cluster: Cluster) =>
  ({ spec }: Pick<RebalancePlan, 'spec'>): ClusterLimit | undefined => {
    const gone = deletedClaims(spec);
    if (gone.length === 0 || mustGo(spec)) return undefined;
    const now = cluster.policies();
    if (!now.known) return { isKnown: false, message: now.message };
    const min = leastCores(now);
    const message = min > 0 ? coresBelow(min, coresWithout(cluster, gone)) : undefined;
    return message === undefined ? undefined : { isKnown: true, message };
  };

/**
 * Planning whose plans keep the cores of clusterLimits: where one would not, it is asked for again with half of the nodes,
 * so that downscaling goes as far as it may.
 */
export const withinLimits =
  (planning: Planning, cluster: Cluster): Planning =>
  async (request, timeoutMs, signal) => {
    let answer = await planning(request, timeoutMs, signal);
    while (answer.plan) {
      const { spec } = answer.plan;
      const gone = deletedClaims(spec);
      if (gone.length === 0 || mustGo(spec)) return answer;
      const now = cluster.policies();
      const min = leastCores(now);
      if (now.known && min === 0) return answer;
      const left = coresWithout(cluster, gone) + addedCores(spec, request.catalogue);
      const reason = now.known ? coresBelow(min, left) : now.message;
      if (reason === undefined) return answer;
      const maxNodes = Math.floor(gone.length / 2);
      if (maxNodes === 0 || !now.known) return { ...answer, plan: null, reason };
      const constraints = { ...request.constraints, maxNodes };
      answer = await planning({ ...request, constraints }, timeoutMs, signal);
    }
    return answer;
  };
