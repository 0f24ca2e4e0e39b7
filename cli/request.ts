import {
  type AggressiveMode,
  isInScope,
  type NodeConstraints,
  type Scope,
} from '../planner/cluster/candidate.ts';
import type { Catalogue } from '../planner/model/catalogue.ts';
import { overlayFrom, withOverlay } from '../planner/model/discounts.ts';
import { type InterruptionPolicy, ratesFrom } from '../planner/model/interruption.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import type { RebalanceRequest } from '../planner/rebalance.ts';
import { DEFAULT_PREFERENCES, type Preferences } from '../planner/scheduling/preferences.ts';
import { type Flags, UsageError } from './flags.ts';
import { readCatalogue, readJson } from './inputfiles.ts';

export const PLAN_FLAGS = [
  'snapshot',
  'kubeconfig',
  'catalog',
  'output',
  'name',
  'seed',
  'time-budget',
  'scope',
  'now',
  'max-nodes',
  'min-age-seconds',
  'min-cluster-size',
  'html',
  'price-overlay',
  'max-workload-percent',
  'max-cluster-percent',
  'preferences',
  'interruption-cost',
  'interruption-rates',
  'max-interruption-percent',
] as const;

const MODE_SWITCHES = {
  'ignore-local-persistent-volumes': 'ignoreLocalPersistentVolumes',
  'ignore-problem-job-pods': 'ignoreProblemJobPods',
  'ignore-problem-pods-without-controller': 'ignoreProblemPodsWithoutController',
  'ignore-problem-removal-disabled-pods': 'ignoreProblemRemovalDisabledPods',
  'ignore-problem-removal-disabled-nodes': 'ignoreProblemRemovalDisabledNodes',
  'ignore-blocking-pdb': 'ignoreBlockingPDB',
  'ignore-consolidatable': 'ignoreConsolidatable',
  'ignore-instance-criteria': 'ignoreInstanceCriteria',
  'ignore-zero-node-pool-disruption-budgets': 'ignoreZeroNodePoolDisruptionBudgets',
} as const satisfies Record<string, keyof AggressiveMode>;

export const PLAN_SWITCHES: readonly string[] = Object.keys(MODE_SWITCHES);

/** What all commands are given: what was asked for, the cluster and the time. */
export interface Input {
  readonly flags: Flags;
  /** Reads the cluster; asked for once the flags are seen to be good. */
  readonly snapshot: () => Promise<Snapshot>;
  /** Milliseconds from any start. */
  readonly clock: () => number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const wanted = (flags: Flags, name: string): string => {
  const value = flags.values.get(name);
  if (value === undefined) throw new UsageError(`The flag --${name} is missing.`);
  return value;
};

const integer = (flags: Flags, name: string, least: number): number | undefined => {
  const text = flags.values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) {
    throw new UsageError(`--${name} takes a whole number from ${least}, not '${text}'.`);
  }
  return value;
};

const percent = (flags: Flags, name: string): number | undefined => {
  const text = flags.values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0 && value <= 100))
    throw new UsageError(`--${name} takes a number from 0 to 100, not '${text}'.`);
  return value;
};

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

const milliseconds = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  if (!match) throw new UsageError(`--time-budget takes a duration such as 500ms, 10s or 1m, not '${text}'.`);
  return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0);
};

/** `--scope node-a,node-b` names nodes, `--scope key=value,...` selects them by labels. */
const scopeOf = (text: string): Scope => {
  const parts = text.split(',');
  if (parts.every((part) => !part.includes('='))) return { nodeNames: parts };
  const matchExpressions = parts.map((part) => {
    const [key = '', value] = part.split('=');
    if (key === '' || value === undefined)
      throw new UsageError(`--scope takes names or key=value pairs, not '${part}'.`);
    return { key, operator: 'In' as const, values: [value] };
  });
  return { nodeSelector: { nodeSelectorTerms: [{ matchExpressions }] } };
};

