import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../api/objects.ts';
import { PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { CACHED_POD_INDEXES } from '../caches.ts';
import * as make from '../testing/builders.ts';
import { createSoftPins } from './controller.ts';
import { SOFT_PINS, type SoftPinsObject } from './kind.ts';
import { PlanSlots } from './planslots.ts';

const NEVER = new AbortController().signal;
const OWNER = { kind: 'ReplicaSet', name: 'web', uid: 'web-uid' };
const slot = (nodeName: string, count: number, plan = 'plan') => ({
  id: `${plan}-${nodeName}`,
  plan,
  nodeClaim: 'green',
  nodeName,
  pin: { namespace: 'shop', owner: { ...OWNER, count } },
});

/** A controller whose client keeps soft pins in its cache. */
const world = () => {
  const caches = {
    plans: new FakeCache<RebalancePlan>(REBALANCE_PLANS),
    pods: new FakeCache<Pod>(PODS, CACHED_POD_INDEXES),
    softPins: new FakeCache<SoftPinsObject>(SOFT_PINS),
  };
  let writes = 0;
  const client = {
    apply: async (_resource: unknown, object: SoftPinsObject) => {
      writes += 1;
      caches.softPins.put(object);
      return object;
    },
    delete: async (_resource: unknown, { name }: { readonly name: string }) => {
      writes += 1;
      caches.softPins.drop(name);
    },
  } as unknown as KubeClient;
  const planSlots = new PlanSlots();
  const softPins = createSoftPins({
    client,
    namespace: 'ours',
    caches,
    planSlots,
    log: createLogger({ component: 'soft-pins', level: 'silent' }),
  });
  caches.plans.put(make.plan({ nodeClaimsToAdd: [make.toAdd('green')] }));
  const uid = caches.plans.get('plan')?.metadata.uid ?? '';
  return {
    caches,
    planSlots,
    softPins,
    uid,
    run: () => softPins.controller.reconcile('plan', NEVER),
    data: () => caches.softPins.get('plan')?.spec.owners,
    writes: () => writes,
  };
};

t.test('a plan with slots has soft pins, which the plan owns', async (t) => {
  const { caches, planSlots, softPins, uid, run, data, writes } = world();
  planSlots.replaceAll([slot('node-green', 2)]);
  t.match(softPins.viewOf('plan'), { connected: true, acknowledged: false, isSoft: true }, 'not written yet');
  await run();
  t.same(data(), {
    'shop.web-uid': '100 node-green green',
    [`ours.${uid}`]: '1 soft-pins-probe soft-pins-probe',
  });
  t.match(caches.softPins.list()[0]?.metadata, {
    labels: { 'app.kubernetes.io/part-of': 'precision-packer' },
    ownerReferences: [{ kind: 'RebalancePlan', name: 'plan', uid }],
  });
  t.equal(softPins.viewOf('plan')?.acknowledged, true);
  await run();
  t.equal(writes(), 1, 'nothing is written twice');
});

t.test('pods that have landed take their slots, and a node that is full draws no more', async (t) => {
  const { caches, planSlots, run, data } = world();
  planSlots.replaceAll([slot('node-green', 1), slot('node-kept', 2)]);
  const landed = make.pod('web-1', { uid: 'p1' });
  caches.pods.put({
    ...landed,
    metadata: {
      ...landed.metadata,
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'apps/v1', ...OWNER, controller: true }],
    },
    spec: { ...landed.spec, nodeName: 'node-green' },
  });
  await run();
  t.match(data(), { 'shop.web-uid': /^100 node-kept/ });
});

t.test(
  'soft pins go when they are turned off, when the plan ends, and when another plan has its name',
  async (t) => {
    const { caches, planSlots, softPins, run, data } = world();
    planSlots.replaceAll([slot('node-green', 2)]);
    await run();
    planSlots.replaceAll([]);
    await run();
    t.equal(data(), undefined);
    t.equal(softPins.viewOf('plan'), undefined, 'the pinner is asked again');
    planSlots.replaceAll([slot('node-green', 2)]);
    await run();
    const plan = make.plan({ nodeClaimsToAdd: [make.toAdd('green')] });
    caches.plans.put({ ...plan, metadata: { ...plan.metadata, uid: 'another' } });
    await run();
    t.match(caches.softPins.get('plan')?.metadata.ownerReferences, [{ uid: 'another' }]);
  },
);

t.test('fault: a crash left the soft pins of a plan that has ended', async (t) => {
  const { caches, planSlots, run } = world();
  caches.softPins.put({ metadata: { name: 'plan' }, spec: { owners: {} } });
  caches.plans.drop('plan');
  await run();
  t.same(caches.softPins.list(), []);
  t.same([...planSlots.plansOf('web-uid')], []);
});

t.test('slots that change tell of their plan alone', async (t) => {
  const planSlots = new PlanSlots();
  const told: string[] = [];
  planSlots.onChange(({ type, object }) => told.push(`${type} ${object.metadata.name}`));
  planSlots.replaceAll([slot('a', 1), slot('a', 1, 'other')]);
  planSlots.replaceAll([slot('a', 2), slot('a', 1, 'other')]);
  planSlots.replaceAll([slot('a', 1, 'other')]);
  t.same(told, ['add plan', 'add other', 'update plan', 'delete plan']);
  t.same([...planSlots.plansOf('web-uid')], ['other']);
});
