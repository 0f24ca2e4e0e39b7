import { Registry } from 'prom-client';
import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CONFIG_MAPS, NAMESPACES } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { NOW } from '../testing/builders.ts';
import { openSavingsStore, SAVINGS_CONFIG_MAP, type SavingsStore } from './savingsstore.ts';

/** Savings outlive processes and plans, on a real API server. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'savings-test' });
const log = createLogger({ component: 'savings-test', level: 'silent' });
const namespace = `savings-${process.pid}`;
const { signal } = new AbortController();
const HOUR = 3_600_000;
let now = NOW;

t.before(() => client.create(NAMESPACES, { metadata: { name: namespace } }));
t.teardown(async () => {
  await client.delete(NAMESPACES, { name: namespace });
  client.close();
});

const open = async (o: { readonly namespace?: string } = {}) => {
  const registry = new Registry();
  const store = await openSavingsStore({ client, namespace, log, now: () => now, registry, signal, ...o });
  const metric = async (name: string): Promise<number | undefined> => {
    const { values = [] } = (await registry.getSingleMetric(name)?.get()) ?? {};
    return values[0]?.value;
  };
  return { store, metric };
};

const done = (uid: string, monthly: string, state: 'Done' | 'Failed' = 'Done'): RebalancePlan => ({
  metadata: { name: uid, uid },
  spec: { execute: true },
  status: {
    state,
    completionTime: new Date(NOW).toISOString(),
    savings: {
      projectedSavingsPercent: '10',
      projectedSavingsCostMonthly: '1',
      currentMonthlyCost: '10',
      projectedMonthlyCost: '9',
    },
    achievedOutcome: { savingsCostMonthly: monthly },
  },
});

const add = (store: SavingsStore, ...plans: readonly RebalancePlan[]): Promise<void> =>
  plans.reduce((before, plan) => before.then(() => store.add(plan, signal)), Promise.resolve());

t.test('each plan counts once, with its measured savings, across processes', async (t) => {
  const first = await open();
  await add(first.store, done('a', '730.00'), done('b', '365.00'), done('c', '999', 'Failed'));
  await add(first.store, done('a', '730.00'));
  const next = await open();
  await add(next.store, done('b', '365.00'));
  now = NOW + 10 * HOUR;
  t.equal(await next.metric('kentroller_plans_done_since_install'), 2);
  t.equal(await next.metric('kentroller_saved_monthly_usd_since_install'), 1095);
  t.equal(Math.round((await next.metric('kentroller_saved_usd_since_install')) ?? 0), 15);
  const { data } = await client.get(CONFIG_MAPS, { name: SAVINGS_CONFIG_MAP, namespace });
  t.match(data?.summary, /^2 plans since 2026-11-22T12:00:00.000Z save 1095.00 USD a month; /);
});

t.test('two processes that add plans at once lose none', async (t) => {
  const [one, two] = await Promise.all([open(), open()]);
  const until = async (store: SavingsStore, plan: RebalancePlan): Promise<void> =>
    store.add(plan, signal).catch(() => until(store, plan));
  await Promise.all(['d', 'e', 'f'].map((uid, i) => until((i % 2 ? one : two).store, done(uid, '1'))));
  t.equal(await (await open()).metric('kentroller_plans_done_since_install'), 5);
});

t.test('savings that cannot be read or written hold up no plan', async (t) => {
  const ref = { name: SAVINGS_CONFIG_MAP, namespace };
  await client.patch(CONFIG_MAPS, ref, { data: { 'ledger.json': '{ broken' } });
  const { store, metric } = await open();
  await add(store, done('g', '2'));
  t.equal(await metric('kentroller_plans_done_since_install'), 1, 'it begins anew');
  const nowhere = await open({ namespace: 'not-there' });
  await add(nowhere.store, done('h', '3'));
  t.pass('and goes on without');
});
