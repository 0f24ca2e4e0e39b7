import type { AutoscalerPolicySpec } from '../kinds/autoscalerpolicy.ts';
import { KARPENTER_CAPACITY_TYPE, ON_DEMAND, SPOT, SPOT_PERCENTAGE } from '../labels.ts';
import type { OwnerReference, Pod, SelectorRequirement } from '../objects.ts';
import { ownerToPlaceFor } from '../pods.ts';
import { valueAt } from '../records/valueat.ts';

/** Which pods get a wish for spot or for on-demand, and what share of them; docs/designs/0065-spot-pods.md. */

/** Whether pods wait for their capacity type, or take another one where there is none. */
export type SpotMode = 'preferred' | 'required';

interface NamespaceRule {
  readonly namespaces: readonly string[];
  readonly percentage: number;
  readonly jobs?: boolean;
}

/** The rules in force, the first that names a namespace counts. */
export interface SpotRules {
  readonly mode: SpotMode;
  readonly rules: readonly NamespaceRule[];
}

/** The rules that a spec of the policies puts in force; undefined while they are off. */
export const spotRulesOf = (spec: AutoscalerPolicySpec): SpotRules | undefined => {
  const pods = spec.spotInstances?.spotPods;
  if (spec.enabled !== true || spec.spotInstances?.enabled !== true || pods?.enabled !== true)
    return undefined;
  return { mode: pods.mode ?? 'preferred', rules: pods.rules ?? [] };
};

/** Every namespace but those of the system. */
const ALL = '*';
const SYSTEM_NAMESPACES: readonly string[] = ['kube-system', 'kube-node-lease', 'kube-public'];

/** Labels of nodes by which a pod says its own capacity type. */
const CAPACITY_KEYS: readonly string[] = [
  KARPENTER_CAPACITY_TYPE,
  SPOT,
  ON_DEMAND,
  'eks.amazonaws.com/capacityType',
];

/** Whether a pod says by itself where it wants to be: by its label, a toleration, a selector, or node affinity. */
export const hasOwnCapacityWish = ({ metadata, spec }: Pod): boolean => {
  const { nodeSelector, tolerations = [], affinity } = spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const preferred = affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
  const terms = [...(required ?? []), ...(preferred ?? []).map(({ preference }) => preference)];
  const isAbout = ({ key }: SelectorRequirement): boolean => CAPACITY_KEYS.includes(key);
  return (
    CAPACITY_KEYS.some(
      (key) => valueAt(nodeSelector, key) !== undefined || valueAt(metadata.labels, key) !== undefined,
    ) ||
    tolerations.some(({ key }) => key === SPOT) ||
    terms.some(({ matchExpressions = [] }) => matchExpressions.some(isAbout))
  );
};

export type SpotRuling =
  | {
      readonly kind: 'ruled';
      readonly owner: OwnerReference;
      readonly percentage: number;
      readonly mode: SpotMode;
    }
  | { readonly kind: 'passed'; readonly reason: string };

const pass = (reason: string): SpotRuling => ({ kind: 'passed', reason });

const ruleFor = (
  { metadata: { annotations } }: Pod,
  namespace: string,
  owner: OwnerReference,
  { rules }: SpotRules,
): number | string => {
  const own = valueAt(annotations, SPOT_PERCENTAGE);
  if (own !== undefined) {
    if (/^(100|[1-9]?[0-9])$/.test(own)) return Number(own);
    return `its annotation ${SPOT_PERCENTAGE} is no whole number from 0 to 100`;
  }
  const rule = rules.find(({ namespaces }) => namespaces.includes(namespace) || namespaces.includes(ALL));
  if (!rule) return 'no rule is about its namespace';
  if (owner.kind === 'Job' && rule.jobs !== true) return 'the rule of its namespace leaves Jobs out';
  return rule.percentage;
};

/** Whether a pod of a namespace gets a wish, by what it says of itself without ours. */
export const spotRulingOf = (
  pod: Pod,
  namespace: string,
  o: {
    readonly rules: SpotRules | undefined;
    readonly ownNamespace: string;
    /** Names of the schedulers whose pods count; our own when left out. */
    readonly schedulers?: readonly string[] | undefined;
  },
): SpotRuling => {
  if (!o.rules) return pass('no rules are in force');
  if (SYSTEM_NAMESPACES.includes(namespace) || namespace === o.ownNamespace)
    return pass('pods of the system go where they say');
  if (pod.spec.nodeName) return pass('it already has a node');
  const owner = ownerToPlaceFor(pod, o.schedulers);
  if (typeof owner === 'string') return pass(owner);
  if (hasOwnCapacityWish(pod)) return pass('it says its capacity type itself');
  const percentage = ruleFor(pod, namespace, owner, o.rules);
  return typeof percentage === 'string'
    ? pass(percentage)
    : { kind: 'ruled', owner, percentage, mode: o.rules.mode };
};
