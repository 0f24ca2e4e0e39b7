import { Registry } from 'prom-client';
import t from 'tap';
import type { Features } from '../../api/features.ts';
import type { AutoscalerPolicySpec, PolicyName } from '../../api/kinds/autoscalerpolicy.ts';
import type { EvictorConfig } from '../../api/kinds/evictorconfig.ts';
import { createLogger } from '../../kube/component/log.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { until } from '../../kube/testing/until.ts';
import type { Caches } from '../caches.ts';
import { type PoliciesNow, policiesNow } from '../policies/settings.ts';
import type { Act, Note } from '../policies/status.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { evictorMetrics } from './metrics.ts';
import { evictContinuously } from './run.ts';
import { evictorSettings, heldSettings, overriddenPolicies } from './settings.ts';

/** The evictor by the autoscaling policies. */

const now = (spec: AutoscalerPolicySpec): PoliciesNow =>
  policiesNow({ object: { metadata: { name: 'default' }, spec }, absence: undefined, hasSynced: true }, {});
const evictorOf = (spec: AutoscalerPolicySpec) => {
  const read = now(spec);
  if (!read.known) throw new Error(read.message);
  return read.policies.evictor;
};
const config = (spec: EvictorConfig['spec']): EvictorConfig => ({ metadata: { name: 'default' }, spec });
/** The snippet of the seed, with the switches above it. */
const SEED: AutoscalerPolicySpec = {
  enabled: true,
  nodeDownscaler: {
    enabled: true,
    evictor: {
      enabled: true,
      dryRun: false,
      aggressiveMode: false,
      scopedMode: true,
      cycleInterval: '5s',
      allowed: true,
      nodeGracePeriodMinutes: 2,
    },
  },
};

t.test('the evictor is configured to run in scoped mode by the policies', async (t) => {
  t.match(evictorSettings(undefined, {}, evictorOf(SEED)), {
    enabled: true,
    dryRun: false,
    aggressiveMode: false,
    scopedMode: true,
    cycleIntervalMs: 5_000,
    nodeGraceMs: 120_000,
  });
  const backOff = { podEvictionFailureBackOffInterval: '7s', ignorePodDisruptionBudgets: true };
  const policy = evictorOf({ nodeDownscaler: { evictor: backOff } });
  t.match(evictorSettings(undefined, {}, policy), {
    enabled: false,
    failureBackOff: '7s',
    ignorePodDisruptionBudgets: true,
  });
});

t.test('allowed and status mean nothing', async (t) => {
  const without = evictorSettings(undefined, {}, { enabled: true });
  t.same(evictorSettings(undefined, {}, { enabled: true, allowed: false, status: 'Incompatible' }), without);
});

t.test('the EvictorConfig wins over the policies, and the ConfigMap over both', async (t) => {
  const policy = evictorOf(SEED);
  const own = config({ dryRun: true, cycleInterval: '30s' });
  const features: Features = { evictor: { cycleInterval: '10s' } };
  t.match(evictorSettings(own, features, policy), {
    enabled: true,
    dryRun: true,
    cycleIntervalMs: 10_000,
    scopedMode: true,
  });
  t.same([...overriddenPolicies(own, features, policy)].sort(), ['cycleInterval', 'dryRun']);
  t.match(evictorSettings(config({ enabled: false }), {}, policy), { enabled: false });
});

t.test('policies that nobody can read hold the evictor: they may say dryRun, or limits', async (t) => {
  const settings = evictorSettings(config({ enabled: true }), {});
  const unknown = policiesNow({ object: undefined, absence: 'forbidden', hasSynced: true }, {});
  const held = heldSettings(settings, { absence: undefined, policies: unknown, isRebalancerOn: true });
  t.match(held, {
    enabled: false,
    heldBy: { reason: 'SettingsUnknown', message: /grant list and watch on autoscalerpolicies/ },
  });
  const unserved = policiesNow({ object: undefined, absence: 'unserved', hasSynced: true }, {});
  t.match(heldSettings(settings, { absence: undefined, policies: unserved, isRebalancerOn: true }), {
    enabled: true,
  });
});

t.test('a switch counts while the evictor runs, and the record says what it does', async (t) => {
  const api = new MemoryApi({ now: Date.now });
  const listOf = { list: () => [], get: () => undefined, by: () => [] };
  const log = createLogger({ component: 'evictor-test', level: 'silent' });
  const ending = new AbortController();
  const said = new Map<PolicyName, Note>();
  const acts: Act['action'][] = [];
  let spec: AutoscalerPolicySpec = {};
  let isOn = true;
  const running = evictContinuously({
    client: memoryClient(api, async (_, serve) => serve()),
    caches: Object.fromEntries(CACHE_NAMES.map((kind) => [kind, listOf])) as unknown as Caches,
    configs: { get: () => undefined, hasSynced: true, absence: undefined },
    features: () => ({}),
    policies: () => now(spec),
    record: {
      note: (policy, state, message) => void said.set(policy, { state, message }),
      did: (_, action) => void acts.push(action),
      forget: (policy) => void said.delete(policy),
    },
    isEnabled: () => isOn,
    catalogue: async () => ({ instanceTypes: [] }),
    planning: async () => ({ plan: null, selectedNodes: [], skippedNodes: [] }),
    timeBudgetMs: () => 1_000,
    surgeByDefault: false,
    recorder: { event: () => {} } as never,
    metrics: evictorMetrics(new Registry()),
    audit: { note: () => {} },
    log,
    clock: { now: Date.now },
    signal: ending.signal,
  });
  const settled = (what: string, note: Partial<Note> | undefined) =>
    until(
      what,
      async () => {
        const found = said.get('evictor');
        const isIt =
          note === undefined
            ? found === undefined
            : found?.state === note.state && new RegExp(note.message ?? '').test(found?.message ?? '');
        if (!isIt) throw new Error(`it says ${JSON.stringify(found)}`);
        return true;
      },
      { timeoutMs: 60_000, everyMs: 50 },
    );
  try {
    spec = SEED;
    await settled('it looks for nodes', { state: 'Idle', message: 'no node may be drained' });
    isOn = false;
    await settled('the rebalancer holds it', { state: 'Held', message: 'the rebalancer is off' });
    spec = { ...SEED, nodeDownscaler: { enabled: false } };
    await settled('it has nothing to say', undefined);
    t.same(acts, []);
  } finally {
    ending.abort();
    await running;
  }
});
