import { Registry } from 'prom-client';
import t from 'tap';
import { HOSTNAME, SPOT, SPOT_FALLBACK } from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makePool } from '../../planner/testing/builders.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import type { Caches } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { type PoliciesNow, policiesNow } from '../policies/settings.ts';
import { countRefusals, verified } from '../rebalanceplanclaim/verified.ts';
import { dieAtEachWrite } from '../testing/crash.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { FALLBACK } from './fallback.ts';
import { type RestoreOptions, restoreSpot, restoreSpotNow } from './restorespot.ts';

/** The way back to spot on a real API server, by the real planner; nodes and pods are in memory. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'fallback-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'fallback-test', level: 'silent' });
const stopping = new AbortController();
const { signal } = stopping;
const SOON = { timeoutMs: 120_000, everyMs: 50 };
const NODE = `fallback-${process.pid}`;

/** Spot at a third of the on-demand price. */
const both: Catalogue = {
  instanceTypes: machines.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.flatMap((each) => [
      each,
      { ...each, capacityType: 'spot' as const, price: each.price / 3 },
    ]),
  })),
};
const noSpot: Catalogue = {
  instanceTypes: both.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.map((each) => ({ ...each, available: each.capacityType !== 'spot' })),
  })),
};
const pool = makePool('default', {
  requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] }],
});
const old = { creationTimestamp: new Date(Date.now() - 3_600_000).toISOString() };
const fallback = makeNode(NODE, { labels: { [HOSTNAME]: NODE } });
const standing = makeNode(`${NODE}-roomy`);
const all = [fallback, standing].map(({ node, claim }) => ({
  node: { ...node, metadata: { ...node.metadata, ...old } },
  claim,
}));
const claims: readonly NodeClaim[] = all.map(({ claim }) => claim);
const pods = [
  makePod('web-1', { node: NODE, cpu: 1_000, spec: { tolerations: [{ key: SPOT, operator: 'Exists' }] } }),
  makePod('other', { node: `${NODE}-roomy`, cpu: 100 }),
];

const plans = createCache({
  client,
  log,
  resource: REBALANCE_PLANS,
  labelSelector: `${MADE_BY}=${FALLBACK}`,
});
const nodes = createCache({ client, log, resource: NODES, labelSelector: `${HOSTNAME}=${NODE}` });
const listOf = <T>(items: () => readonly T[]) => ({ list: items, get: () => undefined, by: () => items() });
/** The nodes as in memory, with the uid and labels that the API server has for the one that stands in. */
const seenNodes = () =>
  all.map(({ node }) => {
    const there = nodes.get(node.metadata.name);
    if (!there) return node;
    const { uid, labels } = there.metadata;
    return {
      ...node,
      metadata: { ...node.metadata, ...(uid && { uid }), labels: { ...node.metadata.labels, ...labels } },
    };
  });
const caches = {
  ...Object.fromEntries(CACHE_NAMES.map((kind) => [kind, { ...listOf(() => []), resource: {} }])),
  plans,
  nodes: {
    list: seenNodes,
    get: (name: string) => seenNodes().find(({ metadata }) => metadata.name === name),
    by: (_: string, key: string) => seenNodes().filter(({ spec }) => spec?.providerID === key),
  },
  nodeClaims: listOf(() => claims),
  nodePools: listOf(() => [pool]),
  pods: {
    list: () => pods,
    get: () => undefined,
    by: (_: string, node: string) => pods.filter(({ spec }) => spec.nodeName === node),
  },
} as unknown as Caches;

const refusals = countRefusals(new Registry());
const policiesWith = (enabled: boolean): PoliciesNow =>
  policiesNow(
    {
      object: {
        metadata: { name: 'default' },
        spec: { enabled: true, spotInstances: { enabled: true, spotBackups: { enabled } } },
      },
      absence: undefined,
      hasSynced: true,
    },
    {},
  );
let policies = policiesWith(true);
let catalogue = both;
const said: string[] = [];
const options = (api = client, alive = signal): RestoreOptions => ({
  client: api,
  caches,
  catalogue: async () => catalogue,
  planning: verified(async (request) => rebalance({ ...request, rounds: 20 }), {
    source: 'spot-fallback',
    refusals,
    log,
  }),
  timeBudgetMs: () => 1_000,
  surgeByDefault: false,
  recorder: createRecorder({ client, component: 'fallback-test', log }),
  policies: () => policies,
  isEnabled: () => true,
  record: {
    note: (_, state, message) => said.push(`${state}: ${message}`),
    did: (_, what) => said.push(what),
  },
  registry: new Registry(),
  log,
  clock: { now: Date.now },
  signal: alive,
});
const ours = async () =>
  (await client.list(REBALANCE_PLANS, { labelSelector: `${MADE_BY}=${FALLBACK}` })).items;
