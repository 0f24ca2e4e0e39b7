import type { Blocker, BlockerKind } from '../../planner/cluster/blocker.ts';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { type KnownCost, knownCostOf } from './costs.ts';

/** Nodes that one cause keeps out of the plan. Costs in USD per month. */
export interface LeftOut extends KnownCost {
  readonly kind: BlockerKind;
  readonly cause: string;
  readonly nodes: number;
  readonly nodeNames: readonly string[];
  /** The pods that keep them, as 'namespace/name'. */
  readonly pods: readonly string[];
  /** Nodes of them that nothing else keeps, and what these cost: what could be looked at if the cause went away. */
  readonly alone: KnownCost & { readonly nodes: number };
  readonly whatToDo: string;
}

const tryFlag = (flag: string): string => `try --${flag} to see what that would save`;

/** What can be done about each kind of blocker. */
const WHAT_TO_DO: Readonly<Record<BlockerKind, string>> = {
  unmanaged: 'plans replace only nodes of Karpenter: move the node group to a NodePool if it is to be packed',
  fargate: 'Fargate bills pods, not machines: nothing is to be packed there',
  'old-karpenter': 'upgrade to Karpenter 1.0 or newer',
  unclaimed: 'list nodeclaims, too',
  'node-state': 'look again once the node is settled',
  'nodepool-budget': `raise the NodePool's budget, or ${tryFlag('ignore-zero-node-pool-disruption-budgets')}`,
  'no-price': 'give a price for its type, zone and capacity type by --catalog',
  consolidation: `wait until its pods have settled, or ${tryFlag('ignore-consolidatable')}`,
  drift: `let Karpenter replace them first, or ${tryFlag('ignore-instance-criteria')}`,
  age: 'lower --min-age-seconds',
  'zonal-shift': 'look again once the zonal shift is over',
  'most-nodes': 'raise --max-nodes',
  'no-place': 'raise maxPricePercent',
  room: 'they go once those pods have other room',
  order: 'look again once no pod waits',
  'marked-node': `remove the mark, or ${tryFlag('ignore-problem-removal-disabled-nodes')}`,
  'marked-pod': `remove the mark, or ${tryFlag('ignore-problem-removal-disabled-pods')}`,
  scheduler: 'only pods that kube-scheduler places can be moved',
  'no-controller': `give them a controller or delete them, or ${tryFlag('ignore-problem-pods-without-controller')}`,
  alone: 'let more than one pod of the workload be ready',
  job: `let them end, or ${tryFlag('ignore-problem-job-pods')}`,
  devices: 'only pods without resource claims can be moved',
  'local-volume': `only where the data may be lost: ${tryFlag('ignore-local-persistent-volumes')}`,
  'shared-volume': 'let one of the pods end, or move it to the node of the other',
  'pod-budget': `add a replica or let the budget allow one pod to go, or ${tryFlag('ignore-blocking-pdb')}`,
  'pod-budgets': `leave each pod one budget, or ${tryFlag('ignore-blocking-pdb')}`,
};

/** The nodes that are left out, by cause; the dearest first. A node with several causes counts under each. */
export const leftOutOf = (
  { facts }: Pick<Cluster, 'facts'>,
  { skippedNodes }: Pick<RebalanceResult, 'skippedNodes'>,
): readonly LeftOut[] => {
  const priceOf = new Map(facts.map(({ node, price }) => [node.metadata.name, price]));
  const causesOf = new Map<string, ReadonlySet<string>>();
  const groups = new Map<string, { blocker: Blocker; names: Set<string>; pods: Set<string> }>();
  for (const { name, blockers = [] } of skippedNodes) {
    causesOf.set(name, new Set(blockers.map(({ cause }) => cause)));
    for (const blocker of blockers) {
      const group = groups.get(blocker.cause) ?? { blocker, names: new Set(), pods: new Set() };
      groups.set(blocker.cause, group);
      group.names.add(name);
      if (blocker.pod !== undefined) group.pods.add(blocker.pod);
    }
  }
  const costOf = (names: readonly string[]): KnownCost => knownCostOf(names.map((name) => priceOf.get(name)));
  return [...groups.values()]
    .map(({ blocker: { kind, cause }, names, pods }): LeftOut => {
      const nodeNames = [...names].sort();
      const alone = nodeNames.filter((name) => causesOf.get(name)?.size === 1);
      return {
        kind,
        cause,
        nodes: nodeNames.length,
        nodeNames,
        pods: [...pods].sort(),
        ...costOf(nodeNames),
        alone: { nodes: alone.length, ...costOf(alone) },
        whatToDo: WHAT_TO_DO[kind],
      };
    })
    .sort((a, b) => (b.monthlyCost ?? 0) - (a.monthlyCost ?? 0) || b.nodes - a.nodes);
};
