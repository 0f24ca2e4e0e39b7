import t from 'tap';
import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import { EVICTOR_CONFIG, type EvictorRule } from '../../api/kinds/evictorconfig.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import {
  EVICTED_TAINT,
  HOSTNAME,
  REMOVAL_DISABLED,
  REQUEST_EVICT_ONLY,
  SCOPED_TAINT,
} from '../../api/labels.ts';
import { taintsWithout } from '../../api/nodes.ts';
import type { Pod } from '../../api/objects.ts';
import { deletedClaims, isFinished } from '../../api/plans.ts';
import { AUTOSCALER_POLICIES, EVICTOR_CONFIGS, NODES, PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { paced } from '../../kube/testing/pace.ts';
import { until } from '../../kube/testing/until.ts';
import { type Ground, up } from '../ground/ground.ts';
import { applyPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { applyDeployment, createNamespace, isLive, podsRunning } from '../support/workload.ts';
import { actsWith } from './acts.ts';
import { type EvictorActs, evictorOf, keeps, SOON } from './evictorconfig.ts';
import { type Session, startSession } from './session.ts';
import { openStage, type Stage } from './stage.ts';

/**
 * The evictor's settings, one after the other, with real Karpenter: four machines, each with the only pod of its workload,
 * and all of the pods would fit on one.
 */

const POOL = 'settings';
const CLAIMS = [1, 2, 3, 4].map((n) => `${POOL}-${n}`);
const OTHERS_FIRST = /other nodes are drained before it, in this cycle/;
type Test = Pick<typeof t, 'equal'>;
let ground: Ground;
let stage: Stage;
let session: Session;
let client: KubeClient;
let evictor: EvictorActs;
/** The nodes of the machines, in their order. */
let nodes: readonly string[];

const appOf = (claim: string): string => claim.replace(POOL, 'only');
const changeNode = (name: string, change: object): Promise<unknown> => client.patch(NODES, { name }, change);
const setClosed = (name: string, isClosed: boolean): Promise<unknown> =>
  changeNode(name, { spec: { unschedulable: isClosed || null } });
const setScoped = async (name: string, isScoped: boolean): Promise<void> => {
  const node = await client.get(NODES, { name });
  const taints = [
    ...taintsWithout(node, SCOPED_TAINT),
    ...(isScoped ? [{ key: SCOPED_TAINT, effect: 'NoSchedule' as const }] : []),
  ];
  const { resourceVersion } = node.metadata;
  await changeNode(name, {
    metadata: { resourceVersion },
    spec: { taints: taints.length > 0 ? taints : null },
  });
};
const ruleFor = (claim: string): EvictorRule => ({
  podSelector: { namespaces: [POOL], matchLabels: { app: appOf(claim) } },
  aggressive: true,
});
const podOf = async (claim: string): Promise<Pod> => {
  const { items } = await client.list(PODS, { namespace: POOL, labelSelector: `app=${appOf(claim)}` });
  const [pod, ...others] = items.filter(isLive);
  if (!pod || others.length > 0) throw new Error(`${items.length} pods of ${appOf(claim)}`);
  return pod;
};
/** The plan that deletes this machine, once it has ended. */
const planEnded = (claim: string): Promise<RebalancePlan> =>
  until(
    `the plan that deletes ${claim} has ended`,
    async () => {
      const plans = await evictor.plans();
      const plan = plans.find(({ spec }) => deletedClaims(spec).includes(claim));
      if (!plan || !isFinished(plan))
        throw new Error(JSON.stringify(plan?.status ?? `${plans.length} plans`));
      return plan;
    },
    SOON,
  );
/** Looks that nothing is drained: no more plans and no fewer machines than there were. */
const staysAt = async (t: Test, counts: { readonly plans: number; readonly machines: number }) => {
  t.equal((await evictor.plans()).length, counts.plans, 'no plan is made');
  t.equal((await evictor.machines()).length, counts.machines, 'no machine goes');
};

t.before(async () => {
  ground = await up({ name: 'kentroller-evs', cloud: true });
  stage = await openStage(ground);
  ({ client } = stage);
  evictor = evictorOf(client, POOL);
  const pool = await applyPool(client, { name: POOL });
  const order = { instanceType: 'm5.xlarge', zone: 'us-west-2a' };
  await Promise.all(CLAIMS.map((name) => orderMachine(client, pool, { name, ...order })));
  const ready = await machinesReady(client, CLAIMS, 120_000);
  const nodeOf = new Map(ready.map(({ metadata, status }) => [metadata.name, status?.nodeName ?? '']));
  nodes = CLAIMS.map((claim) => nodeOf.get(claim) ?? '');
  await createNamespace(client, POOL);
  await Promise.all(nodes.map((node) => setClosed(node, true)));
  for (const [at, node] of nodes.entries()) {
    await setClosed(node, false);
    await applyDeployment(client, {
      namespace: POOL,
      pool: POOL,
      name: appOf(CLAIMS[at] ?? ''),
      replicas: 1,
      cpu: '200m',
      memory: '128Mi',
      podSpec: { tolerations: [{ key: SCOPED_TAINT, operator: 'Exists' }] },
    });
    await podsRunning(client, POOL, at + 1, 60_000);
    await setClosed(node, true);
  }
  await Promise.all(nodes.map((node) => setClosed(node, false)));
  await client.create(EVICTOR_CONFIGS, {
    metadata: { name: EVICTOR_CONFIG },
    spec: { enabled: true, cycleInterval: '1s', nodeGracePeriodMinutes: 0, podEvictionCooldown: '0s' },
  });
  const { kubeconfig, cloud, env } = stage;
  // On a busy machine a second ends before the search has looked at any set of nodes.
  const own = { ...env, PLAN_TIME_BUDGET: `${paced(1_000)}ms` };
  session = startSession({ kubeconfig, cloud, env: own });
});
t.teardown(async () => {
  session?.stop();
  await session?.ended;
  stage?.close();
  await ground?.down();
});

t.test('seed 002: evictor, without aggressiveMode the node of an only pod stays', async (t) => {
  await evictor.said('all nodes are kept', keeps(/no other pod of the workload of pod .* is ready/, nodes));
  await staysAt(t, { plans: 0, machines: 4 });
});

t.test('seed 002: evictor, a node stays that is younger than nodeGracePeriodMinutes', async (t) => {
  await evictor.settle({ aggressiveMode: true, nodeGracePeriodMinutes: 600 });
  await evictor.said('all nodes are kept', keeps(/^it is younger than 36000 s$/, nodes));
  await staysAt(t, { plans: 0, machines: 4 });
});

t.test('seed 002: evictor, in scopedMode by the policies nodes without the taint stay', async (t) => {
  const unscoped = keeps(/it has no taint scheduling\.cast\.ai\/scoped-autoscaler/, nodes);
  await client.create(AUTOSCALER_POLICIES, {
    metadata: { name: AUTOSCALER_POLICY },
    spec: {
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
    },
  });
  await evictor.said('all nodes are kept', unscoped);
  // From here on nothing but the policy keeps them.
  t.ok(unscoped(await evictor.settle({ nodeGracePeriodMinutes: 0 })));
  await staysAt(t, { plans: 0, machines: 4 });
});

t.test('seed 002: evictor, in scopedMode nodes with the taint may be drained', async (t) => {
  await evictor.settle({ dryRun: true });
  const scoped = nodes.slice(0, 2);
  for (const node of scoped) await setScoped(node, true);
  const status = await evictor.said('it would drain two', (status) => status.nodes?.length === 2);
  t.same(status.nodes?.map(({ name }) => name).sort(), [...scoped].sort());
  t.ok(keeps(/it has no taint/, nodes.slice(2))(status), 'the other two stay');
  for (const node of scoped) await setScoped(node, false);
  await client.delete(AUTOSCALER_POLICIES, { name: AUTOSCALER_POLICY });
  await staysAt(t, { plans: 0, machines: 4 });
});

t.test('seed 002: evictor, a rule lets an only pod go, and no other one', async (t) => {
  const [first = '', ...others] = CLAIMS;
  await evictor.settle({ aggressiveMode: false, dryRun: false, rules: [ruleFor(first)] });
  await evictor.leaves(3);
  t.match((await planEnded(first)).status, { state: /^Done/ });
  await podsRunning(client, POOL, CLAIMS.length, 60_000);
  await evictor.settle({ rules: [] });
  await evictor.said('the others are kept', keeps(/no other pod of the workload/, nodes.slice(1)));
  const left = await evictor.machines();
  t.same(left.map(({ metadata }) => metadata.name).sort(), others);
  await staysAt(t, { plans: 1, machines: 3 });
});

/** The node whose drain has failed. */
let rested = '';

t.test('seed 002: evictor, a drain that fails is undone, and the soft taint stays', async (t) => {
  const moved = (await podOf(CLAIMS[0] ?? '')).spec.nodeName ?? '';
  const at = nodes.findLastIndex((node) => node !== moved);
  rested = nodes[at] ?? '';
  const claim = CLAIMS[at] ?? '';
  const lift = await actsWith(client).holdPods(POOL, { app: appOf(claim), pods: 1 });
  // Not even an evictor that goes past budgets deletes it.
  const pod = { namespace: POOL, name: (await podOf(claim)).metadata.name };
  await client.patch(PODS, pod, { metadata: { annotations: { [REQUEST_EVICT_ONLY]: '' } } });
  const failing = { ignorePodDisruptionBudgets: true, drainTimeout: '2s', podEvictionCooldown: '1h' };
  await evictor.settle({ ...failing, rules: [ruleFor(claim)] });
  const { status } = await planEnded(claim);
  t.match(status, { state: 'Failed', failureReason: 'FailureReasonDrainTimeout' });
  const { spec } = await client.get(NODES, { name: rested });
  t.notOk(spec?.unschedulable, 'the node takes pods again');
  t.match(spec?.taints, [{ key: EVICTED_TAINT, effect: 'PreferNoSchedule' }]);
  await evictor.said('it rests', keeps(/its last drain failed a short time ago/, [rested]));
  t.equal((await podOf(claim)).metadata.name, pod.name, 'the pod is still there');
  const usual = { ignorePodDisruptionBudgets: false, drainTimeout: '10m', podEvictionCooldown: '0s' };
  await evictor.settle({ ...usual, dryRun: true, rules: [] });
  await lift();
  await staysAt(t, { plans: 2, machines: 3 });
});

t.test('seed 002: evictor, nodes marked removal-disabled, and those of such a rule, stay', async (t) => {
  const [labeled = '', annotated = ''] = nodes.slice(1).filter((node) => node !== rested);
  const mark = (value: 'true' | null) =>
    Promise.all([
      changeNode(labeled, { metadata: { labels: { [REMOVAL_DISABLED]: value } } }),
      changeNode(annotated, { metadata: { annotations: { [REMOVAL_DISABLED]: value } } }),
    ]);
  await mark('true');
  const rule = { nodeSelector: { matchLabels: { [HOSTNAME]: rested } }, removalDisabled: true };
  await evictor.settle({ aggressiveMode: true, maxNodesToEvictPerCycle: 1, rules: [rule] });
  const isKept = keeps(/^it is marked removal-disabled$/, [labeled, annotated]);
  await evictor.said('both stay', (status) => isKept(status) && status.nodes?.length === 0);
  t.ok(keeps(/a rule of the evictor keeps it/, [rested])(await evictor.settle({ dryRun: false })));
  // Each of these is a cycle of its own.
  for (const drainTimeout of ['9m', '8m']) t.ok(isKept(await evictor.settle({ drainTimeout })));
  await staysAt(t, { plans: 2, machines: 3 });
  await evictor.settle({ dryRun: true, rules: [] });
  await mark(null);
});

t.test(
  'seed 002: evictor, no more than maxNodesToEvictPerCycle go at once, one after the other',
  async (t) => {
    const before = new Set((await evictor.plans()).map(({ metadata }) => metadata.name));
    const status = await evictor.said('others wait', keeps(OTHERS_FIRST));
    t.equal(status.nodes?.length, 1);
    await evictor.settle({ dryRun: false });
    await evictor.leaves(1);
    await podsRunning(client, POOL, CLAIMS.length, 60_000);
    await until('all plans have ended', async () => (await evictor.plans()).every(isFinished), SOON);
    const plans = (await evictor.plans()).filter(({ metadata }) => !before.has(metadata.name));
    t.equal(plans.length, 2);
    for (const { spec, status } of plans) {
      t.match(status?.state, /^Done/);
      t.equal(deletedClaims(spec).length, 1);
    }
  },
);
