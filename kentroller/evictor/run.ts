import { setTimeout as sleep } from 'node:timers/promises';
import type { Features } from '../../api/features.ts';
import { EVICTOR_CONFIG, type EvictorConfig, type EvictorStatus } from '../../api/kinds/evictorconfig.ts';
import type { Cache } from '../../kube/cache/cache.ts';
import type { Logger } from '../../kube/component/log.ts';
import { RefusedWrites } from '../../kube/controller/refusedwrites.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Audit } from '../audit/trail.ts';
import { backoffAfter } from '../continuous/decide.ts';
import type { PlanSearchOptions } from '../plansearch.ts';
import type { PolicyRecord } from '../policies/record.ts';
import type { Policies, PoliciesNow } from '../policies/settings.ts';
import { runCycle } from './cycle.ts';
import type { EvictorMetrics } from './metrics.ts';
import { EVICTOR } from './moves.ts';
import {
  type EvictorSettings,
  evictorSettings,
  heldSettings,
  overriddenPolicies,
  overriddenSettings,
} from './settings.ts';
import { type Outcome, statusAfter, writeStatus } from './status.ts';
import { untaint } from './untaint.ts';

/** Time between looks at the settings, so that a change counts at once. */
const LOOK_MS = 1_000;
/** Time between looks for soft taints that are over, whatever cycles do. */
const UNTAINT_MS = 10_000;
const FAILURE_BACKOFF_MS = 5 * 60_000;

export interface EvictorOptions extends PlanSearchOptions {
  readonly configs: Pick<Cache<EvictorConfig>, 'get' | 'hasSynced' | 'absence'>;
  readonly features: () => Features;
  /** The autoscaling policies in force; none where left out. */
  readonly policies?: () => PoliciesNow;
  readonly record?: PolicyRecord;
  /** Whether plans may start. */
  readonly isEnabled: () => boolean;
  readonly metrics: EvictorMetrics;
  readonly audit: Audit;
  readonly log: Logger;
}

interface Now {
  readonly config: EvictorConfig | undefined;
  readonly settings: EvictorSettings;
  readonly overridden: readonly string[];
  readonly policy: Policies['evictor'];
  readonly overriddenPolicies: readonly string[];
}

const readSettings = (o: EvictorOptions): Now => {
  const config = o.configs.get(EVICTOR_CONFIG);
  const policies = o.policies?.();
  const policy = policies?.known ? policies.policies.evictor : undefined;
  const settings = evictorSettings(config, o.features(), policy);
  return {
    config,
    settings: heldSettings(settings, {
      absence: o.configs.absence,
      ...(policies && { policies }),
      isRebalancerOn: o.isEnabled(),
    }),
    overridden: overriddenSettings(config, o.features()),
    policy,
    overriddenPolicies: overriddenPolicies(config, o.features(), policy),
  };
};

/** Whether nothing is known yet of what may keep pods where they are. */
const isReading = ({ configs, policies }: EvictorOptions): boolean => {
  const now = policies?.();
  return !configs.hasSynced || (now !== undefined && !now.known && now.reason === 'PoliciesNotRead');
};

/** Tells the AutoscalerPolicy what the evictor does, or what keeps it from what the policies say. */
const tell = (record: PolicyRecord | undefined, now: Now, outcome: Outcome): void => {
  const { settings, policy } = now;
  const over =
    now.overriddenPolicies.length > 0 ? `; others override ${now.overriddenPolicies.join(', ')}` : '';
  const say = (state: 'Acting' | 'Idle' | 'Held', what: string): void =>
    record?.note('evictor', state, what + over);
  if (outcome.result === 'planned') record?.did('evictor', outcome.message);
  if (settings.heldBy) say('Held', settings.heldBy.message);
  else if (settings.enabled) say(outcome.result === 'planned' ? 'Acting' : 'Idle', outcome.message);
  else if (policy?.enabled) say('Held', 'the EvictorConfig or the features ConfigMap turns it off');
  else record?.forget('evictor');
};

