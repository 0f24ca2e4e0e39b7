import { isDeepStrictEqual } from 'node:util';
import { KARPENTER_CAPACITY_TYPE, SPOT } from '../labels.ts';
import type {
  Affinity,
  NodeSelectorTerm,
  Pod,
  PodSpec,
  SelectorRequirement,
  Toleration,
} from '../objects.ts';
import type { SpotMode } from './rules.ts';
import type { Side } from './split.ts';

/** What a wish for spot or on-demand is in a pod's spec: node affinity, and for spot a toleration. */

type NodeAffinity = NonNullable<Affinity['nodeAffinity']>;

const ON_SPOT: SelectorRequirement = { key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot'] };
/** Nodes without the label are no spot nodes either. */
const NOT_ON_SPOT: SelectorRequirement = {
  key: KARPENTER_CAPACITY_TYPE,
  operator: 'NotIn',
  values: ['spot'],
};
/** The preference for spot, for preferred node affinity. */
export const SPOT_FIRST = { weight: 100, preference: { matchExpressions: [ON_SPOT] } } as const;
const TOLERATION: Toleration = { key: SPOT, operator: 'Exists' };

const isEmpty = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): boolean =>
  matchExpressions.length + matchFields.length === 0;

/** An empty term, which no node meets, stays as it is: with a requirement it would let nodes in. */
const demand = (
  { requiredDuringSchedulingIgnoredDuringExecution: required, ...rest }: NodeAffinity,
  requirement: SelectorRequirement,
): NodeAffinity => {
  const nodeSelectorTerms = required?.nodeSelectorTerms.map((term) =>
    isEmpty(term) ? term : { ...term, matchExpressions: [...(term.matchExpressions ?? []), requirement] },
  ) ?? [{ matchExpressions: [requirement] }];
  return { ...rest, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
};

const prefer = ({
  preferredDuringSchedulingIgnoredDuringExecution: preferred = [],
  ...rest
}: NodeAffinity) => ({
  ...rest,
  preferredDuringSchedulingIgnoredDuringExecution: [...preferred, SPOT_FIRST],
});

/** The spec with the wish for a side. On-demand is always required, or a share of spot would be no limit. */
export const withWish = (spec: PodSpec, side: Side, mode: SpotMode): PodSpec => {
  const own = spec.affinity?.nodeAffinity ?? {};
  const wished = (): NodeAffinity => {
    if (side === 'on-demand') return demand(own, NOT_ON_SPOT);
    return mode === 'required' ? demand(own, ON_SPOT) : prefer(own);
  };
  return {
    ...spec,
    affinity: { ...spec.affinity, nodeAffinity: wished() },
    ...(side === 'spot' && { tolerations: [...(spec.tolerations ?? []), TOLERATION] }),
  };
};

const withoutDemand = (
  { requiredDuringSchedulingIgnoredDuringExecution: required, ...rest }: NodeAffinity,
  ours: SelectorRequirement,
): NodeAffinity => {
  if (!required) return rest;
  const isOurs = (each: SelectorRequirement): boolean => isDeepStrictEqual(each, ours);
  const nodeSelectorTerms = required.nodeSelectorTerms.flatMap((term): NodeSelectorTerm[] => {
    const { matchExpressions = [], ...others } = term;
    if (!matchExpressions.some(isOurs)) return [term];
    const left = matchExpressions.filter((each) => !isOurs(each));
    if (left.length > 0) return [{ ...others, matchExpressions: left }];
    return isEmpty(others) ? [] : [others];
  });
  return nodeSelectorTerms.length === 0
    ? rest
    : { ...rest, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
};

const withoutPreference = ({
  preferredDuringSchedulingIgnoredDuringExecution: preferred = [],
  ...rest
}: NodeAffinity): NodeAffinity => {
  const others = preferred.filter((each) => !isDeepStrictEqual(each, SPOT_FIRST));
  return others.length > 0 ? { ...rest, preferredDuringSchedulingIgnoredDuringExecution: others } : rest;
};

const orUndefined = <T extends object>(value: T): T | undefined =>
  Object.keys(value).length > 0 ? value : undefined;

/** The pod without the wish for a side, as its controller and webhooks of others made it. */
export const withoutWish = (pod: Pod, side: Side): Pod => {
  const { affinity, tolerations = [], ...rest } = pod.spec;
  const { nodeAffinity = {}, ...others } = affinity ?? {};
  const bare =
    side === 'spot'
      ? withoutPreference(withoutDemand(nodeAffinity, ON_SPOT))
      : withoutDemand(nodeAffinity, NOT_ON_SPOT);
  const node = orUndefined(bare);
  const left = orUndefined({ ...others, ...(node && { nodeAffinity: node }) });
  // One of them: another webhook may have added an equal one.
  const at = side === 'spot' ? tolerations.findIndex((each) => isDeepStrictEqual(each, TOLERATION)) : -1;
  const tolerated = tolerations.filter((_, index) => index !== at);
  return {
    ...pod,
    spec: {
      ...rest,
      ...(left && { affinity: left }),
      ...(tolerated.length > 0 && { tolerations: tolerated }),
    },
  };
};

/** Whether the spec has the wish for a side, in either mode. */
export const hasWish = (pod: Pod, side: Side): boolean => {
  const { nodeAffinity } = pod.spec.affinity ?? {};
  const required = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const demands = (wanted: SelectorRequirement): boolean =>
    required.some(({ matchExpressions = [] }) =>
      matchExpressions.some((each) => isDeepStrictEqual(each, wanted)),
    );
  if (side === 'on-demand') return demands(NOT_ON_SPOT);
  const preferred = nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return demands(ON_SPOT) || preferred.some((each) => isDeepStrictEqual(each, SPOT_FIRST));
};
