import { Registry } from 'prom-client';
import t from 'tap';
import { AWAITS_PLAN, MANAGED_BY, MANAGED_BY_US, SCOPED_TAINT } from '../../api/labels.ts';
import type { HorizontalPodAutoscaler, NodePool, PodSpec, Workload } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import { EVENTS, NAMESPACES, PODS, REBALANCE_PLANS, type Resource, WORKLOADS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { makePool } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { CACHED_POD_INDEXES, type Caches } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { dieAtEachWrite } from '../testing/crash.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { BUYING } from '../testing/unscheduledworld.ts';
import { createProvisioner } from './buying/provisioner.ts';
import { UNSCHEDULED_PODS } from './decide.ts';
import { unscheduledPodsMetrics } from './metrics.ts';
import { buyForUnscheduledPods } from './run.ts';

/** The loop on a real API server, with the planner's thread: live switches, and a process that dies at each write. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'unscheduled-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'unscheduled-test', level: 'silent' });
const stopping = new AbortController();
const NAMESPACE = `unscheduled-${process.pid}`;
/** Pods of this scheduler are this suite's alone, on an API server that others use. */
const SCHEDULER = `unscheduled-${process.pid}`;
const STATEFUL_SETS = WORKLOADS.StatefulSet as Resource<Workload>;
const SOON = { timeoutMs: 60_000, everyMs: 50 };
const OURS = { labelSelector: `${MADE_BY}=${UNSCHEDULED_PODS}` };

// Other suites leave plans and pods on this API server; these caches hide them.
const plans = createCache({ client, log, resource: REBALANCE_PLANS, ...OURS });
const pods = createCache({ client, log, resource: PODS, namespace: NAMESPACE, indexes: CACHED_POD_INDEXES });
const listOf = <T>(items: readonly T[]) => ({
  list: () => items,
  get: () => undefined,
  by: () => items,
  onChange: () => () => {},
});
const POOL: NodePool = makePool();
const caches = {
  plans,
  pods,
  nodePools: listOf([POOL]),
  ...Object.fromEntries(
    CACHE_NAMES.filter((kind) => !['plans', 'pods', 'nodePools'].includes(kind)).map((kind) => [
      kind,
      listOf([]),
    ]),
  ),
} as unknown as Caches;

const known = (isOn: boolean): PoliciesNow => ({
  known: true,
  policies: isOn ? BUYING : { ...BUYING, unschedulablePods: undefined },
  overridden: [],
});
let policies = known(true);
let turns = 0;
let autoscalers: readonly HorizontalPodAutoscaler[] = [];
/** What the status says last, by policy. */
const noted = new Map<string, string>();
const provisioning = createProvisioner(stopping.signal);
const run = (api: KubeClient, signal: AbortSignal, now = Date.now) =>
  buyForUnscheduledPods({
    client: api,
    caches,
    catalogue: async () => smallCatalogue,
    autoscalers: { list: () => autoscalers },
    policies: {
      now: () => {
        turns += 1;
        return policies;
      },
      onChange: () => () => {},
    },
    record: {
      note: (name, _state, message) => void noted.set(name, message),
      did: () => {},
      forget: () => {},
    },
    isEnabled: () => true,
    provisioning,
    window: { idleMs: 0, maxMs: 0 },
    schedulers: [SCHEDULER],
    followsKarpenter: false,
    limits: { haltNodes: 3, haltPercent: 50 },
    recorder: createRecorder({ client, component: 'unscheduled-test', log }),
    podRecorder: createRecorder({ client, component: 'unscheduled-test', log }),
    metrics: unscheduledPodsMetrics(new Registry()),
    audit: { note: () => {} },
    log,
    clock: { now },
    signal,
  });

/** Creates pods as kube-scheduler leaves them when none fits. */
const refuse = async (prefix: string, count: number, cpu = '900m', spec: Partial<PodSpec> = {}) => {
  for (let n = 0; n < count; n += 1) {
    const containers = [{ name: 'main', image: 'none', resources: { requests: { cpu, memory: '128Mi' } } }];
    const name = `${prefix}-${n}`;
    await client.create(PODS, {
      metadata: { name, namespace: NAMESPACE },
      spec: { ...spec, schedulerName: SCHEDULER, containers },
    });
    const lastTransitionTime = new Date().toISOString();
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime };
    const status = { conditions: [condition] };
    await client.patch(PODS, { name, namespace: NAMESPACE }, { status }, { subresource: 'status' });
  }
};
const ours = async () => (await client.list(REBALANCE_PLANS, OURS)).items;
const planOf = async (pod: string) =>
  (await ours()).find(({ spec }) => spec.podsToMigrate?.some(({ name }) => name === pod));
