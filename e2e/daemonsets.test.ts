import t, { type Test } from 'tap';
import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, KARPENTER_NODEPOOL, OPEN_TO_DAEMONSETS, PLAN, PREPARING_TAINT } from '../api/labels.ts';
import type { Node, Pod, Toleration } from '../api/objects.ts';
import { isFinished } from '../api/plans.ts';
import { NODE_CLAIMS, NODES, PODS, REBALANCE_PLANS } from '../api/resources.ts';
import { until } from '../kube/testing/until.ts';
import { type ArrivalWitness, STRANGER, witnessArrivals } from './support/arrivals.ts';
import { claimRebalance, planOf, planReaches } from './support/claim.ts';
import { controlOf } from './support/components.ts';
import * as daemons from './support/daemons.ts';
import { claimOf } from './support/outcome.ts';
import { onStage, type Stage, type StageOptions } from './support/stage.ts';
import { applyDeployment, isRunning } from './support/workload.ts';

/** DaemonSets without any toleration of ours reach the nodes that a plan adds while it runs; strangers do not. */

const PLAN_TIMEOUT_MS = 240_000;

const onDaemonStage = (
  o: StageOptions & { readonly daemons: readonly daemons.Daemon[] },
  act: (stage: Stage, seen: ArrivalWitness) => Promise<void>,
): Promise<void> =>
  onStage(t, { ...o, deployments: 0 }, async (stage) => {
    const seen = await witnessArrivals(stage.client, stage.name, o.daemons);
    try {
      for (const daemon of o.daemons) {
        await daemons.applyDaemon(stage.client, stage.name, stage.name, daemon);
      }
      await act(stage, seen);
    } finally {
      seen.stop();
      await controlOf(stage.ground).clearFaults();
    }
  });

const appRuns = ({ client, name }: Stage, app: string, replicas: number): Promise<readonly Pod[]> =>
  until(
    `${replicas} pods of ${app} running`,
    async () => {
      const { items } = await client.list(PODS, { namespace: name, labelSelector: `app=${app}` });
      return items.length === replicas && items.every(isRunning) ? items : undefined;
    },
    { timeoutMs: 90_000, everyMs: 500 },
  );

/** Pods that tolerate nothing of ours and that only nodes of this plan would take; Karpenter can buy none for them. */
const applyStrangers = ({ client, name }: Stage, plan: string, tolerations: readonly Toleration[]) =>
  applyDeployment(client, {
    namespace: name,
    name: STRANGER,
    replicas: 2,
    cpu: '10m',
    memory: '16Mi',
    pool: name,
    podSpec: { nodeSelector: { [KARPENTER_NODEPOOL]: name, [PLAN]: plan }, tolerations },
  });

/** Makes a plan, lets strangers wait for its nodes, and executes it. */
const startPlan = async (
  t: Test,
  stage: Stage,
  tolerations: readonly Toleration[] = [],
): Promise<RebalancePlan> => {
  const { client, name } = stage;
  await claimRebalance(client, { name, pool: name, spec: { autoExecute: false } });
  const plan = await planOf(client, name);
  t.ok((plan.spec.nodeClaimsToAdd ?? []).length > 0, 'the plan adds a machine');
  await applyStrangers(stage, plan.metadata.name, tolerations);
  return client.patch(REBALANCE_PLANS, { name: plan.metadata.name }, { spec: { execute: true } });
};

const addedNodes = ({ client }: Stage, plan: RebalancePlan): Promise<readonly Node[]> =>
  Promise.all(
    (plan.spec.nodeClaimsToAdd ?? []).map(async ({ metadata }) => {
      const claim = await client.get(NODE_CLAIMS, { name: claimOf(plan, metadata.name) });
      return client.get(NODES, { name: claim.status?.nodeName ?? '' });
    }),
  );

const checkDone = async (
  t: Test,
  stage: Stage,
  { metadata: { name: plan } }: RebalancePlan,
  o: { readonly seen: ArrivalWitness; readonly daemons: readonly daemons.Daemon[] },
): Promise<readonly Node[]> => {
  const ended = await planReaches(stage.client, plan, 'ended', isFinished, PLAN_TIMEOUT_MS);
  const { state, failureMessage, warnings } = ended.status ?? {};
  t.equal(state, 'Done', failureMessage ?? JSON.stringify(warnings));
  const nodes = await addedNodes(stage, ended);
  for (const { metadata, spec } of nodes) {
    const { name } = metadata;
    const there = o.seen.on(name);
    const { firstPodRan = Number.NaN, released = Number.NaN } = there;
    t.ok(firstPodRan < released, `pods of the plan ran on ${name} before the plan released it`);
    for (const daemon of o.daemons) {
      const at = there.daemons.get(daemon.name) ?? Number.NaN;
      t.ok(at < firstPodRan, `${daemon.name} reached ${name} before the plan's pods ran there`);
    }
    t.same(there.strangers, [], `no stranger reached ${name} before the plan released it`);
    const keys = (spec?.taints ?? []).map(({ key }) => key);
    t.notOk(keys.includes(PREPARING_TAINT), 'no reservation is left');
    const { [CORDONED_BY]: by, [OPEN_TO_DAEMONSETS]: isOpen } = metadata.annotations ?? {};
    t.same([by, isOpen], [undefined, undefined], 'no cordon of ours is left');
  }
  return nodes;
};

