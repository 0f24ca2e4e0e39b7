import t from 'tap';
import type { Features } from '../../api/features.ts';
import { parse } from '../../kube/component/options.ts';
import { options } from '../options.ts';
import { continuousSettings, pollingPeriodMs, searchDepth } from './settings.ts';

const MINUTE = 60_000;
const read = (env: Readonly<Record<string, string>> = {}) =>
  parse(options, { argv: [], env, name: 'castai-kentroller' });
const all = (env: Readonly<Record<string, string>>, features: Features = {}) => {
  const o = read(env);
  return {
    ...continuousSettings(o, features),
    depth: searchDepth(o, features),
    everyMs: pollingPeriodMs(o, features),
  };
};

t.test('the defaults of every CONTINUOUS_REBALANCING variable', async (t) => {
  t.same(all({}), {
    enabled: false,
    mode: 'full',
    minNodeAgeMs: 5 * MINUTE,
    minNodes: 1,
    maxNodes: 100,
    moveWeight: 0.4,
    thresholdPercent: 0,
    thresholdMonthly: 50,
    podMoveCooldownMs: 0,
    failureBackoffMs: 30 * MINUTE,
    aggressive: {},
    depth: 20,
    everyMs: 10_000,
  });
});

const VARIABLES: readonly (readonly [string, string, object])[] = [
  ['ENABLED', 'true', { enabled: true }],
  ['MODE', 'delete-empty', { mode: 'delete-empty' }],
  ['MIN_NODE_AGE', '1h', { minNodeAgeMs: 60 * MINUTE }],
  ['MIN_NODES_TO_CONSIDER', '4', { minNodes: 4 }],
  ['MAX_NODES_PER_ITERATION', '7', { maxNodes: 7 }],
  ['MAX_BINARY_SEARCH_DEPTH', '3', { depth: 3 }],
  ['MOVE_WEIGHT', '0.25', { moveWeight: 0.25 }],
  ['SAVINGS_THRESHOLD_PERCENT', '12.5', { thresholdPercent: 12.5 }],
  ['SAVINGS_THRESHOLD_COST_MONTHLY', '75', { thresholdMonthly: 75 }],
  ['POD_MOVE_COOLDOWN', '1h', { podMoveCooldownMs: 60 * MINUTE }],
  ['FAILURE_BACKOFF_DURATION', '10m', { failureBackoffMs: 10 * MINUTE }],
  ['POLLING_PERIOD', '1s', { everyMs: 1_000 }],
];
for (const [variable, value, expected] of VARIABLES) {
  t.test(`CONTINUOUS_REBALANCING_${variable} is read`, async (t) => {
    t.match(all({ [`CONTINUOUS_REBALANCING_${variable}`]: value }), expected);
  });
}

t.test('a ConfigMap wins over every variable', async (t) => {
  const found = all(
    { CONTINUOUS_REBALANCING_MODE: 'full', CONTINUOUS_REBALANCING_POLLING_PERIOD: '1s' },
    {
      continuousRebalancing: {
        enabled: true,
        mode: 'drain-only',
        minNodeAgeSeconds: 60,
        minNodesToConsider: 2,
        maxNodesPerIteration: 3,
        maxBinarySearchDepth: 4,
        moveWeight: 0,
        savingsThresholdPercent: 5,
        savingsThresholdCostMonthly: 6,
        podMoveCooldownSeconds: 9,
        failureBackoffSeconds: 7,
        pollingPeriodSeconds: 8,
        aggressiveModeConfig: { ignoreBlockingPDB: true },
      },
    },
  );
  t.same(found, {
    enabled: true,
    mode: 'drain-only',
    minNodeAgeMs: MINUTE,
    minNodes: 2,
    maxNodes: 3,
    moveWeight: 0,
    thresholdPercent: 5,
    thresholdMonthly: 6,
    podMoveCooldownMs: 9_000,
    failureBackoffMs: 7_000,
    aggressive: { ignoreBlockingPDB: true },
    depth: 4,
    everyMs: 8_000,
  });
});

t.test('without the rebalancer there is no cycle either', async (t) => {
  const on = { CONTINUOUS_REBALANCING_ENABLED: 'true' };
  t.equal(all(on).enabled, true);
  t.equal(all({ ...on, REBALANCER_ENABLED: 'false' }).enabled, false);
  t.equal(all(on, { rebalancer: { enabled: false } }).enabled, false);
});

t.test('REBALANCER_MAX_CONCURRENT_RECONCILES is 10, and a wrong API_URL says what is allowed', async (t) => {
  t.equal(read().rebalancerMaxConcurrentReconciles, 10);
  t.equal(read({ REBALANCER_MAX_CONCURRENT_RECONCILES: '2' }).rebalancerMaxConcurrentReconciles, 2);
  t.throws(() => read({ API_URL: 'api.example.com' }), { message: /API_URL.*https:\/\/api\.example\.com/s });
});

t.test('NODE_CONSOLIDATION_MAX_CONCURRENT_RECONCILES is 10, and node consolidation is off', async (t) => {
  t.equal(read().nodeConsolidationMaxConcurrentReconciles, 10);
  t.equal(
    read({ NODE_CONSOLIDATION_MAX_CONCURRENT_RECONCILES: '2' }).nodeConsolidationMaxConcurrentReconciles,
    2,
  );
  t.equal(read().nodeConsolidationEnabled, false);
});