const count = ({ cycles, nodes, pods }: EvictorMetrics, { result, ...outcome }: Outcome): void => {
  cycles.inc({ result });
  if (outcome.nodes.length === 0) return;
  nodes.inc({ result }, outcome.nodes.length);
  pods.inc(
    { result },
    outcome.nodes.reduce((sum, node) => sum + node.pods, 0),
  );
};

/** Takes soft taints off as their cooldowns end, also while the evictor is off or searches. */
const untaintContinuously = async (o: EvictorOptions, log: Logger): Promise<void> => {
  const { client, caches, clock, signal } = o;
  while (!signal.aborted) {
    if (!isReading(o)) {
      const { cooldownMs } = readSettings(o).settings;
      await untaint({ client, caches, now: clock.now(), cooldownMs, log, signal });
    }
    await sleep(UNTAINT_MS, undefined, { signal }).catch(() => {});
  }
};

/** Runs cycles until the signal aborts, and one at once when the settings change; a failed cycle is backed off. */
export const evictContinuously = async (o: EvictorOptions): Promise<void> => {
  const log = o.log.child({ logger: EVICTOR });
  const object = { kind: 'EvictorConfig', name: EVICTOR_CONFIG };
  let dueAt = 0;
  let known = '';
  let said = '';
  let failures = 0;
  let written: { uid: string | undefined; status: EvictorStatus | undefined } | undefined;
  const writes = new RefusedWrites({
    log,
    now: o.clock.now,
    message: 'the status of the EvictorConfig is refused',
  });

  const cycle = async (now: Now): Promise<void> => {
    const { config, settings, overridden } = now;
    let outcome: Outcome;
    try {
      outcome = await runCycle(o, settings, () => readSettings(o).settings);
      failures = 0;
      dueAt = o.clock.now() + settings.cycleIntervalMs;
    } catch (error) {
      if (o.signal.aborted) return;
      failures += 1;
      const waitMs = backoffAfter(failures, FAILURE_BACKOFF_MS, error, settings.cycleIntervalMs);
      dueAt = o.clock.now() + waitMs;
      log.warn({ err: error, retryMs: waitMs }, 'evictor cycle failed');
      outcome = { result: 'failed', message: messageOf(error), plans: [], nodes: [], skipped: [] };
    }
    count(o.metrics, outcome);
    tell(o.record, now, outcome);
    // Repeated every few seconds, the same outcome would hide everything else.
    if (outcome.message !== said) {
      log.info({ outcome: outcome.message }, 'evictor cycle');
      const reason = outcome.result === 'failed' ? 'EvictorCycleFailed' : 'EvictorCycle';
      o.audit.note({ kind: 'decision', object, reason, message: outcome.message });
    }
    said = outcome.message;
    if (!config) return;
    const { uid } = config.metadata;
    const before = written?.uid === uid ? written?.status : config.status;
    const status = statusAfter(config, settings, overridden, outcome, o.clock.now());
    try {
      await writes.attempt(`${EVICTOR_CONFIG}/${uid}`, async () => {
        written = { uid, status: await writeStatus(o.client, config, before, status, o.signal) };
      });
    } catch (error) {
      if (!o.signal.aborted) log.warn({ err: error }, 'the status of the EvictorConfig was not written');
    }
  };

  const untainting = untaintContinuously(o, log);
  while (!o.signal.aborted) {
    // Its dryRun may be what keeps pods from being moved, so nothing is done before it is known.
    if (!isReading(o)) {
      const now = readSettings(o);
      o.metrics.enabled.set(now.settings.enabled ? 1 : 0);
      const { config, settings, overridden } = now;
      const key = JSON.stringify([config?.metadata.uid, settings, overridden, now.policy]);
      if (key !== known || o.clock.now() >= dueAt) await cycle(now);
      known = key;
    }
    await sleep(LOOK_MS, undefined, { signal: o.signal }).catch(() => {});
  }
  await untainting;
};
