import t from 'tap';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { CANCEL } from '../../api/labels.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { createLogger } from '../../kube/component/log.ts';
import { isConflict, isNotFound, KubeError } from '../../kube/errors.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { until } from '../../kube/testing/until.ts';
import { fragmentedCluster } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { memoryCaches } from '../testing/memorycaches.ts';
import { planAnswer } from '../testing/plananswer.ts';
import { createPlanGenerationController } from './generate.ts';
import {
  type BeginSearch,
  type Planning,
  type PlanningAnswer,
  planOnThread,
  type SearchProgress,
} from './plannerworker.ts';
import { SearchLog, sentenceOf } from './searchprogress.ts';

/** Searches that take long, on an API server in memory: what their claims say meanwhile, and what ends them. */

const NAME = { name: 'c' };
const EVERY_MS = 40;
const START = Date.parse('2026-11-30T12:00:00Z');
const SOON = { timeoutMs: 20_000, everyMs: 5 };
const log = createLogger({ component: 'searchprogress-test', level: 'silent' });

const ANSWER = planAnswer();

/** One claim whose search goes on until the test ends it. */
const world = () => {
  let now = START;
  let writes = 0;
  let refuses = 0;
  const api = new MemoryApi({ now: () => now });
  const client = memoryClient(api, async (call, serve) => {
    if (call.subresource === 'status' && call.verb === 'replace') {
      writes += 1;
      if (refuses-- > 0) throw new KubeError('the server is busy', { kind: 'retryable' });
    }
    return serve();
  });
  const { caches, lagging } = memoryCaches(api);
  const searches: { tell: ReturnType<BeginSearch> | undefined; signal: AbortSignal }[] = [];
  const found = Promise.withResolvers<PlanningAnswer>();
  const planning: Planning = async ({ planName }, _, signal, begin) => {
    searches.push({ tell: begin?.(planName), signal });
    const ended = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason)),
    );
    return Promise.race([found.promise, ended]);
  };
  const controller = createPlanGenerationController({
    client,
    caches,
    catalogue: async () => ({ instanceTypes: [] }),
    priceWarning: () => undefined,
    planning,
    isEnabled: () => true,
    timeBudgetMs: 240_000,
    surgeByDefault: true,
    tellEveryMs: EVERY_MS,
    recorder: { event: () => {}, flush: async () => {} },
    log,
    clock: { now: () => now },
  });
  api.create(REBALANCE_PLAN_CLAIMS, { metadata: NAME, spec: { autoExecute: false } });
  for (const cache of lagging) cache.deliver(cache.pending);
  const claim = (): RebalancePlanClaim => api.get(REBALANCE_PLAN_CLAIMS, NAME);
  return {
    api,
    claim,
    searches,
    found,
    reconcile: () => controller.reconcile(NAME.name, new AbortController().signal),
    search: () => until('a search', () => searches[0], SOON),
    says: (what: RegExp) =>
      until(
        `condition like ${what}`,
        () => {
          const message = claim().status?.conditions?.find(({ type }) => type === 'Planned')?.message ?? '';
          if (!what.test(message)) throw new Error(`it says: ${message}`);
          return message;
        },
        SOON,
      ),
    pass: (ms: number) => {
      now += ms;
    },
    writes: () => writes,
    refuse: (count: number) => {
      refuses = count;
    },
  };
};

t.test('a claim says how far its search is while it goes on, and no more once it is ready', async (t) => {
  const w = world();
  const done = w.reconcile();
  const { tell } = await w.search();
  t.match(w.claim().status, { state: 'Generating', search: undefined });
  tell?.({ searches: 2, rounds: 1_240, saves: 0.5 });
  w.pass(34_000);
  t.equal(
    await w.says(/34 s/),
    'Looking for a cheaper set of nodes: 2 searches, 1240 rounds, 34 s of at most 300 s; the best so far saves 365.00 USD a month',
  );
  t.match(w.claim().status, {
    state: 'Generating',
    search: {
      searches: 2,
      rounds: 1_240,
      elapsedSeconds: 34,
      bestSavingsCostMonthly: '365.00',
      lastUpdateTime: '2026-11-30T12:00:34.000Z',
    },
  });
  tell?.({ searches: 3, rounds: 1_250, saves: 0.75 });
  w.pass(60_000);
  await w.says(/3 searches, 1250 rounds, 94 s .* saves 547.50 USD/);
  w.found.resolve(ANSWER);
  await done;
  t.match(w.claim().status, { state: 'Ready', search: undefined, projectedSavingsPercent: '12.4' });
  t.equal(w.searches.length, 1);
});