/** Deletes the pod of a DaemonSet, as a rolling update does, and waits for the next one. */
const replaceAgent = async (t: Test, { client, name }: Stage, node: string): Promise<void> => {
  const agentOn = async (): Promise<Pod | undefined> => {
    const labelSelector = `daemon=${daemons.AGENT.name}`;
    const { items } = await client.list(PODS, { namespace: name, labelSelector });
    return items.find(({ spec }) => spec.nodeName === node);
  };
  const before = await agentOn();
  await client.delete(PODS, { name: before?.metadata.name ?? '', namespace: name });
  const after = await until(
    'another pod of the agent',
    async () => {
      const pod = await agentOn();
      return pod && pod.metadata.uid !== before?.metadata.uid && isRunning(pod) ? pod : undefined;
    },
    { timeoutMs: 30_000 },
  );
  t.ok(after, `an agent's pod that went came back to ${node}`);
};

t.test('a GPU plan ends: device plugin and CSI driver reach the added nodes before its pods', (t) => {
  const each = [daemons.DEVICE_PLUGIN, daemons.CSI_DRIVER];
  const pool = {
    requirements: [
      { key: 'karpenter.k8s.aws/instance-category', operator: 'In' as const, values: ['g'] },
      { key: 'karpenter.k8s.aws/instance-gpu-count', operator: 'In' as const, values: ['1'] },
    ],
    taints: [daemons.GPU_TAINT],
    startupTaints: [daemons.CSI_TAINT],
  };
  const o = { name: 'gpu-daemons', machines: 2, instanceType: 'g5.4xlarge', pool, daemons: each };
  return onDaemonStage(o, async (stage, seen) => {
    // Devices come from the device plugin alone.
    await controlOf(stage.ground).setFaults({ delays: { devicesMs: 3_600_000 } });
    await applyDeployment(stage.client, {
      namespace: stage.name,
      name: 'trainer',
      replicas: 2,
      cpu: '500m',
      memory: '512Mi',
      pool: stage.name,
      podSpec: daemons.gpuPodSpec(stage.name),
    });
    await appRuns(stage, 'trainer', 2);
    const plan = await startPlan(t, stage, [daemons.GPU_TOLERATION]);
    const nodes = await checkDone(t, stage, plan, { seen, daemons: each });
    for (const { spec } of nodes) t.not(spec?.unschedulable, true, 'an added node is open');
    await Promise.all([appRuns(stage, 'trainer', 2), appRuns(stage, STRANGER, 2)]);
  });
});

t.test("agents reach added nodes, strangers don't, and a user's cordon stays", (t) => {
  const o = { name: 'agents', machines: 3, daemons: [daemons.AGENT] };
  return onDaemonStage(o, async (stage, seen) => {
    const { client, ground, name } = stage;
    const spread = {
      maxSkew: 1,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'spread' } },
    };
    const app = { namespace: name, replicas: 3, cpu: '200m', memory: '256Mi', pool: name };
    await applyDeployment(client, { ...app, name: 'plain' });
    await applyDeployment(client, {
      ...app,
      name: 'spread',
      podSpec: { topologySpreadConstraints: [spread] },
    });
    await Promise.all([appRuns(stage, 'plain', 3), appRuns(stage, 'spread', 3)]);
    await controlOf(ground).setFaults({ delays: { shutdownMs: 20_000 } });
    const plan = await startPlan(t, stage);
    const old = (plan.spec.nodeClaimsToDelete ?? []).map(({ nodeClaimName }) => nodeClaimName);
    await until(
      'all machines that the plan removes are going',
      async () => {
        const { items } = await client.list(NODE_CLAIMS);
        return items
          .filter(({ metadata }) => old.includes(metadata.name))
          .every(({ metadata }) => metadata.deletionTimestamp);
      },
      { timeoutMs: PLAN_TIMEOUT_MS },
    );
    const running = await client.get(REBALANCE_PLANS, { name: plan.metadata.name });
    const [first] = await addedNodes(stage, running);
    const cordoned = first?.metadata.name ?? '';
    await replaceAgent(t, stage, cordoned);
    const later = await client.get(REBALANCE_PLANS, { name: plan.metadata.name });
    t.notOk(isFinished(later), 'the plan still runs');
    await ground.kubectl(['cordon', cordoned]);
    const nodes = await checkDone(t, stage, plan, { seen, daemons: [daemons.AGENT] });
    for (const { metadata, spec } of nodes) {
      t.equal(spec?.unschedulable ?? false, metadata.name === cordoned, "only the user's cordon is left");
    }
  });
});
