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

/** Why a pod is left for the next plan. */
export const WAITS_FOR_OTHERS =
  'its rules about other pods hold only once pods that wait or move without this plan have their nodes; the next plan looks again';

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

/** Texts of the rules about other pods which hold for pods of a plan only where pods are that the plan does not bring. */
const dependentRules = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  spec: RebalancePlanSpec,
): ReadonlySet<string> => {
  const moves = new Set((spec.podsToMigrate ?? []).map(({ namespace, name }) => `${namespace}/${name}`));
  const ruled = snapshot.pods.filter((pod) => hasRules(pod) && moves.has(podName(pod)));
  if (ruled.length === 0) return new Set();
  const refused = new Set(
    verifyPlan(snapshot, catalogue, spec).flatMap(({ rule, pod }) =>
      (rule === 'InterPodAffinity' || rule === 'PodTopologySpread') && pod !== undefined ? [pod] : [],
    ),
  );
  return new Set(ruled.filter((pod) => refused.has(podName(pod))).map(rulesText));
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
  const texts = dependentRules(snapshot, catalogue, spec);
  if (texts.size === 0) return [];
  const moves = new Set((spec.podsToMigrate ?? []).map(({ namespace, name }) => `${namespace}/${name}`));
  return snapshot.pods
    .filter((pod) => moves.has(podName(pod)) && hasRules(pod) && texts.has(rulesText(pod)))
    .map(podName);
};

/** The nodes of such pods, and of all others with the same rules. */
export const dependentNodes = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  spec: RebalancePlanSpec,
): readonly string[] => {
  const texts = dependentRules(snapshot, catalogue, spec);
  if (texts.size === 0) return [];
  return snapshot.pods
    .filter((pod) => hasRules(pod) && texts.has(rulesText(pod)))
    .flatMap(({ spec: { nodeName } }) => nodeName || []);
};

/** Why a node is left for the next plan. */
export const NODE_WAITS_FOR_OTHERS: Blocker = {
  kind: 'order',
  cause: 'their pods have rules about other pods that hold only once pods that wait have their nodes',
  message:
    'its pods have rules about other pods that hold only once pods that wait or move without this plan have their nodes; the next plan looks again',
};
