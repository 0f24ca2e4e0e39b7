import type { Features } from '../../api/features.ts';
import {
  AUTOSCALER_POLICY,
  type AutoscalerPolicy,
  type AutoscalerPolicySpec,
} from '../../api/kinds/autoscalerpolicy.ts';
import { mergePolicies } from '../../api/kinds/mergepolicies.ts';
import { POLICY_DEFAULTS } from '../../api/kinds/nodeconstraints.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { type SpotRules, spotRulesOf } from '../../api/spotpods/rules.ts';
import type { Absence, Cache } from '../../kube/cache/cache.ts';

/** Percent of the workers' cores and memory. */
export interface Headroom {
  readonly cpuPercentage: number;
  readonly memoryPercentage: number;
}

/** Bounds of a node that is bought. */
export interface NodeConstraints {
  readonly minCpuCores: number;
  readonly maxCpuCores: number;
  readonly minRamMib: number;
  readonly maxRamMib: number;
}

/** Policies in force. What is off is undefined or false, with the switches above it taken into account. */
export interface Policies {
  /** Whether any policy may act. */
  readonly enabled: boolean;
  readonly scopedMode: boolean;
  /** Cores of all nodes; no maxCores is no end. */
  readonly clusterLimits: { readonly minCores: number; readonly maxCores?: number } | undefined;
  readonly horizontalPodAutoscaler: boolean;
  readonly unschedulablePods:
    | {
        readonly mode: 'plan' | 'single';
        readonly headroom: Headroom | undefined;
        readonly headroomSpot: Headroom | undefined;
        /** Whether CapacityBuffers that nobody else serves are served. */
        readonly capacityBuffers: boolean;
        readonly nodeConstraints: NodeConstraints | undefined;
      }
    | undefined;
  readonly spotInstances:
    | {
        readonly interruptionTolerance: 'costEfficient' | 'leastInterrupted';
        readonly backups: { readonly restoreEveryMs: number } | undefined;
        readonly diversity: { readonly priceIncreaseLimitPercent: number } | undefined;
      }
    | undefined;
  /** What the webhook adds to new pods. */
  readonly spotPods: SpotRules | undefined;
  readonly emptyNodes: { readonly delayMs: number } | undefined;
  /** Settings of the evictor where the policies have any; `enabled` with the switches above it. */
  readonly evictor: NonNullable<NonNullable<AutoscalerPolicySpec['nodeDownscaler']>['evictor']> | undefined;
}

/** Why nobody knows which policies are in force; then nothing is bought or removed on their account. */
export interface UnknownPolicies {
  readonly reason: 'PoliciesNotRead' | 'PoliciesForbidden' | 'PoliciesNotServed' | 'PoliciesInvalid';
  readonly message: string;
}

export type PoliciesNow =
  | { readonly known: true; readonly policies: Policies; readonly overridden: readonly string[] }
  | ({ readonly known: false } & UnknownPolicies);

/** What is known of the only AutoscalerPolicy. */
export interface PolicyView {
  readonly object: AutoscalerPolicy | undefined;
  readonly absence: Absence | undefined;
  readonly hasSynced: boolean;
  /** Whether one was there when any leader last read them; undefined while nobody knows. */
  readonly wasSeen?: boolean | undefined;
}

const NO_DEFAULT: Readonly<Record<Exclude<Absence, 'unserved'>, UnknownPolicies>> = {
  removed: {
    reason: 'PoliciesNotServed',
    message:
      'the API server does not serve AutoscalerPolicies any more: restart kentroller to go by the ConfigMap alone',
  },
  forbidden: {
    reason: 'PoliciesForbidden',
    message: 'AutoscalerPolicies may not be read: grant list and watch on autoscalerpolicies to kentroller',
  },
};
const NOT_READ: UnknownPolicies = {
  reason: 'PoliciesNotRead',
  message: 'AutoscalerPolicies have not been read yet',
};

const headroomOf = (
  headroom: NonNullable<AutoscalerPolicySpec['unschedulablePods']>['headroom'],
): Headroom | undefined => {
  if (headroom?.enabled !== true) return undefined;
  const { headroomPercentage } = POLICY_DEFAULTS;
  const { cpuPercentage = headroomPercentage, memoryPercentage = headroomPercentage } = headroom;
  return { cpuPercentage, memoryPercentage };
};

const unschedulablePodsOf = (
  pods: AutoscalerPolicySpec['unschedulablePods'],
): Policies['unschedulablePods'] => {
  if (pods?.enabled !== true) return undefined;
  const { enabled, ...constraints } = pods.nodeConstraints ?? {};
  const { minCpuCores, maxCpuCores, minRamMib, maxRamMib } = POLICY_DEFAULTS;
  return {
    mode: pods.mode ?? 'plan',
    headroom: headroomOf(pods.headroom),
    headroomSpot: headroomOf(pods.headroomSpot),
    capacityBuffers: pods.capacityBuffers?.enabled === true,
    nodeConstraints:
      enabled === true ? { minCpuCores, maxCpuCores, minRamMib, maxRamMib, ...constraints } : undefined,
  };
};

