import { stringify } from 'yaml';
import { GROUP_VERSION } from '../api/labels.ts';
import type { RebalancePlanSpec, Savings } from '../api/rebalanceplan.ts';
import { type AggressiveMode, isInScope, type NodeConstraints, type Scope } from '../planner/candidate.ts';
import { overlayFrom, withOverlay } from '../planner/overlay.ts';
import { DEFAULT_PREFERENCES, type Preferences } from '../planner/preference.ts';
import { provision } from '../planner/provision.ts';
import { type RebalanceRequest, rebalance } from '../planner/rebalance.ts';
import type { Snapshot } from '../planner/snapshot.ts';
import { type Flags, UsageError } from './flags.ts';
import { readCatalogue, readJson } from './read.ts';

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

/** What a command prints, and its exit code. */
export interface Outcome {
  readonly out: string;
  readonly err: readonly string[];
  readonly code: 0 | 1 | 3;
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

/** Writes a value in the form that -o asks for. */
export const format = (value: unknown, output: string | undefined): string => {
  switch (output ?? 'json') {
    case 'json':
      return `${JSON.stringify(value, null, 2)}\n`;
    case 'yaml':
      return stringify(value);
    default:
      throw new UsageError(`-o takes json or yaml, not '${output}'.`);
  }
};

const planObject = (name: string, spec: RebalancePlanSpec, savings: Savings | undefined) => ({
  apiVersion: GROUP_VERSION,
  kind: 'RebalancePlan',
  metadata: { name },
  spec,
  ...(savings && { status: { savings } }),
});

/** What it costs that a node may not hold more of a workload or of the cluster. */
const radiusCost = (limited: Savings | undefined, free: Savings | undefined): string => {
  const cost =
    Number(free?.projectedSavingsCostMonthly ?? 0) - Number(limited?.projectedSavingsCostMonthly ?? 0);
  return `The limits on what one node may hold cost ${Math.max(0, cost).toFixed(2)} USD a month.`;
};

const EMPTY_PLAN: RebalancePlanSpec = {
  execute: false,
  nodeClaimsToAdd: [],
  nodeClaimsToDelete: [],
  podsToMigrate: [],
};

/** Reads what all commands ask of the planner. Throws errors whose messages are one sentence. */
export const requestOf = async (
  { flags, clock, now, ...input }: Input,
  planName: string,
): Promise<RebalanceRequest> => {
  const catalogue = readCatalogue(wanted(flags, 'catalog'));
  const overlay = flags.values.get('price-overlay');
  const workloadPercent = percent(flags, 'max-workload-percent');
  const clusterPercent = percent(flags, 'max-cluster-percent');
  const hasRadius = workloadPercent !== undefined || clusterPercent !== undefined;
  const text = flags.values.get('scope');
  const scope = text === undefined ? undefined : scopeOf(text);
  const asked = {
    now: integer(flags, 'now', 0) ?? now,
    seed: integer(flags, 'seed', 0) ?? 1,
    timeBudgetMs: milliseconds(flags.values.get('time-budget') ?? '10s'),
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
    catalogue:
      overlay === undefined
        ? catalogue
        : withOverlay(catalogue, overlayFrom(readJson('price overlay', overlay))),
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

/** `plan rebalance|provision`: prints one RebalancePlan. Throws errors whose messages are one sentence. */
export const planCommand = async (input: Input): Promise<Outcome> => {
  const { flags } = input;
  const what = flags.words[1];
  if (what !== 'rebalance' && what !== 'provision') {
    throw new UsageError(`plan takes rebalance or provision, not '${what ?? ''}'.`);
  }
  const request = await requestOf(input, what);
  const { planName } = request;
  const output = flags.values.get('output');
  if (what === 'rebalance') {
    const result = rebalance(request);
    const { blastRadius, ...free } = request;
    const without = blastRadius && rebalance(free);
    return {
      out: format(planObject(planName, result.plan?.spec ?? EMPTY_PLAN, result.plan?.savings), output),
      err: [
        ...(result.reason ? [result.reason] : []),
        ...(without ? [radiusCost(result.plan?.savings, without.plan?.savings)] : []),
        ...result.skippedNodes.map((each) => `Node ${each.name} is left out: ${each.reasons.join('; ')}.`),
      ],
      code: 0,
    };
  }
  const result = provision(request);
  return {
    out: format(planObject(planName, result.plan?.spec ?? EMPTY_PLAN, result.plan?.savings), output),
    err: [
      ...(result.reason ? [result.reason] : []),
      ...result.unplaced.map((each) => `Pod ${each.namespace}/${each.name} can't be placed: ${each.reason}.`),
    ],
    code: result.unplaced.length > 0 ? 3 : 0,
  };
};