/** How many plans that are executed have each pod of a prefix. */
const places = async (prefix: string): Promise<readonly number[]> => {
  const counts = new Map<string, number>();
  for (const { spec } of (await ours()).filter(({ spec: { execute } }) => execute)) {
    for (const { name, namespace } of spec.podsToMigrate ?? []) {
      if (namespace !== NAMESPACE || !name.startsWith(`${prefix}-`)) continue;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return [...counts.values()];
};
const nominations = async (prefix: string): Promise<readonly (string | undefined)[]> =>
  (await client.list(PODS, { namespace: NAMESPACE })).items
    .filter(({ metadata }) => metadata.name.startsWith(`${prefix}-`))
    .map(({ status }) => status?.nominatedNodeName);
const eventOf = (pod: string, wanted: string) =>
  until(
    `pod ${pod} is told ${wanted}`,
    async () => {
      const fieldSelector = `involvedObject.name=${pod}`;
      const { items } = await client.list(EVENTS, { namespace: NAMESPACE, fieldSelector });
      return items.find(({ reason }) => reason === wanted);
    },
    SOON,
  );
const said = (policy: string, what: RegExp) =>
  until(
    `the status of ${policy} says ${what}`,
    async () => {
      const last = noted.get(policy) ?? '';
      if (!what.test(last)) throw new Error(`it says '${last}'`);
      return true;
    },
    SOON,
  );

t.before(async () => {
  await client.create(NAMESPACES, { metadata: { name: NAMESPACE } });
  for (const cache of [plans, pods]) {
    cache.start(stopping.signal);
    await cache.synced(stopping.signal);
  }
});
t.teardown(async () => {
  for (const { metadata } of await ours())
    await client.delete(REBALANCE_PLANS, { name: metadata.name }).catch(ignoreNotFound);
  await client.delete(NAMESPACES, { name: NAMESPACE }).catch(ignoreNotFound);
  stopping.abort();
  client.close();
});

t.test(
  'pods that lack room get a plan, and are given back where no node helps or the policy ends',
  async (t) => {
    const life = new AbortController();
    const { ended } = run(client, life.signal);
    await refuse('a', 4);
    await refuse('huge', 1, '900');
    await until('each pod has a place in a plan', async () => (await places('a')).length === 4, SOON);
    t.same(await places('a'), [1, 1, 1, 1]);
    t.same(await nominations('a'), Array(4).fill(AWAITS_PLAN));
    await until('the huge pod is given back', async () => (await nominations('huge'))[0] === undefined, SOON);
    const told = await eventOf('huge-0', 'NoNodeWouldHelp');
    t.match(told.message, /which is left to others: no instance type/);
    // A leader that has not read the policies yet leaves everything as it is; its successor has, and they are off.
    policies = { known: false, reason: 'PoliciesNotRead', message: 'not read yet' };
    await refuse('later', 1);
    await until(
      'the next pod is seen',
      async () => pods.list().some((p) => podName(p).endsWith('/later-0')),
      SOON,
    );
    life.abort();
    await ended;
    const unknowing = new AbortController();
    const second = run(client, unknowing.signal);
    const before = turns;
    await until('a turn is over', async () => turns >= before + 2, SOON);
    unknowing.abort();
    await second.ended;
    t.same(await nominations('a'), Array(4).fill(AWAITS_PLAN));
    t.same(await nominations('later'), [undefined]);
    policies = known(false);
    const last = new AbortController();
    const third = run(client, last.signal);
    await until(
      'all pods are given back',
      async () => (await nominations('a')).every((name) => name === undefined),
      SOON,
    );
    policies = known(true);
    last.abort();
    await third.ended;
  },
);

t.test('in scoped mode a pod without the toleration is told so, and its nodes carry the taint', async (t) => {
  policies = { known: true, policies: { ...BUYING, scopedMode: true }, overridden: [] };
  const life = new AbortController();
  const { ended } = run(client, life.signal);
  const nodeSelector = { [MANAGED_BY]: MANAGED_BY_US };
  await refuse('bare', 1, '900m', { nodeSelector });
  await refuse('scoped', 2, '900m', {
    nodeSelector,
    tolerations: [{ key: SCOPED_TAINT, operator: 'Exists' }],
  });
  await refuse('outside', 1);
  await until('the pods in scope have places', async () => (await places('scoped')).length === 2, SOON);
  const told = await eventOf('bare-0', 'Misconfigured');
  t.match(told.message, /does not tolerate the taint scheduling.cast.ai\/scoped-autoscaler:NoSchedule/);
  await said('unschedulablePods', /Ignored in scoped mode: 1 pods/);
  t.same(await nominations('bare'), [undefined]);
  t.same(await nominations('outside'), [undefined]);
  const planned = (await planOf('scoped-0'))?.spec.nodeClaimsToAdd ?? [];
  t.match(planned, [{ spec: { taints: [{ key: SCOPED_TAINT, effect: 'NoSchedule' }] } }]);
  life.abort();
  await ended;
  policies = known(true);
});

t.test(
  'replicas to come are counted by the template on the API server, and said in the status',
  async (t) => {
    const labels = { app: 'sts' };
    const containers = [{ name: 'main', image: 'none', resources: { requests: { cpu: '900m' } } }];
    const metadata = { name: 'sts', namespace: NAMESPACE };
    const template = { metadata: { labels }, spec: { schedulerName: SCHEDULER, containers } };
    const spec = { replicas: 0, serviceName: 'sts', selector: { matchLabels: labels }, template };
    const { uid = '' } = (await client.create(STATEFUL_SETS, { metadata, spec } as Workload)).metadata;
    autoscalers = [
      {
        metadata,
        spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'sts' }, maxReplicas: 9 },
        status: { currentReplicas: 0, desiredReplicas: 5 },
      },
    ];
    policies = { known: true, policies: { ...BUYING, horizontalPodAutoscaler: true }, overridden: [] };
    const life = new AbortController();
    const { ended } = run(client, life.signal);
    await refuse('beside', 1);
    await until('the pod has its place', async () => (await places('beside')).length === 1, SOON);
    const plan = await planOf('beside-0');
    const owner = { kind: 'StatefulSet', name: 'sts', uid };
    t.same(plan?.status?.expectedPods, [{ namespace: NAMESPACE, owner, count: 5 }]);
    await said('horizontalPodAutoscaler', /5 replicas are about to come/);
    life.abort();
    await ended;
    autoscalers = [];
    policies = known(true);
  },
);

t.test('a process that dies at each write buys for no pod twice', async (t) => {
  await refuse('b', 3);
  // Plans are named after the time: it stands still, so that each life writes what the one before did.
  const at = Date.now();
  const deaths = await dieAtEachWrite({
    client,
    fragment: '',
    mostLives: 40,
    timeoutMs: 60_000,
    isDone: async () => (await places('b')).length === 3,
    live: (api, dead) => {
      const life = AbortSignal.any([dead.signal, stopping.signal]);
      const own = new AbortController();
      const { ended } = run(api, AbortSignal.any([life, own.signal]), () => at);
      return async () => {
        own.abort();
        await ended;
      };
    },
  });
  t.ok(deaths >= 6, `it died ${deaths} times`);
  t.same(await places('b'), [1, 1, 1]);
  t.same(await nominations('b'), Array(3).fill(AWAITS_PLAN));
});