const constraintsOf = (flags: Flags): NodeConstraints => {
  const maxNodes = integer(flags, 'max-nodes', 1);
  const minAgeSeconds = integer(flags, 'min-age-seconds', 0);
  const minClusterSize = integer(flags, 'min-cluster-size', 0);
  return {
    ...(maxNodes !== undefined && { maxNodes }),
    ...(minAgeSeconds !== undefined && { minAgeSeconds }),
    ...(minClusterSize !== undefined && { minClusterSize }),
  };
};

const modeOf = (flags: Flags): AggressiveMode =>
  Object.fromEntries(
    Object.entries(MODE_SWITCHES).flatMap(([flag, field]) =>
      flags.values.get(flag) === 'true' ? [[field, true]] : [],
    ),
  );

const preferencesOf = (flags: Flags): Preferences => {
  const text = flags.values.get('preferences') ?? DEFAULT_PREFERENCES;
  if (text !== 'Respect' && text !== 'Ignore') {
    throw new UsageError(`--preferences takes Respect or Ignore, not '${text}'.`);
  }
  return text;
};

const amount = (flags: Flags, name: string, most: number): number | undefined => {
  const text = flags.values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text === '' || !(value >= 0 && value <= most)) {
    const range = Number.isFinite(most) ? `from 0 to ${most}` : 'from 0';
    throw new UsageError(`--${name} takes a number ${range}, not '${text}'.`);
  }
  return value;
};

const interruptionOf = (flags: Flags): InterruptionPolicy | undefined => {
  const costPerPod = amount(flags, 'interruption-cost', Number.POSITIVE_INFINITY);
  const mostMonthlyPercent = amount(flags, 'max-interruption-percent', 100);
  const file = flags.values.get('interruption-rates');
  if (costPerPod === undefined && mostMonthlyPercent === undefined) {
    if (file === undefined) return undefined;
    throw new UsageError(
      '--interruption-rates does nothing without --interruption-cost or --max-interruption-percent.',
    );
  }
  return {
    ...(costPerPod !== undefined && { costPerPod }),
    ...(mostMonthlyPercent !== undefined && { mostMonthlyPercent }),
    ...(file !== undefined && { rates: ratesFrom(readJson('file of interruption rates', file)) }),
  };
};

/** The catalogue at the prices that are paid. */
const catalogueOf = (flags: Flags): Catalogue => {
  const catalogue = readCatalogue(wanted(flags, 'catalog'));
  const overlay = flags.values.get('price-overlay');
  return overlay === undefined
    ? catalogue
    : withOverlay(catalogue, overlayFrom(readJson('price overlay', overlay)));
};

/** Reads what all commands ask of the planner. Throws errors whose messages are one sentence. */
export const requestOf = async (
  { flags, clock, now, ...input }: Input,
  planName: string,
  timeBudget = '10s',
): Promise<RebalanceRequest> => {
  const catalogue = catalogueOf(flags);
  const interruption = interruptionOf(flags);
  const workloadPercent = percent(flags, 'max-workload-percent');
  const clusterPercent = percent(flags, 'max-cluster-percent');
  const hasRadius = workloadPercent !== undefined || clusterPercent !== undefined;
  const text = flags.values.get('scope');
  const scope = text === undefined ? undefined : scopeOf(text);
  const asked = {
    now: integer(flags, 'now', 0) ?? now,
    seed: integer(flags, 'seed', 0) ?? 1,
    timeBudgetMs: milliseconds(flags.values.get('time-budget') ?? timeBudget),
    constraints: constraintsOf(flags),
    aggressive: modeOf(flags),
    preferences: preferencesOf(flags),
  };
  const snapshot = await input.snapshot();
  if (scope && !snapshot.nodes.some((node) => isInScope(node, scope))) {
    throw new UsageError(`--scope ${text} takes in no node of the cluster.`);
  }
  return {
    snapshot,
    catalogue,
    ...(interruption && { interruption }),
    ...(hasRadius && {
      blastRadius: {
        ...(workloadPercent !== undefined && { workloadPercent }),
        ...(clusterPercent !== undefined && { clusterPercent }),
      },
    }),
    clock,
    planName: flags.values.get('name') ?? planName,
    ...(scope && { scope }),
    ...asked,
  };
};
