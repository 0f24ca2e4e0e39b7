import { Registry } from 'prom-client';
import t from 'tap';
import { HOSTNAME } from '../../api/labels.ts';
import type { NodeClaim, Pod } from '../../api/objects.ts';
import { EVENTS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import type { Caches } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { policiesNow } from '../policies/settings.ts';
import type { PlanningRequest } from '../rebalanceplanclaim/plannerworker.ts';
import { countRefusals, verified } from '../rebalanceplanclaim/verified.ts';
import { dieAtEachWrite } from '../testing/crash.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { EXPIRY } from './expiry.ts';
import { type ExpiringOptions, replaceExpiring, replaceExpiringNow } from './replaceexpiring.ts';
import type { ExpirySettings } from './settings.ts';

/** Plans for nodes that expire, on a real API server, by the real planner; nodes and pods are in memory. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'expiry-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'expiry-test', level: 'silent' });
const stopping = new AbortController();
const { signal } = stopping;
const SOON = { timeoutMs: 120_000, everyMs: 50 };
const NODE = `expiring-${process.pid}`;
/** Policies that nobody has set. */
const NO_POLICIES = policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {});
const SETTINGS: ExpirySettings = { enabled: true, leadMs: 3_600_000, maxNodes: 5, maxPricePercent: 120 };

/** A node whose life is over in ten minutes, and what it runs. */
const { node, claim: made } = makeNode(NODE, { labels: { [HOSTNAME]: NODE } });
const CLAIM: NodeClaim = {
  ...made,
  metadata: { ...made.metadata, creationTimestamp: new Date(Date.now() - 50 * 60_000).toISOString() },
  spec: { ...made.spec, expireAfter: '1h' },
};
let pods: readonly Pod[] = [];
const movable = makePod('web-1', { node: NODE, cpu: 3_000 });

const plans = createCache({ client, log, resource: REBALANCE_PLANS, labelSelector: `${MADE_BY}=${EXPIRY}` });
const listOf = <T>(items: () => readonly T[]) => ({ list: items, get: () => undefined, by: () => items() });
const caches = {
  ...Object.fromEntries(CACHE_NAMES.map((kind) => [kind, { ...listOf(() => []), resource: {} }])),
  plans,
  nodes: { list: () => [node], get: (name: string) => (name === NODE ? node : undefined), by: () => [node] },
  nodeClaims: listOf(() => [CLAIM]),
  nodePools: listOf(() => [makePool()]),
  pods: listOf(() => pods),
} as unknown as Caches;

const refusals = countRefusals(new Registry());
let settings = SETTINGS;
const registry = new Registry();
const options = (api: KubeClient = client, alive = signal): ExpiringOptions => ({
  client: api,
  caches,
  catalogue: async () => machines,
  planning: verified(async (request) => rebalance({ ...request, rounds: 20 }), {
    source: 'expiry',
    refusals,
    log,
  }),
  timeBudgetMs: () => 1_000,
  surgeByDefault: false,
  recorder: createRecorder({ client, component: 'expiry-test', log }),
  settings: () => settings,
  policies: () => NO_POLICIES,
  registry: new Registry(),
  log,
  clock: { now: Date.now },
  signal: alive,
});

const ours = async () =>
  (await client.list(REBALANCE_PLANS, { labelSelector: `${MADE_BY}=${EXPIRY}` })).items;
const clear = async (): Promise<void> => {
  for (const { metadata } of await ours())
    await client.delete(REBALANCE_PLANS, { name: metadata.name }).catch(ignoreNotFound);
  await until('the cache shows no plan', () => plans.list().length === 0, SOON);
};
const eventsOf = async (name: string): Promise<readonly string[]> => {
  const { items } = await client.list(EVENTS, { fieldSelector: `involvedObject.name=${name}` });
  return items.map(({ reason, message }) => `${reason}: ${message}`);
};

t.before(async () => {
  await client.create(NODES, { metadata: { name: NODE, labels: { [HOSTNAME]: NODE } } });
  plans.start(signal);
  await plans.synced(signal);
  await clear();
});
t.beforeEach(() => {
  pods = [movable];
  settings = SETTINGS;
});
t.teardown(async () => {
  await clear();
  await client.delete(NODES, { name: NODE });
  stopping.abort();
  client.close();
});