const spotInstancesOf = (spot: AutoscalerPolicySpec['spotInstances']): Policies['spotInstances'] => {
  if (spot?.enabled !== true) return undefined;
  const {
    spotBackups: backups,
    spotDiversityPriceIncreaseLimitPercent: limit = POLICY_DEFAULTS.spotDiversityPriceIncreaseLimitPercent,
  } = spot;
  const seconds = backups?.spotBackupRestoreRateSeconds ?? POLICY_DEFAULTS.spotBackupRestoreRateSeconds;
  return {
    interruptionTolerance:
      spot.interruptionTolerance ?? ((spot.maxReclaimRate ?? 0) > 0 ? 'leastInterrupted' : 'costEfficient'),
    backups: backups?.enabled === true ? { restoreEveryMs: seconds * 1_000 } : undefined,
    diversity: spot.spotDiversityEnabled === true ? { priceIncreaseLimitPercent: limit } : undefined,
  };
};

const clusterLimitsOf = (limits: AutoscalerPolicySpec['clusterLimits']): Policies['clusterLimits'] => {
  if (limits?.enabled !== true) return undefined;
  return { minCores: POLICY_DEFAULTS.minCores, ...limits.cpu };
};

/** The policies that a spec puts in force. */
const policiesOf = (spec: AutoscalerPolicySpec): Policies => {
  const enabled = spec.enabled === true;
  const on = <T>(value: T): T | undefined => (enabled ? value : undefined);
  const { nodeDownscaler: downscaler } = spec;
  const isDownscaling = enabled && downscaler?.enabled === true;
  const { emptyNodes, evictor } = downscaler ?? {};
  const delaySeconds = emptyNodes?.delaySeconds ?? POLICY_DEFAULTS.delaySeconds;
  return {
    enabled,
    scopedMode: enabled && spec.isScopedMode === true,
    clusterLimits: on(clusterLimitsOf(spec.clusterLimits)),
    horizontalPodAutoscaler: enabled && spec.horizontalPodAutoscaler?.enabled === true,
    unschedulablePods: on(unschedulablePodsOf(spec.unschedulablePods)),
    spotInstances: on(spotInstancesOf(spec.spotInstances)),
    spotPods: spotRulesOf(spec),
    emptyNodes: isDownscaling && emptyNodes?.enabled === true ? { delayMs: delaySeconds * 1_000 } : undefined,
    evictor: evictor && { ...evictor, enabled: isDownscaling && evictor.enabled === true },
  };
};

type Tree = { readonly [key: string]: unknown };
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

/** Paths that both trees set. */
const pathsInBoth = (one: Tree, other: Tree, path = ''): readonly string[] =>
  Object.entries(one).flatMap(([key, value]) => {
    if (!Object.hasOwn(other, key)) return [];
    const there = valueAt(other, key);
    return isTree(value) && isTree(there) ? pathsInBoth(value, there, `${path}${key}.`) : [`${path}${key}`];
  });

/** The policies in force: each setting by the features ConfigMap, else by the AutoscalerPolicy, else its default. */
export const policiesNow = (view: PolicyView, { policies: features = {} }: Features): PoliciesNow => {
  const { object, absence, hasSynced, wasSeen } = view;
  if (!hasSynced) return { known: false, ...NOT_READ };
  // Where there never was one, roles of an earlier release and a kind that is taken away change nothing.
  if (absence !== undefined && absence !== 'unserved' && wasSeen !== false)
    return { known: false, ...NO_DEFAULT[absence] };
  const spec = object?.spec ?? {};
  const read = mergePolicies(spec, { policies: features });
  if (!read.success) {
    const problems = read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
    const message = `AutoscalerPolicy ${AUTOSCALER_POLICY}, with the features ConfigMap, makes no sense: ${problems}`;
    return { known: false, reason: 'PoliciesInvalid', message };
  }
  return { known: true, policies: policiesOf(read.data), overridden: pathsInBoth(features, spec) };
};

/** The policies in force at each call. */
export const readPolicies =
  (
    cache: Pick<Cache<AutoscalerPolicy>, 'get' | 'absence' | 'hasSynced'>,
    features: () => Features,
    wasSeen: () => boolean | undefined = () => undefined,
  ) =>
  (): PoliciesNow => {
    const { absence, hasSynced } = cache;
    return policiesNow(
      { object: cache.get(AUTOSCALER_POLICY), absence, hasSynced, wasSeen: wasSeen() },
      features(),
    );
  };
