import { parseDuration } from '../api/duration.ts';
import { isInScope, type NodeConstraints, type Scope } from '../planner/cluster/candidate.ts';
import type { AggressiveMode } from '../planner/cluster/evictionblocker.ts';
import type { Catalogue } from '../planner/model/catalogue.ts';
import { hasAmounts, parsePriceOverlay, withPriceOverlay } from '../planner/model/discounts.ts';
import { type InterruptionPolicy, parseInterruptionRates } from '../planner/model/interruption.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import type { RebalanceRequest } from '../planner/rebalance.ts';
import { DEFAULT_PREFERENCES, type Preferences } from '../planner/scheduling/preferences.ts';
import { checkRegions } from './files/unseen.ts';
import { type Flags, UsageError } from './flags.ts';
import { readJson } from './inputfiles.ts';
import { type Keep, keeping, keepsOf } from './keep.ts';
import { type PriceSource, priceCatalogue, type ReadLive } from './prices/pricedcatalogue.ts';

export const PLAN_FLAGS = [
  'snapshot',
  'kubeconfig',
  'catalog',
  'prices',
  'keep',
  'region',
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
  'commitments',
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

/** The input of every command: flags, cluster and time. */
export interface Input {
  readonly flags: Flags;
  /** Reads the cluster; called once the flags are valid. */
  readonly readSnapshot: () => Promise<Snapshot>;
  readonly readLive: ReadLive;
  /** Says what is done from now on. */
  readonly step?: (what: string) => void;
  /** Milliseconds since an arbitrary start; measures the time budget. */
  readonly clock: () => number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const readInteger = (flags: Flags, name: string, minimum: number): number | undefined => {
  const text = flags.values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < minimum) {
    throw new UsageError(`--${name} must be a whole number of at least ${minimum}, not '${text}'.`);
  }
  return value;
};

/** A percentage; 0 is one too where `canBeZero`. */
const readPercent = (flags: Flags, name: string, canBeZero = false): number | undefined => {
  const text = flags.values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text !== '' && value <= 100 && (value > 0 || (canBeZero && value === 0))) return value;
  throw new UsageError(
    `--${name} must be a number ${canBeZero ? 'from 0' : 'above 0 and'} up to 100, not '${text}'.`,
  );
};

/** The time budget in milliseconds. */
const timeBudgetOf = (text: string): number => {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined)
    throw new UsageError(`--time-budget must be a duration such as 500ms, 10s or 1m, not '${text}'.`);
  return milliseconds;
};

/** The scope of `--scope node-a,node-b`, by name, or of `--scope key=value,...`, by labels. */
const scopeOf = (text: string): Scope => {
  const parts = text.split(',');
  if (parts.every((part) => !part.includes('='))) return { nodeNames: parts };
  const matchExpressions = parts.map((part) => {
    const [key = '', value] = part.split('=');
    if (key === '' || value === undefined)
      throw new UsageError(`--scope must be node names or key=value pairs, not '${part}'.`);
    return { key, operator: 'In' as const, values: [value] };
  });
  return { nodeSelector: { nodeSelectorTerms: [{ matchExpressions }] } };
};

const constraintsOf = (flags: Flags): NodeConstraints => {
  const maxNodes = readInteger(flags, 'max-nodes', 1);
  const minAgeSeconds = readInteger(flags, 'min-age-seconds', 0);
  const minClusterSize = readInteger(flags, 'min-cluster-size', 0);
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
    throw new UsageError(`--preferences must be Respect or Ignore, not '${text}'.`);
  }
  return text;
};

const readAmount = (flags: Flags, name: string, maximum: number): number | undefined => {
  const text = flags.values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text === '' || !(value >= 0 && value <= maximum)) {
    const range = Number.isFinite(maximum) ? `from 0 to ${maximum}` : 'of at least 0';
    throw new UsageError(`--${name} must be a number ${range}, not '${text}'.`);
  }
  return value;
};