const clear = async (): Promise<void> => {
  for (const { metadata } of await ours())
    await client.delete(REBALANCE_PLANS, { name: metadata.name }).catch(ignoreNotFound);
  await until('the cache shows no plan', () => plans.list().length === 0, SOON);
};
const labelNow = async (): Promise<string | undefined> =>
  (await client.get(NODES, { name: NODE })).metadata.labels?.[SPOT_FALLBACK];

t.before(async () => {
  await client.create(NODES, { metadata: { name: NODE, labels: { [HOSTNAME]: NODE } } });
  for (const cache of [plans, nodes]) {
    cache.start(signal);
    await cache.synced(signal);
  }
  await clear();
  await until('the cache shows the node', () => nodes.get(NODE), SOON);
});
t.beforeEach(() => {
  policies = policiesWith(true);
  catalogue = both;
});
t.teardown(async () => {
  await clear();
  await client.delete(NODES, { name: NODE });
  stopping.abort();
  client.close();
});

t.test('without spot backups nothing is labelled and nothing planned', async (t) => {
  policies = policiesWith(false);
  t.same(await restoreSpotNow(options()), { plans: [], left: [], refused: [] });
  t.equal(await labelNow(), undefined);
  t.match(said.at(-1), /^Held: spotBackups\.enabled is not true/);
});

t.test('while there is no spot the node is labelled and stays, and is told why', async (t) => {
  catalogue = noSpot;
  t.match(await restoreSpotNow(options()), { plans: [], left: [{ name: NODE, reasons: [/no place/] }] });
  t.equal(await labelNow(), 'true');
  t.same(await ours(), []);
});

t.test('by list prices nothing is bought unasked: the node stays', async (t) => {
  const found = await restoreSpotNow({
    ...options(),
    priceGap: () => 'The cloud never told its spot prices',
  });
  t.match(found, { plans: [], left: [{ name: NODE, reasons: [/bought by them unasked$/, String] }] });
  t.same(await ours(), []);
});

t.test('its pods go to spot alone, though an on-demand node has room for them', async (t) => {
  const { plans: names } = await restoreSpotNow(options());
  t.equal(names.length, 1);
  const [plan] = await ours();
  t.match(plan?.spec, {
    execute: true,
    drainReason: 'spot-fallback',
    nodeClaimsToDelete: [
      {
        nodeClaimName: `claim-${NODE}`,
        mustGo: { reason: 'SpotFallbackRestore', maxPricePercent: 100 },
      },
    ],
    podsToMigrate: [{ name: 'web-1', srcNode: NODE, dstNodeClaimName: /^spot-fallback-/ }],
  });
  const types = plan?.spec.nodeClaimsToAdd?.flatMap(({ alternatives = [] }) =>
    alternatives.flatMap(({ requirements }) =>
      requirements.flatMap(({ key, values }) => (key === 'karpenter.sh/capacity-type' ? (values ?? []) : [])),
    ),
  );
  t.same([...new Set(types)], ['spot']);
  await until('the cache has it', () => plans.list()[0]?.spec.execute === true, SOON);
  t.same((await restoreSpotNow(options())).plans, [], 'one at a time');
  policies = policiesWith(false);
  await restoreSpotNow(options());
  t.same(await ours(), [], 'turned off, a plan that has not started is taken back');
});

t.test('killed before and after each write, it ends with one plan that runs, and the label', async (t) => {
  await client.patch(NODES, { name: NODE }, { metadata: { labels: { [SPOT_FALLBACK]: null } } });
  await until(
    'the cache has it',
    () => nodes.get(NODE)?.metadata.labels?.[SPOT_FALLBACK] === undefined,
    SOON,
  );
  await clear();
  const deaths = await dieAtEachWrite({
    client,
    fragment: '',
    mostLives: 30,
    timeoutMs: SOON.timeoutMs,
    isDone: async () => {
      const found = await ours();
      return found.length === 1 && found[0]?.spec.execute === true && (await labelNow()) === 'true';
    },
    live: (api, dead) => {
      const life = restoreSpot(options(api, dead.signal)).catch(() => undefined);
      return async () => {
        dead.abort();
        await life;
      };
    },
  });
  t.ok(deaths >= 5, `it died ${deaths} times`);
  t.equal((await ours()).length, 1);
});
