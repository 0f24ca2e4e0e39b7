import type { NodePool, NodeSelectorTerm, Pod, Requirement } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { RemainingLimits } from '../cluster/nodepoollimits.ts';
import type { InstanceType } from '../model/catalogue.ts';
import type { Supply } from '../model/supply.ts';
import { requiredAffinity, requiredAntiAffinity } from '../scheduling/interpodaffinity.ts';
import { meets } from '../scheduling/nodeaffinity.ts';
import { hostPorts } from '../scheduling/nodeports.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import { requiredSpread } from '../scheduling/topologyspread.ts';
import { VOLUME_SLOTS, type Volumes, volumeRequirements } from '../scheduling/volumes.ts';
import type { CompiledOption } from './compiledoption.ts';
import { poolReason } from './launch/poolreasons.ts';
import { floatAt, itemAt } from './matrix.ts';
import type { NodeClass } from './nodeclass.ts';
import type { Packing } from './packing.ts';
import type { Problem } from './problem.ts';

/** What reasons look at beside the problem. */
export interface ReasonContext {
  readonly pools: readonly NodePool[];
  readonly supply: Supply;
  readonly volumes: Volumes;
}

const MOST_POOLS = 3;

const listed = (reasons: readonly string[]): string => {
  const different = [...new Set(reasons)];
  const more = different.length - MOST_POOLS;
  return [
    ...different.slice(0, MOST_POOLS),
    ...(more > 0 ? [`${more} more NodePools offer nothing either`] : []),
  ].join('; ');
};

/** A requirement on a node's labels with where the pod has it from. */
interface Demand {
  readonly requirement: Requirement;
  readonly from: string;
}

const demandsOf = (term: NodeSelectorTerm | undefined, from: string): Demand[] =>
  [...(term?.matchExpressions ?? []), ...(term?.matchFields ?? [])].map((requirement) => ({
    requirement,
    from,
  }));

/** What a pod demands of node labels, one list per term of its affinity: any of them will do. */
const demandLists = (pod: Pod, volumeTerms: readonly NodeSelectorTerm[]): readonly Demand[][] => {
  const selector = Object.entries(pod.spec.nodeSelector ?? {}).map(
    ([key, value]): Demand => ({
      requirement: { key, operator: 'In', values: [value] },
      from: 'its node selector',
    }),
  );
  const ofVolumes = volumeTerms.flatMap((term) => demandsOf(term, 'its volume'));
  const terms =
    pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const lists = terms.length > 0 ? terms.map((term) => demandsOf(term, 'its node affinity')) : [[]];
  return lists.map((list) => [...selector, ...list, ...ofVolumes]);
};

const isMetBy = ({ requirement }: Demand, { labels, unknown }: NodeClass): boolean =>
  !unknown?.has(requirement.key) && meets(requirement, valueAt(labels, requirement.key));

/** Why no node of these classes, all of one NodePool, may hold a pod. */
const classReason = (
  pool: NodePool,
  classes: readonly NodeClass[],
  pod: Pod,
  demands: readonly Demand[][],
): string => {
  const name = `NodePool ${pool.metadata.name}`;
  const taint = untoleratedTaint(pool.spec.template.spec.taints ?? [], pod.spec.tolerations);
  if (taint)
    return `${name} has the taint ${taint.key}${taint.value ? `=${taint.value}` : ''}:${taint.effect}, which it does not tolerate`;
  for (const { requirement, from } of demands.flat()) {
    if (classes.some((each) => isMetBy({ requirement, from }, each))) continue;
    const { key, operator, values = [] } = requirement;
    const asked = `${key} ${operator}${values.length > 0 ? ` ${values.join(', ')}` : ''}`;
    const isUnknown = classes.some(({ unknown }) => unknown?.has(key));
    const given = [...new Set(classes.flatMap(({ labels }) => valueAt(labels, key) ?? []))].sort();
    const has = isUnknown
      ? 'of which the catalogue says nothing'
      : given.length > 0
        ? `and the nodes of ${name} have ${given.slice(0, 5).join(', ')}`
        : `which no node of ${name} has`;
    return `${from} asks for ${asked}, ${has}`;
  }
  return `no node of ${name} meets all that its selector, affinity and volumes ask for together`;
};

/** The NodePools, each with its options. */
const byPool = (options: readonly CompiledOption[]): ReadonlyMap<NodePool, readonly CompiledOption[]> =>
  Map.groupBy(options, ({ launchOption }) => launchOption.pool);

const disallowedReason = (problem: Problem, podClass: number, context: ReasonContext): string => {
  const { pod, selectors } = itemAt(problem.podClasses, podClass);
  const demands = demandLists(
    pod,
    selectors.flatMap(({ nodeSelectorTerms }) => nodeSelectorTerms),
  );
  const offered = byPool(problem.allOptions);
  return listed(
    context.pools.map((pool) => {
      const options = offered.get(pool);
      if (!options) return poolReason(pool, context.supply);
      const classes = [...new Set(options.map(({ nodeClass }) => nodeClass))];
      return classReason(
        pool,
        classes.map((each) => itemAt(problem.nodeClasses, each)),
        pod,
        demands,
      );
    }),
  );
};

