import { type EvictorConfig, type EvictorStatus, evictorConfig } from '../../api/kinds/evictorconfig.ts';
import { fitting } from '../../api/kinds/fit.ts';
import { EVICTOR_CONFIGS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import type { CycleResult } from './metrics.ts';
import type { EvictorSettings } from './settings.ts';

const fitStatus = fitting<EvictorStatus>(evictorConfig.shape.status.unwrap());

/** Time for which a status that only differs in the cycle's time is not written again. */
const QUIET_MS = 60_000;

/** What one cycle did. */
export interface Outcome {
  readonly result: CycleResult;
  /** What it did, or why it did nothing, in a few words. */
  readonly message: string;
  readonly plans: readonly string[];
  readonly nodes: readonly { readonly name: string; readonly pods: number }[];
  readonly skipped: readonly { readonly name: string; readonly reasons: readonly string[] }[];
}

/** The condition Active: whether the evictor drains nodes, and which settings of the object do not count. */
const activeCondition = (
  settings: Pick<EvictorSettings, 'enabled' | 'dryRun' | 'heldBy'>,
  overridden: readonly string[],
): { status: 'True' | 'False'; reason: string; message: string } => {
  const over = overridden.length > 0 ? ` The features ConfigMap overrides ${overridden.join(', ')}.` : '';
  if (settings.heldBy) {
    const { reason, message } = settings.heldBy;
    return { status: 'False', reason, message: `It does nothing: ${message}.${over}` };
  }
  if (!settings.enabled) return { status: 'False', reason: 'Disabled', message: `It is not enabled.${over}` };
  return settings.dryRun
    ? {
        status: 'False',
        reason: 'DryRun',
        message: `It says what it would drain, and drains nothing.${over}`,
      }
    : { status: 'True', reason: 'Enabled', message: `It drains nodes whose pods fit elsewhere.${over}` };
};

/** The status of an EvictorConfig after a cycle. */
export const statusAfter = (
  config: EvictorConfig,
  settings: EvictorSettings,
  overridden: readonly string[],
  outcome: Outcome,
  now: number,
): EvictorStatus => {
  const at = new Date(now).toISOString();
  const active = activeCondition(settings, overridden);
  const before = config.status?.conditions?.find(({ type }) => type === 'Active');
  const since = before?.status === active.status ? before.lastTransitionTime : undefined;
  const { generation } = config.metadata;
  return fitStatus({
    lastCycleTime: at,
    outcome: outcome.message,
    plans: [...outcome.plans],
    nodes: outcome.nodes.map((node) => ({ ...node })),
    skippedNodes: outcome.skipped.map(({ name, reasons }) => ({ name, reasons: [...reasons] })),
    ...(generation !== undefined && { observedGeneration: generation }),
    conditions: [{ type: 'Active', ...active, lastTransitionTime: since ?? at }],
  });
};

const withoutTime = ({ lastCycleTime: _, ...rest }: EvictorStatus): string => JSON.stringify(rest);

/** Whether a status says more than the one before: something else than the time, or that a minute later. */
const isWorthWriting = (before: EvictorStatus | undefined, next: EvictorStatus): boolean =>
  before === undefined ||
  withoutTime(before) !== withoutTime(next) ||
  Date.parse(next.lastCycleTime ?? '') - Date.parse(before.lastCycleTime ?? '') >= QUIET_MS;

/** Writes the status; the last one written, where this one says no more. */
export const writeStatus = async (
  client: KubeClient,
  config: EvictorConfig,
  before: EvictorStatus | undefined,
  status: EvictorStatus,
  signal: AbortSignal,
): Promise<EvictorStatus | undefined> => {
  if (!isWorthWriting(before, status)) return before;
  const ref = { name: config.metadata.name };
  await client
    .patch(EVICTOR_CONFIGS, ref, { status }, { subresource: 'status', signal })
    .catch(ignoreNotFound);
  return status;
};
