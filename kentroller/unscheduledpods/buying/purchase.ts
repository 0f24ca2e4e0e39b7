import type {
  ExpectedPods,
  PodToMigrate,
  RebalancePlanSpec,
  Savings,
} from '../../../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH } from '../../../api/labels.ts';
import { destinationOf } from '../../../api/plans.ts';
import { controllerKey } from '../../../api/pods.ts';
import { savingsOf } from '../../../planner/plan/savings.ts';
import { MAX_PLAN_BYTES, planBytes } from '../../rebalanceplanclaim/plansize.ts';

/** What the planner answers. */
interface Answer {
  readonly spec: RebalancePlanSpec;
  readonly savings: Savings;
}

/** A plan for pods without a node, as it is stored. */
export interface Purchase extends Answer {
  /** Replicas to come with a place on its nodes; no plan names a pod that is not there. */
  readonly coming: readonly PodToMigrate[];
}

/** The part of a plan with these planned claims, and its share of the cost. */
const partOf = ({ spec, savings, coming }: Purchase, claims: ReadonlySet<string>): Purchase => {
  const green = (savings.greenNodes ?? []).filter(({ name }) => claims.has(name));
  const clusterBefore = Number(savings.currentClusterMonthlyCost) / HOURS_PER_MONTH;
  return {
    spec: {
      ...spec,
      nodeClaimsToAdd: (spec.nodeClaimsToAdd ?? []).filter(({ metadata }) => claims.has(metadata.name)),
      podsToMigrate: (spec.podsToMigrate ?? []).filter((move) => claims.has(destinationOf(move))),
    },
    savings: savingsOf({ blue: [], green, clusterBefore }),
    coming: coming.filter((move) => claims.has(destinationOf(move))),
  };
};

const podCounts = ({ spec }: Purchase): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const claim of (spec.podsToMigrate ?? []).map(destinationOf))
    counts.set(claim, (counts.get(claim) ?? 0) + 1);
  return counts;
};

/** The purchase of one node: the one for the most pods, the cheapest of equal ones. */
const onlyOne = (whole: Purchase): Purchase => {
  const counts = podCounts(whole);
  const [best] = (whole.savings.greenNodes ?? []).toSorted(
    (a, b) =>
      (counts.get(b.name) ?? 0) - (counts.get(a.name) ?? 0) || Number(a.priceHourly) - Number(b.priceHourly),
  );
  return partOf(whole, new Set(best ? [best.name] : []));
};

/** A purchase in parts that etcd takes, which share no node. */
const inParts = (whole: Purchase, maxBytes: number): readonly Purchase[] => {
  const names = (whole.spec.nodeClaimsToAdd ?? []).map(({ metadata }) => metadata.name);
  if (planBytes(whole.spec, whole.savings) <= maxBytes || names.length < 2) return [whole];
  const middle = Math.ceil(names.length / 2);
  return [names.slice(0, middle), names.slice(middle)].flatMap((half) =>
    inParts(partOf(whole, new Set(half)), maxBytes),
  );
};

/** The replicas that a purchase has room for, by owner. */
export const expectedPodsOf = ({ coming }: Purchase): readonly ExpectedPods[] => {
  const owners = new Map<string, ExpectedPods>();
  for (const { namespace, owner } of coming) {
    if (!owner) continue;
    const key = controllerKey(owner, namespace);
    const { count } = owners.get(key) ?? { count: 0 };
    owners.set(key, { namespace, owner, count: count + 1 });
  }
  return [...owners.values()];
};

/** A pod as a plan and a search name it. */
export interface PodRef {
  readonly namespace: string;
  readonly name: string;
}

/**
 * What is stored of the planner's answer: nodes to come and real pods that wait for them. Pods with room on nodes that stand
 * are left to kube-scheduler; nodes are bought for headroom and replicas to come only beside such for pods or for room of
 * CapacityBuffers.
 */
export const purchasesOf = (
  answer: Answer,
  o: {
    readonly isComing: (pod: PodRef) => boolean;
    /** Whether a pod is a chunk of a CapacityBuffer that is bought for. */
    readonly isRoom?: (pod: PodRef) => boolean;
    readonly isReal: (pod: PodRef) => boolean;
    readonly mode: 'plan' | 'single';
    readonly maxBytes?: number;
  },
): readonly Purchase[] => {
  const added = new Set((answer.spec.nodeClaimsToAdd ?? []).map(({ metadata }) => metadata.name));
  const onAdded = (answer.spec.podsToMigrate ?? []).filter((pod) => added.has(destinationOf(pod)));
  const podsToMigrate = onAdded.filter(o.isReal);
  if (podsToMigrate.length === 0 && !onAdded.some((pod) => o.isRoom?.(pod))) return [];
  const whole = { ...answer, spec: { ...answer.spec, podsToMigrate }, coming: onAdded.filter(o.isComing) };
  return inParts(o.mode === 'single' ? onlyOne(whole) : whole, o.maxBytes ?? MAX_PLAN_BYTES);
};
