import type { Registry } from 'prom-client';
import { Gauge } from 'prom-client';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { HOURS_PER_MONTH } from '../../api/labels.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { isAlreadyExists, isConflict, isRetryable, messageOf } from '../../kube/errors.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import { isDone, savedMonthly } from './metrics.ts';
import { addPlan, emptyTotals, parseTotals, type SavingsTotals, savedUntil } from './totals.ts';

/** The ConfigMap with the savings since the installation; it outlives plans and processes. */
export const SAVINGS_CONFIG_MAP = 'castai-kentroller-savings';
const KEY = 'ledger.json';
const FIELD_MANAGER = 'castai-kentroller-savings';

export interface SavingsStore {
  /**
   * Adds the savings of a completed plan, once, however often it is called. Throws a conflict or a retryable error, so
   * that the plan keeps its finalizer until it is counted.
   */
  add(plan: RebalancePlan, signal: AbortSignal): Promise<void>;
}

interface StoredTotals {
  readonly totals: SavingsTotals;
  readonly resourceVersion?: string;
}

export const openSavingsStore = async (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly log: Logger;
  readonly now: () => number;
  readonly registry?: Registry;
  readonly signal: AbortSignal;
}): Promise<SavingsStore> => {
  const { client, namespace, log, now } = o;
  const metadata = { name: SAVINGS_CONFIG_MAP, namespace };
  let known: SavingsTotals | undefined;

  const parse = (text: string | undefined): SavingsTotals => {
    if (text === undefined) return emptyTotals(now());
    try {
      return parseTotals(text);
    } catch (error) {
      const reason = messageOf(error);
      log.warn(
        { configMap: SAVINGS_CONFIG_MAP, reason },
        'stored savings cannot be parsed, starting from zero',
      );
      return emptyTotals(now());
    }
  };

  const read = async (signal: AbortSignal): Promise<StoredTotals> => {
    const configMap = await getOrUndefined(client.get(CONFIG_MAPS, metadata, { signal }));
    const resourceVersion = configMap?.metadata.resourceVersion;
    return { totals: parse(configMap?.data?.[KEY]), ...(resourceVersion && { resourceVersion }) };
  };

  const dataOf = (totals: SavingsTotals): Record<string, string> => ({
    [KEY]: JSON.stringify(totals),
    summary: `${totals.plans} plans since ${totals.since} save ${totals.monthly.toFixed(2)} USD a month; ${savedUntil(totals, now()).toFixed(2)} USD were saved by ${new Date(now()).toISOString()}`,
  });

  const write = async ({ totals, resourceVersion }: StoredTotals, signal: AbortSignal): Promise<void> => {
    const data = dataOf(totals);
    if (resourceVersion === undefined) {
      await client.create(CONFIG_MAPS, { metadata, data }, { signal });
      return;
    }
    const body = { metadata: { resourceVersion }, data };
    await client.patch(CONFIG_MAPS, metadata, body, { fieldManager: FIELD_MANAGER, signal });
  };

  try {
    known = (await read(o.signal)).totals;
  } catch (error) {
    o.signal.throwIfAborted();
    log.warn({ err: error }, 'stored savings could not be read');
  }

  if (o.registry) {
    const gauge = (name: string, help: string, value: (totals: SavingsTotals) => number): void => {
      new Gauge({
        name,
        help,
        registers: o.registry ? [o.registry] : [],
        collect() {
          if (known) this.set(value(known));
        },
      });
    };
    gauge('kentroller_saved_usd_since_install', 'USD saved by plans since the installation', (l) =>
      savedUntil(l, now()),
    );
    gauge(
      'kentroller_saved_monthly_usd_since_install',
      'USD per month saved by all plans since the installation, deleted ones included',
      (l) => l.monthly,
    );
    gauge(
      'kentroller_plans_done_since_install',
      'RebalancePlans completed since the installation',
      (l) => l.plans,
    );
  }

  return {
    add: async (plan, signal) => {
      if (!isDone(plan)) return;
      try {
        const { uid = '' } = plan.metadata;
        const endedAt = Date.parse(plan.status?.completionTime ?? '') || now();
        const before = await read(signal);
        const totals = addPlan(before.totals, { uid, endedAt, monthly: savedMonthly(plan) }, HOURS_PER_MONTH);
        if (totals !== before.totals) await write({ ...before, totals }, signal);
        known = totals;
      } catch (error) {
        if (signal.aborted || isConflict(error) || isAlreadyExists(error) || isRetryable(error)) throw error;
        // Any other error must not keep a completed plan from being deleted.
        log.warn({ err: error, plan: plan.metadata.name }, 'savings of a plan could not be recorded');
      }
    },
  };
};