const CORE: ReadonlySet<string> = new Set(['cpu', 'memory', 'pods', 'ephemeral-storage']);

const lackingReason = (problem: Problem, podClass: number, lacking: readonly number[]): string => {
  const { dimensions, sizes, allOptions } = problem;
  const texts = lacking.map((d) => {
    const resource = itemAt(dimensions, d);
    const most = Math.max(0, ...allOptions.map(({ room }) => floatAt(room, d)));
    if (resource.startsWith(VOLUME_SLOTS)) {
      const driver = resource.slice(VOLUME_SLOTS.length);
      return `it has ${sizes.at(podClass, d)} volumes of ${driver}, and no machine that it may use attaches more than ${most}`;
    }
    return !CORE.has(resource) && most === 0
      ? `no instance type of the catalogue lists ${resource}`
      : undefined;
  });
  const special = texts.find((text) => text !== undefined);
  if (special !== undefined) return special;
  return `no instance type that it may use has enough ${lacking.map((d) => itemAt(dimensions, d)).join(' and ')}`;
};

/** Why NodePools with limits may not grow by a node for the pod; undefined where one may. */
const limitReason = (
  problem: Problem,
  packing: Packing,
  able: readonly CompiledOption[],
): string | undefined => {
  if (able.some((option) => packing.limits.canBuy(option))) return undefined;
  const limits = new RemainingLimits(
    new Set(able.map(({ launchOption }) => launchOption.pool)),
    problem.poolUsage,
    problem.clusterCores,
  );
  for (const option of packing.option) {
    if (option) limits.count(option.launchOption.pool.metadata.name, option.launchOption.type, 1);
  }
  const reasons = [...byPool(able)].flatMap(([pool, options]) => {
    const types = new Set<InstanceType>(options.map(({ launchOption }) => launchOption.type));
    return limits.blocker(pool.metadata.name, [...types]) ?? [];
  });
  return reasons.length > 0 ? listed(reasons) : undefined;
};

/** The pod's rules about other pods, by name. */
const rulesText = (pod: Pod): string => {
  const keys = (what: string, terms: readonly { readonly topologyKey: string }[]): string[] =>
    terms.map(({ topologyKey }) => `${what} by ${topologyKey}`);
  const rules = [
    ...keys('required affinity', requiredAffinity(pod)),
    ...keys('required anti-affinity', requiredAntiAffinity(pod)),
    ...keys('required spread', requiredSpread(pod)),
    ...hostPorts(pod).map(({ port }) => `host port ${port}`),
  ];
  return rules.length > 0 ? ` (${[...new Set(rules)].join(', ')})` : '';
};

/** Why no node can hold one more pod of the class, after all that could be placed was. */
export const unplacedReason = (packing: Packing, podClass: number, context: ReasonContext): string => {
  const { problem } = packing;
  const { dimensions, sizes, allOptions, allowedAtAnyWeight: allowed, options } = problem;
  const { pod } = itemAt(problem.podClasses, podClass);
  const { impossible } = volumeRequirements(pod, context.volumes);
  if (impossible !== undefined) return impossible;
  if (context.pools.length === 0) return 'no NodePool is in the cluster';
  if (allOptions.length === 0) return listed(context.pools.map((pool) => poolReason(pool, context.supply)));
  const isAllowed = ({ nodeClass }: CompiledOption): boolean => allowed.has(nodeClass, podClass);
  const usable = allOptions.filter(isAllowed);
  if (usable.length === 0)
    return problem.besideDaemons.get(podClass) ?? disallowedReason(problem, podClass, context);
  const fitsIn = ({ room }: CompiledOption, d: number): boolean => floatAt(room, d) >= sizes.at(podClass, d);
  const lacking = [...dimensions.keys()].filter((d) => !usable.some((option) => fitsIn(option, d)));
  if (lacking.length > 0) return lackingReason(problem, podClass, lacking);
  const holds = (option: CompiledOption): boolean => dimensions.every((_, d) => fitsIn(option, d));
  const able = usable.filter(holds);
  if (able.length === 0) return 'no instance type that it may use has enough of every resource at once';
  if (!options.some((option) => isAllowed(option) && holds(option)))
    return 'too few of the instance types that can hold it are left for the minValues of the NodePool';
  const limited = limitReason(problem, packing, able);
  if (limited !== undefined) return limited;
  return packing.counts.hasRules(podClass)
    ? `its rules about other pods leave no node that it may join${rulesText(pod)}`
    : 'the time was too short to find a node for it';
};

/** The NodePools that may not grow by even one node, as sentences. */
export const limitReasons = ({ allOptions, poolUsage, clusterCores }: Problem): string[] => {
  const types = new Map<NodePool, Set<InstanceType>>();
  for (const { launchOption } of allOptions) {
    const ofPool = types.get(launchOption.pool);
    if (ofPool) ofPool.add(launchOption.type);
    else types.set(launchOption.pool, new Set([launchOption.type]));
  }
  const limits = new RemainingLimits(types.keys(), poolUsage, clusterCores);
  return [...types].flatMap(([pool, ofPool]) => {
    const blocker = limits.blocker(pool.metadata.name, [...ofPool]);
    return blocker === undefined
      ? []
      : [`${blocker}: new nodes need room beside those that they replace. Raise the limit.`];
  });
};
