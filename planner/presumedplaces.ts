import type { RebalancePlanSpec } from '../api/kinds/rebalanceplan.ts';
import type { Pod } from '../api/objects.ts';
import { podName } from '../api/pods.ts';
import type { Blocker } from './cluster/blocker.ts';
import type { Catalogue } from './model/catalogue.ts';
import type { Snapshot } from './model/snapshot.ts';
import { verifyPlan } from './plan/verify.ts';
import {
  labelsOf,
  namespaceOf,
  requiredAffinity,
  requiredAntiAffinity,
} from './scheduling/interpodaffinity.ts';
import { requiredSpread } from './scheduling/topologyspread.ts';

const ONLY_ONCE =
  'hold only once pods that wait or move without this plan have their nodes; the next plan looks again';

/** Why a pod is left for the next plan. */
export const WAITS_FOR_OTHERS = `its rules about other pods ${ONLY_ONCE}`;

const hasRules = (pod: Pod): boolean => requiredAffinity(pod).length + requiredSpread(pod).length > 0;

/** What rules about other pods see of a pod, and what its own ask. */
const rulesText = (pod: Pod): string =>
  JSON.stringify([
    namespaceOf(pod),
    labelsOf(pod),
    requiredAffinity(pod),
    requiredAntiAffinity(pod),
    requiredSpread(pod),
  ]);

const movedBy = ({ podsToMigrate = [] }: RebalancePlanSpec): ReadonlySet<string> =>
  new Set(podsToMigrate.map(({ namespace, name }) => `${namespace}/${name}`));

/** The pods with rules about other pods that hold for pods of a plan only where pods are that the plan does not bring. */
const dependent = (snapshot: Snapshot, catalogue: Catalogue, spec: RebalancePlanSpec): readonly Pod[] => {
  const moved = movedBy(spec);
  const ruled = snapshot.pods.filter(hasRules);
  if (!ruled.some((pod) => moved.has(podName(pod)))) return [];
  const refused = new Set(
    verifyPlan(snapshot, catalogue, spec).flatMap(({ rule, pod }) =>
      (rule === 'InterPodAffinity' || rule === 'PodTopologySpread') && pod !== undefined ? [pod] : [],
    ),
  );
  const isRefused = (pod: Pod): boolean => moved.has(podName(pod)) && refused.has(podName(pod));
  const texts = new Set(ruled.filter(isRefused).map(rulesText));
  return texts.size === 0 ? [] : ruled.filter((pod) => texts.has(rulesText(pod)));
};

/**
 * The pods ('namespace/name') of a plan whose rules about other pods hold only where pods are that the plan does not
 * bring: kube-scheduler places those by itself, and nobody knows for sure where. Those with the same rules count too.
 */
export const dependentPods = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  spec: RebalancePlanSpec,
): readonly string[] => {
  const moved = movedBy(spec);
  return dependent(snapshot, catalogue, spec)
    .map(podName)
    .filter((name) => moved.has(name));
};

/** The nodes of such pods, and of all others with the same rules. */
export const dependentNodes = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  spec: RebalancePlanSpec,
): readonly string[] =>
  dependent(snapshot, catalogue, spec).flatMap(({ spec: { nodeName } }) => nodeName || []);

/** Why a node is left for the next plan. */
export const NODE_WAITS_FOR_OTHERS: Blocker = {
  kind: 'order',
  cause: 'their pods have rules about other pods that hold only once pods that wait have their nodes',
  message: `its pods have rules about other pods that ${ONLY_ONCE}`,
};