t.test('however often a search tells, its claim is written at a bounded rate', async (t) => {
  const w = world();
  const done = w.reconcile();
  const { tell } = await w.search();
  const [before, from] = [w.writes(), performance.now()];
  for (let round = 0; performance.now() - from < 10 * EVERY_MS; round += 1) {
    tell?.({ searches: 1, rounds: round, saves: 0 });
    await new Promise(setImmediate);
  }
  const [writes, most] = [w.writes() - before, (performance.now() - from) / EVERY_MS];
  t.ok(writes >= 1 && writes <= most, `${writes} writes, at most ${most}`);
  w.found.resolve(ANSWER);
  await done;
});

t.test(
  'a planner that tells nothing leaves the time, and a write that fails leaves the search alone',
  async (t) => {
    const w = world();
    const done = w.reconcile();
    await w.search();
    w.refuse(3);
    w.pass(12_000);
    t.equal(await w.says(/12 s/), 'Looking for a cheaper set of nodes: 12 s of at most 300 s');
    w.found.resolve({ ...ANSWER, plan: null, reason: 'No cheaper set of nodes was found.' });
    await done;
    t.match(w.claim().status, { state: 'Skipped', search: undefined });
  },
);

t.test('a label that a user sets meanwhile costs no second search', async (t) => {
  const w = world();
  const done = w.reconcile();
  await w.search();
  w.api.patch(REBALANCE_PLAN_CLAIMS, NAME, { metadata: { labels: { team: 'a' } } });
  w.pass(20_000);
  await w.says(/20 s/);
  w.found.resolve(ANSWER);
  await done;
  t.match(w.claim(), { metadata: { labels: { team: 'a' } }, status: { state: 'Ready' } });
  t.equal(w.searches.length, 1);
});

t.test('a claim that is canceled or deleted meanwhile ends its search', async (t) => {
  const canceled = world();
  const done = canceled.reconcile();
  const search = await canceled.search();
  canceled.api.patch(REBALANCE_PLAN_CLAIMS, NAME, { metadata: { annotations: { [CANCEL]: 'true' } } });
  t.ok(isConflict(await done.catch((error: unknown) => error)), 'which asks for another reconciliation');
  t.ok(search.signal.aborted);
  await canceled.reconcile();
  t.match(canceled.claim().status, { state: 'Canceled', search: undefined });
  t.same(canceled.api.list(REBALANCE_PLANS), []);

  const deleted = world();
  const gone = deleted.reconcile();
  const other = await deleted.search();
  deleted.api.delete(REBALANCE_PLAN_CLAIMS, NAME);
  t.ok(isNotFound(await gone.catch((error: unknown) => error)));
  t.ok(other.signal.aborted);
});

t.test('searches of several plans add up, and one that is made again counts by its last answer', (t) => {
  const searches = new SearchLog();
  t.same(searches.soFar(), { searches: 0, rounds: 0 });
  searches.begin('p')({ searches: 1, rounds: 10, saves: 1 });
  searches.begin('p')({ searches: 1, rounds: 5, saves: 0.5 });
  const second = searches.begin('p-p2');
  second({ searches: 1, rounds: 1 });
  second({ searches: 2, rounds: 8, saves: 2 });
  t.same(searches.soFar(), { searches: 4, rounds: 23, bestSavingsCostMonthly: '1825.00' });
  const one = { searches: 1, rounds: 1, elapsedSeconds: 0 };
  t.match(sentenceOf(one, 300), /: 1 search, 1 round, 0 s of at most 300 s$/);
  t.end();
});

t.test('a worker thread tells what its search has done', async (t) => {
  const told: SearchProgress[] = [];
  const answer = await planOnThread(
    {
      snapshot: fragmentedCluster(60, 30, 12),
      catalogue: smallCatalogue,
      now: START,
      seed: 1,
      planName: 'long',
      rounds: 100,
    },
    600_000,
    new AbortController().signal,
    (planName) => (progress) => {
      t.equal(planName, 'long');
      told.push(progress);
    },
  );
  t.ok(told.length >= 2, `told ${told.length} times`);
  const last = told.at(-1);
  t.ok((last?.searches ?? 0) >= 1 && (last?.rounds ?? 0) > 0, JSON.stringify(last));
  t.ok((last?.saves ?? 0) > 0 === (answer.plan !== null), JSON.stringify([last, answer.reason]));
});