t.test('a node that expires soon gets a plan that replaces it at once, and only one', async (t) => {
  const { plans: names } = await replaceExpiringNow(options(), SETTINGS);
  t.equal(names.length, 1);
  const [plan] = await ours();
  t.match(plan, {
    spec: {
      execute: true,
      nodeClaimsToDelete: [
        { nodeClaimName: CLAIM.metadata.name, mustGo: { reason: 'Expiry', maxPricePercent: 120 } },
      ],
      nodeClaimsToAdd: [{}],
      podsToMigrate: [{ name: 'web-1', srcNode: NODE }],
    },
    status: { specHash: String },
  });
  await until('the cache has it', () => plans.list()[0]?.spec.execute === true, SOON);
  t.same((await replaceExpiringNow(options(), SETTINGS)).plans, []);
  await until(
    'the node is told',
    async () => (await eventsOf(NODE)).some((event) => /^ReplacementPlanned: It expires at/.test(event)),
    SOON,
  );
  await clear();
});

t.test('a replacement keeps headroom its room, and the cluster below its limit of cores', async (t) => {
  const asked: PlanningRequest[] = [];
  const { planning } = options();
  const room = makePod('headroom', { cpu: 1_000 });
  const found = await replaceExpiringNow(
    {
      ...options(),
      planning: async (request, ...rest) => {
        asked.push(request);
        return planning(request, ...rest);
      },
      headroom: () => [room],
      maxCores: () => 4,
    },
    SETTINGS,
  );
  t.same(found.plans, [], 'its successor would stand beside it');
  t.match(asked, [{ maxCores: 4 }]);
  t.ok(asked[0]?.snapshot.pods.some(({ metadata }) => metadata.name === 'headroom'));
  t.same(await ours(), []);
});

t.test('by list prices nothing is bought unasked, and the node is told so', async (t) => {
  const gap = 'The cloud never told its spot prices, so list prices count';
  const found = await replaceExpiringNow({ ...options(), priceGap: () => gap }, SETTINGS);
  t.match(found, {
    plans: [],
    left: [{ name: NODE, reasons: [/^The cloud never told .* bought by them unasked$/] }],
  });
  t.same(await ours(), []);
});

t.test('a node whose pods can not move is told so, and gets no plan', async (t) => {
  pods = [makePod('bare', { node: NODE, owner: null })];
  const running = new AbortController();
  const loop = replaceExpiring({ ...options(client, running.signal), registry });
  await until(
    'the node is told',
    async () =>
      (await eventsOf(NODE)).some((event) =>
        /^ReplacementBlocked: .*default\/bare has no controller/.test(event),
      ),
    SOON,
  );
  running.abort();
  await loop;
  t.same(await ours(), []);
  t.match(await registry.metrics(), /kentroller_expiry_replacements_total\{result="blocked"\} [1-9]/);
});

t.test('turned off while it searches nothing is stored, and plans that wait are taken back', async (t) => {
  const off = { ...SETTINGS, enabled: false };
  t.same((await replaceExpiringNow(options(), SETTINGS, new Map(), () => off)).plans, []);
  t.same(await ours(), []);
  await replaceExpiringNow(options(), SETTINGS);
  await until('the cache has it', () => plans.list()[0]?.spec.execute === true, SOON);
  await replaceExpiringNow(options(), off);
  t.same(await ours(), [], 'it had not started');
});

t.test('killed before and after each write, it ends with one plan that runs', async (t) => {
  const running = async (): Promise<boolean> => {
    const all = await ours();
    return all.length === 1 && all[0]?.spec.execute === true && all[0].status?.specHash !== undefined;
  };
  const deaths = await dieAtEachWrite({
    client,
    fragment: 'RebalancePlan',
    mostLives: 30,
    timeoutMs: SOON.timeoutMs,
    isDone: running,
    live: (api, dead) => {
      const life = replaceExpiring({ ...options(api, dead.signal) }).catch(() => undefined);
      return async () => {
        dead.abort();
        await life;
      };
    },
  });
  t.ok(deaths >= 4, `it died ${deaths} times`);
  const all = await ours();
  t.equal(all.length, 1, all.map(({ metadata }) => metadata.name).join());
});
