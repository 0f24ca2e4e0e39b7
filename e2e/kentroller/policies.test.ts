import t from 'tap';
import { AUTOSCALER_POLICY, type AutoscalerPolicySpec } from '../../api/kinds/autoscalerpolicy.ts';
import {
  KARPENTER_NODEPOOL,
  MANAGED_BY,
  MANAGED_BY_US,
  REMOVAL_DISABLED,
  SCOPED_TAINT,
} from '../../api/labels.ts';
import { isWorker } from '../../api/nodes.ts';
import type { NodePool } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { AUTOSCALER_POLICIES, EVENTS, NODE_CLAIMS, NODES } from '../../api/resources.ts';
import { getOrUndefined, ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { type Ground, up } from '../ground/ground.ts';
import { applyPool, dropPool, machinesReady, orderMachine } from '../support/fleet.ts';
import {
  applyDeployment,
  createNamespace,
  DEPLOYMENTS,
  deleteNamespace,
  podsRunning,
} from '../support/workload.ts';
import { startSession } from './session.ts';
import { openStage, type Stage } from './stage.ts';

/** The autoscaling policies with real Karpenter: the delay of empty nodes, the cluster's limits and scoped mode, switched live. */

const LONG = { timeoutMs: 180_000, everyMs: 250 };
const POOL = 'policies';
const NAMES = [`${POOL}-1`, `${POOL}-2`];
const ref = { name: AUTOSCALER_POLICY };
let ground: Ground;
let stage: Stage;

t.before(async () => {
  ground = await up({ name: 'policies', cloud: true });
  stage = await openStage(ground);
});
t.teardown(async () => {
  await stage?.client.delete(AUTOSCALER_POLICIES, ref).catch(ignoreNotFound);
  stage?.close();
  await ground?.down();
});

const policies = (delaySeconds: number, minCores: number): AutoscalerPolicySpec => ({
  enabled: true,
  clusterLimits: { enabled: true, cpu: { minCores } },
  nodeDownscaler: { enabled: true, emptyNodes: { enabled: true, delaySeconds } },
});
const change = (spec: AutoscalerPolicySpec): Promise<unknown> =>
  stage.client.patch(AUTOSCALER_POLICIES, ref, { spec });
const said = (what: RegExp): Promise<unknown> =>
  until(
    `the status says ${what}`,
    async () => {
      const { status } = await stage.client.get(AUTOSCALER_POLICIES, ref);
      const text = JSON.stringify(status);
      if (!what.test(text)) throw new Error(`it says ${text}`);
      return true;
    },
    LONG,
  );
/** Which of these machines are gone, or on their way. */
const goingOf = async (machines: readonly string[]): Promise<readonly string[]> => {
  const found = await Promise.all(
    machines.map((name) => getOrUndefined(stage.client.get(NODE_CLAIMS, { name }))),
  );
  return machines.filter((_, at) => found[at] === undefined || found[at].metadata.deletionTimestamp);
};
const goes = (machines: readonly string[], count: number): Promise<readonly string[]> =>
  until(
    `${count} of ${machines} go`,
    async () => {
      const names = await goingOf(machines);
      if (names.length !== count) throw new Error(`${names.length} do: ${names}`);
      return names;
    },
    LONG,
  );
/** Machines of a NodePool, and their nodes, in the order of their names. */
const order = async (pool: NodePool, machines: readonly string[]): Promise<readonly string[]> => {
  for (const name of machines)
    await orderMachine(stage.client, pool, { name, instanceType: 'm5.large', zone: 'us-west-2a' });
  const ready = await machinesReady(stage.client, machines, 180_000);
  const nodeOf = new Map(ready.map(({ metadata, status }) => [metadata.name, status?.nodeName ?? '']));
  return machines.map((name) => nodeOf.get(name) ?? '');
};
const begin = async (spec: AutoscalerPolicySpec): Promise<void> => {
  await stage.client.delete(AUTOSCALER_POLICIES, ref).catch(ignoreNotFound);
  await stage.client.create(AUTOSCALER_POLICIES, { metadata: ref, spec });
};

t.test('empty nodes are kept for their delay, then deleted down to minCores, by live switches', async (t) => {
  // Karpenter itself would not touch them for an hour.
  const pool = await applyPool(stage.client, { name: POOL, consolidateAfter: '1h' });
  await order(pool, NAMES);
  const { items } = await stage.client.list(NODES);
  const millicores = items
    .filter(isWorker)
    .reduce((sum, { status }) => sum + amount('cpu', status?.capacity?.cpu ?? '0'), 0);
  // One of the two may go.
  const minCores = Math.floor(millicores / 1_000) - 2;
  await begin(policies(3_600, minCores));
  const { kubeconfig, cloud, env } = stage;
  const session = startSession({ kubeconfig, cloud, env, hasFeatures: true });
  t.teardown(async () => {
    session.stop();
    await session.ended;
    await dropPool(stage.client, POOL);
  });
  await said(/empty nodes are kept for 3600 s/);
  t.same(await goingOf(NAMES), []);
  await change(policies(0, minCores));
  await goes(NAMES, 1);
  await said(
    /deleted the NodeClaim of node .*clusterLimits\.cpu\.minCores is|minCores is .*deleted the NodeClaim/s,
  );
  t.equal((await goingOf(NAMES)).length, 1, 'the other is needed');
  await change(policies(0, 0));
  await goes(NAMES, 2);
});

t.test(
  'seed 002: a node labeled or annotated removal-disabled stays though it is empty, and goes once the mark is off',
  async (t) => {
    const [labeled, annotated] = ['kept-1', 'kept-2'] as const;
    const both = [labeled, annotated];
    const pool = await applyPool(stage.client, { name: 'kept', consolidateAfter: '1h' });
    const [first = '', second = ''] = await order(pool, both);
    await ground.kubectl(['label', 'node', first, `${REMOVAL_DISABLED}=true`]);
    await ground.kubectl(['annotate', 'node', second, `${REMOVAL_DISABLED}=true`]);
    await begin(policies(0, 0));
    const { kubeconfig, cloud, env } = stage;
    const session = startSession({ kubeconfig, cloud, env, hasFeatures: true });
    t.teardown(async () => {
      session.stop();
      await session.ended;
      await dropPool(stage.client, 'kept');
    });
    await said(/2 empty nodes stay; node [^:]*: it is marked removal-disabled/);
    t.same(await goingOf(both), []);
    await ground.kubectl(['label', 'node', first, `${REMOVAL_DISABLED}-`]);
    t.same(await goes(both, 1), [labeled]);
    await said(new RegExp(`1 empty nodes stay; node ${second}: it is marked removal-disabled`));
    t.same(await goingOf(both), [labeled]);
    await ground.kubectl(['annotate', 'node', second, `${REMOVAL_DISABLED}-`]);
    await goes(both, 2);
  },
);

t.test('in scoped mode pods in scope run on nodes with its taint, which Karpenter keeps', async (t) => {
  const pool = 'scoped';
  const nodePool = await applyPool(stage.client, { name: pool, consolidateAfter: '1h' });
  await createNamespace(stage.client, pool);
  const spec = { enabled: true, isScopedMode: true, unschedulablePods: { enabled: true } };
  await begin(spec);
  const { kubeconfig, cloud, env } = stage;
  const session = startSession({ kubeconfig, cloud, env, hasFeatures: true });
  t.teardown(async () => {
    session.stop();
    await session.ended;
    await deleteNamespace(stage.client, pool);
    await dropPool(stage.client, pool);
  });
  const nodeSelector = { [KARPENTER_NODEPOOL]: pool, [MANAGED_BY]: MANAGED_BY_US };
  const tolerations = [{ key: SCOPED_TAINT, operator: 'Exists', effect: 'NoSchedule' }];
  const app = { namespace: pool, pool, replicas: 2, cpu: '200m', memory: '128Mi' };
  await applyDeployment(stage.client, { ...app, name: 'good', podSpec: { nodeSelector, tolerations } });
  await podsRunning(stage.client, pool, 2, 300_000);
  const labelSelector = `${KARPENTER_NODEPOOL}=${pool}`;
  const { items: nodes } = await stage.client.list(NODES, { labelSelector });
  t.equal(nodes.length, 1);
  t.equal(nodes[0]?.metadata.labels?.[MANAGED_BY], MANAGED_BY_US);
  t.match(nodes[0]?.spec?.taints, [{ key: SCOPED_TAINT, effect: 'NoSchedule' }]);
  await applyDeployment(stage.client, { ...app, name: 'bare', podSpec: { nodeSelector } });
  await until(
    'the pods without the toleration are told',
    async () => {
      const { items } = await stage.client.list(EVENTS, { namespace: pool });
      const reasons = items.map(({ reason }) => reason);
      if (!reasons.includes('Misconfigured')) throw new Error(`events: ${[...new Set(reasons)]}`);
      return true;
    },
    LONG,
  );
  const { items: claims } = await stage.client.list(NODE_CLAIMS, { labelSelector });
  t.equal(claims.length, 1, 'nobody buys for these');
  t.notOk(claims[0]?.status?.conditions?.some(({ type, status }) => type === 'Drifted' && status === 'True'));

  // Node deletion keeps to the scope, too.
  const foreign = `${pool}-foreign`;
  const [node = ''] = await order(nodePool, [foreign]);
  await change({ ...spec, ...policies(0, 0) });
  await said(new RegExp(`node ${node}: the autoscaler is in scoped mode, and did not buy it`));
  for (const name of ['good', 'bare']) await stage.client.delete(DEPLOYMENTS, { namespace: pool, name });
  const bought = claims.map(({ metadata }) => metadata.name);
  await goes(bought, 1);
  await said(new RegExp(`1 empty nodes stay; node ${node}: the autoscaler is in scoped mode`));
  t.same(await goingOf([foreign]), []);
});
