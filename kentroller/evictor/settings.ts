import { parseDuration } from '../../api/duration.ts';
import type { Features } from '../../api/features.ts';
import type { EvictorConfig, EvictorRule, EvictorSpec } from '../../api/kinds/evictorconfig.ts';
import type { Absence } from '../../kube/cache/cache.ts';
import type { Policies, PoliciesNow } from '../policies/settings.ts';

/** Why an evictor that its settings enable does nothing: a reason of the condition Active, and a few words. */
export interface Hold {
  readonly reason: 'RebalancerOff' | 'SettingsUnknown';
  readonly message: string;
}

const REBALANCER_OFF: Hold = { reason: 'RebalancerOff', message: 'the rebalancer is off' };
// Its dryRun may be what keeps pods from being moved.
const UNKNOWN: Readonly<Record<Absence, Hold | undefined>> = {
  unserved: undefined,
  removed: {
    reason: 'SettingsUnknown',
    message:
      'the API server does not serve EvictorConfigs any more: restart kentroller to go by the ConfigMap alone',
  },
  forbidden: {
    reason: 'SettingsUnknown',
    message: 'EvictorConfigs may not be read: grant get, list and watch on evictorconfigs to kentroller',
  },
};

/** The settings with what keeps the evictor off from outside. */
export const heldSettings = (
  settings: EvictorSettings,
  o: {
    readonly absence: Absence | undefined;
    readonly policies?: PoliciesNow;
    readonly isRebalancerOn: boolean;
  },
): EvictorSettings => {
  if (!settings.enabled) return settings;
  // They may keep it in a dry run, or the cluster from getting smaller.
  const unknown: Hold | undefined =
    o.policies && !o.policies.known ? { reason: 'SettingsUnknown', message: o.policies.message } : undefined;
  const heldBy =
    (o.absence && UNKNOWN[o.absence]) ?? unknown ?? (o.isRebalancerOn ? undefined : REBALANCER_OFF);
  return heldBy ? { ...settings, enabled: false, heldBy } : settings;
};

/** Settings of the evictor; times in milliseconds, durations that a plan carries as text. */
export interface EvictorSettings {
  readonly enabled: boolean;
  /** What keeps it off though it is enabled. */
  readonly heldBy?: Hold;
  readonly dryRun: boolean;
  readonly aggressiveMode: boolean;
  readonly scopedMode: boolean;
  readonly ignorePodDisruptionBudgets: boolean;
  readonly cycleIntervalMs: number;
  readonly nodeGraceMs: number;
  readonly maxNodes: number;
  readonly drainTimeout: string;
  readonly failureBackOff: string;
  readonly cooldownMs: number;
  readonly rules: readonly EvictorRule[];
}

const DEFAULTS = {
  enabled: false,
  dryRun: false,
  aggressiveMode: false,
  scopedMode: false,
  ignorePodDisruptionBudgets: false,
  cycleInterval: '1m',
  nodeGracePeriodMinutes: 5,
  maxNodesToEvictPerCycle: 20,
  drainTimeout: '10m',
  podEvictionFailureBackOff: '5s',
  podEvictionCooldown: '1h',
  rules: [],
} as const satisfies Required<EvictorSpec>;

const msOf = (text: string, otherwise: string): number =>
  parseDuration(text) ?? parseDuration(otherwise) ?? Number.NaN;

/** The evictor's settings in the autoscaling policies, by the names of an EvictorConfig. */
const specOf = (policy: Policies['evictor']): EvictorSpec => {
  const { allowed: _, status: __, podEvictionFailureBackOffInterval: backOff, ...spec } = policy ?? {};
  return { ...spec, ...(backOff !== undefined && { podEvictionFailureBackOff: backOff }) };
};

/** The settings in force: those of the features ConfigMap, else of the EvictorConfig, else of the policies, else the defaults. */
export const evictorSettings = (
  config: EvictorConfig | undefined,
  { evictor: features }: Features,
  policy?: Policies['evictor'],
): EvictorSettings => {
  const s: Required<EvictorSpec> = { ...DEFAULTS, ...specOf(policy), ...config?.spec, ...features };
  return {
    enabled: s.enabled,
    dryRun: s.dryRun,
    aggressiveMode: s.aggressiveMode,
    scopedMode: s.scopedMode,
    ignorePodDisruptionBudgets: s.ignorePodDisruptionBudgets,
    cycleIntervalMs: msOf(s.cycleInterval, DEFAULTS.cycleInterval),
    nodeGraceMs: s.nodeGracePeriodMinutes * 60_000,
    maxNodes: s.maxNodesToEvictPerCycle,
    drainTimeout: s.drainTimeout,
    failureBackOff: s.podEvictionFailureBackOff,
    cooldownMs: msOf(s.podEvictionCooldown, DEFAULTS.podEvictionCooldown),
    rules: s.rules,
  };
};

/** Names of the EvictorConfig's settings that the features ConfigMap overrides. */
export const overriddenSettings = (
  config: EvictorConfig | undefined,
  { evictor: features = {} }: Features,
): readonly string[] => Object.keys(features).filter((name) => Object.hasOwn(config?.spec ?? {}, name));

/** Names of the policies' settings that the EvictorConfig, or the ConfigMap's section for the evictor, overrides. */
export const overriddenPolicies = (
  config: EvictorConfig | undefined,
  { evictor: features = {} }: Features,
  policy: Policies['evictor'],
): readonly string[] => {
  const spec = config?.spec ?? {};
  return Object.keys(specOf(policy)).filter(
    (name) => Object.hasOwn(spec, name) || Object.hasOwn(features, name),
  );
};
