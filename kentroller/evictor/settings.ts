import { parseDuration } from '../../api/duration.ts';
import type { Features } from '../../api/features.ts';
import type { EvictorConfig, EvictorRule, EvictorSpec } from '../../api/kinds/evictorconfig.ts';

/** Settings of the evictor; times in milliseconds, durations that a plan carries as text. */
export interface EvictorSettings {
  readonly enabled: boolean;
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

/** The settings in force: those of the features ConfigMap, else of the EvictorConfig, else the defaults. */
export const evictorSettings = (
  config: EvictorConfig | undefined,
  { evictor: features }: Features,
): EvictorSettings => {
  const s: Required<EvictorSpec> = { ...DEFAULTS, ...config?.spec, ...features };
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
