import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE } from '../../api/labels.ts';
import { deletedClaims } from '../../api/plans.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Caches } from '../caches.ts';
import type { ClusterLimit } from '../rebalanceplan/state/state.ts';
import type { Planning } from '../rebalanceplanclaim/plannerworker.ts';
import { coresBelow, coresThatStay } from './limits.ts';
import type { PoliciesNow } from './settings.ts';

/** clusterLimits.cpu.minCores and the plans that make the cluster smaller. */

type Changes = Pick<RebalancePlanSpec, 'nodeClaimsToDelete' | 'nodeClaimsToAdd'>;

/** Whether a plan deletes nodes that do not go in any case: no limit keeps those that do. */
const isLimited = ({ nodeClaimsToDelete = [] }: Changes): boolean =>
  nodeClaimsToDelete.some(({ mustGo }) => mustGo === undefined);

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

/** Millicores of the cluster once a plan is done whose machines are still to be ordered; without `isToAdd`, once it has deleted. */
const coresAfter = (
  { caches }: Cluster,
  spec: Changes,
  o: { readonly catalogue: Catalogue; readonly isToAdd: boolean },
): number => {
  const gone = new Set(deletedClaims(spec));
  const stay = coresThatStay(caches, ({ metadata }) => gone.has(metadata.name));
  return stay + (o.isToAdd ? addedCores(spec, o.catalogue) : 0);
};

const leastCores = (now: PoliciesNow): number =>
  now.known ? (now.policies.clusterLimits?.minCores ?? 0) : 0;

/** Whether a plan has ordered machines: from then on those count that stand. */
const hasOrdered = ({ status }: Pick<RebalancePlan, 'status'>): boolean =>
  Object.values(status?.nodesCreation ?? {}).some(({ attempts }) => attempts.length > 0);

/** Why a plan may not delete its nodes now; undefined where it may, or where all of them go in any case. */
export const planLimit =
  (cluster: Cluster) =>
  (plan: Pick<RebalancePlan, 'spec' | 'status'>, catalogue: Catalogue): ClusterLimit | undefined => {
    const { spec } = plan;
    if (!isLimited(spec)) return undefined;
    const now = cluster.policies();
    if (!now.known) return { isKnown: false, message: now.message };
    const min = leastCores(now);
    if (min === 0) return undefined;
    const message = coresBelow(min, coresAfter(cluster, spec, { catalogue, isToAdd: !hasOrdered(plan) }));
    return message === undefined ? undefined : { isKnown: true, message };
  };

/**
 * Planning whose plans keep the cores of clusterLimits: where one would not, it is asked for again with half of the nodes, so
 * that downscaling goes as far as it may, and at last with the nodes alone that go in any case.
 */
export const withinLimits =
  (planning: Planning, cluster: Cluster): Planning =>
  async (request, timeoutMs, signal, begin) => {
    let answer = await planning(request, timeoutMs, signal, begin);
    while (answer.plan) {
      const { spec } = answer.plan;
      if (!isLimited(spec)) return answer;
      const now = cluster.policies();
      const min = leastCores(now);
      if (now.known && min === 0) return answer;
      const left = coresAfter(cluster, spec, { catalogue: request.catalogue, isToAdd: true });
      const reason = now.known ? coresBelow(min, left) : now.message;
      if (reason === undefined) return answer;
      const maxNodes = now.known ? Math.floor(deletedClaims(spec).length / 2) : 0;
      if (maxNodes > 0) {
        const constraints = { ...request.constraints, maxNodes };
        answer = await planning({ ...request, constraints }, timeoutMs, signal, begin);
        continue;
      }
      const nodeNames = Object.keys(request.mustGo ?? {});
      const inAnyCase =
        nodeNames.length > 0
          ? await planning({ ...request, scope: { nodeNames } }, timeoutMs, signal, begin)
          : undefined;
      return inAnyCase?.plan && !isLimited(inAnyCase.plan.spec)
        ? inAnyCase
        : { ...answer, plan: null, reason };
    }
    return answer;
  };