const interruptionOf = (flags: Flags): InterruptionPolicy | undefined => {
  const costPerPod = readAmount(flags, 'interruption-cost', Number.POSITIVE_INFINITY);
  const mostMonthlyPercent = readAmount(flags, 'max-interruption-percent', 100);
  const file = flags.values.get('interruption-rates');
  if (costPerPod === undefined && mostMonthlyPercent === undefined) {
    if (file === undefined) return undefined;
    throw new UsageError(
      '--interruption-rates has no effect without --interruption-cost or --max-interruption-percent.',
    );
  }
  return {
    ...(costPerPod !== undefined && { costPerPod }),
    ...(mostMonthlyPercent !== undefined && { mostMonthlyPercent }),
    ...(file !== undefined && {
      rates: parseInterruptionRates(readJson('file of interruption rates', file)),
    }),
  };
};

/**
 * The discounts of --price-overlay as a change of a catalogue, and the cluster's part of the account's commitments in
 * percent, where it is said: an overlay with amounts counts in place of what the account tells.
 */
const discountsOf = (
  flags: Flags,
): { readonly withDiscounts: (catalogue: Catalogue) => Catalogue; readonly share: number | undefined } => {
  const share = readPercent(flags, 'commitments', true);
  const file = flags.values.get('price-overlay');
  if (file === undefined) return { withDiscounts: (catalogue) => catalogue, share };
  const overlay = parsePriceOverlay(readJson('price overlay', file));
  const replaces = hasAmounts(overlay);
  if (replaces && share) {
    throw new UsageError(
      'Use either --commitments or a --price-overlay with amounts: both say what is committed to.',
    );
  }
  return { withDiscounts: (catalogue) => withPriceOverlay(catalogue, overlay), share: replaces ? 0 : share };
};

/** What the planner is asked, and where its prices come from. */
export type Request = RebalanceRequest & {
  readonly prices: PriceSource;
  /** What --keep names, and the cluster as it is, of which `snapshot` ties pods to their kinds of machine. */
  readonly keeps: readonly Keep[];
  readonly unkept: Snapshot;
};

/** Builds the planner's request from flags and cluster. Throws UsageError, or the error of the file that is invalid. */
export const requestOf = async (
  { flags, clock, now, ...input }: Input,
  planName: string,
  timeBudget = '10s',
): Promise<Request> => {
  const { withDiscounts, share } = discountsOf(flags);
  const keeps = keepsOf(flags.values.get('keep'));
  const interruption = interruptionOf(flags);
  const workloadPercent = readPercent(flags, 'max-workload-percent');
  const clusterPercent = readPercent(flags, 'max-cluster-percent');
  const hasBlastRadius = workloadPercent !== undefined || clusterPercent !== undefined;
  const scopeText = flags.values.get('scope');
  const scope = scopeText === undefined ? undefined : scopeOf(scopeText);
  const settings = {
    now: readInteger(flags, 'now', 0) ?? now,
    seed: readInteger(flags, 'seed', 0) ?? 1,
    timeBudgetMs: timeBudgetOf(flags.values.get('time-budget') ?? timeBudget),
    constraints: constraintsOf(flags),
    aggressive: modeOf(flags),
    preferences: preferencesOf(flags),
  };
  const snapshot = await input.readSnapshot();
  const { catalogue, prices } = await priceCatalogue(flags, snapshot, { readLive: input.readLive, share });
  checkRegions(snapshot, catalogue);
  if (scope && !snapshot.nodes.some((node) => isInScope(node, scope))) {
    throw new UsageError(`--scope ${scopeText} matches no node of the cluster.`);
  }
  input.step?.('Searching for places for the pods');
  return {
    snapshot: keeping(snapshot, keeps, catalogue),
    keeps,
    unkept: snapshot,
    catalogue: withDiscounts(catalogue),
    prices,
    ...(interruption && { interruption }),
    ...(hasBlastRadius && {
      blastRadius: {
        ...(workloadPercent !== undefined && { workloadPercent }),
        ...(clusterPercent !== undefined && { clusterPercent }),
      },
    }),
    clock,
    planName: flags.values.get('name') ?? planName,
    ...(scope && { scope }),
    ...settings,
  };
};
