import t from 'tap';
import { INSTALL_NAMESPACE, PIN, POD_PINNER_WEBHOOK, PREPARING_TAINT } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import { isFinished } from '../api/plans.ts';
import { CONFIG_MAPS, NODE_CLAIMS, PODS, REBALANCE_PLANS } from '../api/resources.ts';
import { SOFT_PINS, type SoftPinsObject } from '../kentroller/softpins/kind.ts';
import { createCache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { createLogger } from '../kube/component/log.ts';
import { pacedSeconds } from '../kube/testing/pace.ts';
import { until } from '../kube/testing/until.ts';
import type { Ground } from './ground/ground.ts';
import { install } from './ground/install.ts';
import { claimEnded, claimRebalance, planOf, planReaches } from './support/claim.ts';
import { killAll } from './support/killall.ts';
import { outcomeOf } from './support/outcome.ts';
import { FEATURES, withFeatures, withSettings } from './support/settings.ts';
import { onStage, type Stage } from './support/stage.ts';
import { applyStatefulSet, podsRunning } from './support/workload.ts';

/** Plans whose pods an admission policy and kube-scheduler take to their nodes: with PINNING=policy, and without a webhook. */

const FILES = ['crd', 'rbac', 'policy'].flatMap((file) => [
  '-f',
  `manifests/components/soft-pins/${file}.yaml`,
]);
/** Pods of the Deployments, and of the StatefulSet. */
const PODS_OF = { deployments: 12, statefulSet: 3 } as const;
const ALL = PODS_OF.deployments + PODS_OF.statefulSet;

const softPinsOf = async (client: KubeClient): Promise<readonly SoftPinsObject[]> =>
  (await client.list(SOFT_PINS)).items;

/** Scales the webhook's Deployment, and waits until its pods are gone, or all there. */
const scaleWebhook = async (ground: Ground, replicas: number): Promise<void> => {
  const kubectl = (...args: string[]) => ground.kubectl([...args, `--namespace=${INSTALL_NAMESPACE}`]);
  await kubectl('scale', 'deployment', POD_PINNER_WEBHOOK, `--replicas=${replicas}`);
  const timeout = `--timeout=${pacedSeconds(300)}`;
  if (replicas > 0) await kubectl('rollout', 'status', `deployment/${POD_PINNER_WEBHOOK}`, timeout);
  else await kubectl('wait', '--for=delete', 'pod', `--selector=app=${POD_PINNER_WEBHOOK}`, timeout);
};

/** The component, and kentroller with these settings, until the act is over. */
const installed = async (
  ground: Ground,
  settings: Readonly<Record<string, string>>,
  act: () => Promise<void>,
): Promise<void> => {
  await ground.kubectl(['apply', '--server-side', ...FILES]);
  try {
    await withSettings(ground, settings, act);
  } finally {
    await ground.kubectl(['delete', '--ignore-not-found', ...FILES]);
  }
};

const isSteered = ({ spec }: Pod): boolean =>
  spec.tolerations?.some(({ key }) => key === PREPARING_TAINT) ||
  (spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).some(
    ({ preference }) => preference.matchFields?.length,
  ) ||
  false;

/** A stage with fragmented machines that hold Deployments and a StatefulSet. */
const fragmented = (
  test: Parameters<typeof onStage>[0],
  name: string,
  act: (stage: Stage) => Promise<void>,
): Promise<void> =>
  onStage(test, { name, machines: 5 }, async (stage) => {
    await applyStatefulSet(stage.client, {
      namespace: name,
      name: 'db',
      replicas: PODS_OF.statefulSet,
      cpu: '200m',
      memory: '256Mi',
      pool: name,
    });
    await podsRunning(stage.client, name, ALL, 120_000);
    await act(stage);
  });

/** What the pods of a namespace went through while a plan ran, and how often soft pins were written. */
const watchPods = async (client: KubeClient, namespace: string) => {
  const ended = new AbortController();
  const log = createLogger({ component: 'suite', level: 'warn' });
  const pods = createCache({ client, log, resource: PODS, namespace });
  const steering = createCache({ client, log, resource: SOFT_PINS });
  const seen = { pinned: 0, gated: 0, failed: 0 };
  let writes = 0;
  steering.onChange(({ type }) => {
    if (type !== 'delete') writes += 1;
  });
  pods.onChange(({ object: { metadata, spec, status } }) => {
    if (metadata.annotations?.[PIN] !== undefined) seen.pinned += 1;
    if ((spec.schedulingGates ?? []).length > 0) seen.gated += 1;
    if (status?.phase === 'Failed') seen.failed += 1;
  });
  for (const cache of [pods, steering]) cache.start(ended.signal);
  await Promise.all([pods.synced(ended.signal), steering.synced(ended.signal)]);
  return { seen, writes: () => writes, stop: () => ended.abort() };
};

t.test('without a webhook, pods of a plan find its nodes by policy and kube-scheduler', (t) =>
  fragmented(t, 'softly', async ({ client, ground, name }) => {
    await installed(ground, { PINNING: 'policy' }, async () => {
      await scaleWebhook(ground, 0);
      const { seen, writes, stop } = await watchPods(client, name);
      try {
        await claimRebalance(client, { name, pool: name });
        const claim = await claimEnded(client, name, 240_000);
        t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'the claim completed');
        const plan = await planOf(client, name);
        t.match(plan.status?.state, /^Done/);
        t.notMatch(plan.status?.conditions, [{ reason: 'PinsMissing' }], 'the policy was live');
        const pods = await podsRunning(client, name, ALL, 60_000);
        const claims = await client.list(NODE_CLAIMS);
        const outcome = outcomeOf(plan, pods, claims.items);
        t.comment(
          `${outcome.placed} of ${outcome.planned} pods where the plan put them with ${writes()} writes of soft pins: ${plan.status?.state}`,
        );
        t.ok(outcome.planned > 0, 'pods were moved');
        t.ok(outcome.placed * 10 >= outcome.planned * 8, `where planned, but ${outcome.missing.join(', ')}`);
        t.ok(pods.some(isSteered), 'the policy steered pods');
        t.same({ ...seen }, { pinned: 0, gated: 0, failed: 0 }, 'none was pinned, held or lost');
        await until('no soft pins are left', async () => (await softPinsOf(client)).length === 0, {
          timeoutMs: 30_000,
          everyMs: 300,
        });
      } finally {
        stop();
        await scaleWebhook(ground, 2);
      }
    });
  }),
);

t.test('what a crash leaves steers pods until its plan is deleted, and then goes by itself', (t) =>
  fragmented(t, 'crashed', async ({ client, ground, name }) => {
    await installed(ground, { PINNING: 'policy' }, async () => {
      await claimRebalance(client, { name, pool: name });
      const { metadata } = await planOf(client, name);
      await until('the plan has soft pins', async () => (await softPinsOf(client)).length > 0, {
        timeoutMs: 180_000,
        everyMs: 50,
      });
      try {
        await killAll({ client, ground });
        const left = await softPinsOf(client);
        t.equal(left.length, 1, 'they are left behind');
        t.match(left[0]?.metadata.ownerReferences, [{ kind: 'RebalancePlan', name: metadata.name }]);
        await ground.kubectl(['scale', 'deployment/app-1', `--namespace=${name}`, '--replicas=6']);
        await podsRunning(client, name, ALL + 2, 180_000);
        t.pass('pods are placed while nobody of ours looks after the soft pins');
        // By hand, since nobody is there who would undo the plan.
        const plan = { name: metadata.name };
        await client.patch(REBALANCE_PLANS, plan, { metadata: { finalizers: null } });
        await client.delete(REBALANCE_PLANS, plan);
        await until('the soft pins are gone', async () => (await softPinsOf(client)).length === 0, {
          timeoutMs: 60_000,
          everyMs: 300,
        });
        t.pass('the garbage collector took them with their plan');
      } finally {
        await install(ground, 'manifests/base');
      }
    });
  }),
);

t.test('soft pins are turned on and off while kentroller runs', (t) =>
  fragmented(t, 'switched', async ({ client, ground, name }) => {
    await ground.kubectl(['apply', '--server-side', ...FILES]);
    const on = { 'softPins.enabled': 'true' };
    const act = async (): Promise<void> => {
      await claimRebalance(client, { name, pool: name });
      const { metadata } = await planOf(client, name);
      await until('the plan has soft pins', async () => (await softPinsOf(client)).length > 0, {
        timeoutMs: 180_000,
        everyMs: 50,
      });
      await client.patch(CONFIG_MAPS, FEATURES, { data: { 'softPins.enabled': 'false' } });
      await until('they are taken back', async () => (await softPinsOf(client)).length === 0, {
        timeoutMs: 30_000,
        everyMs: 50,
      });
      const plan = await planReaches(client, metadata.name, 'ended', isFinished, 240_000);
      t.match(plan.status?.state, /^Done/, 'webhook and pinner carried on');
      const pods = await podsRunning(client, name, ALL, 60_000);
      const outcome = outcomeOf(plan, pods, (await client.list(NODE_CLAIMS)).items);
      t.comment(`${outcome.placed} of ${outcome.planned} pods where the plan put them`);
    };
    try {
      await withFeatures(client, on, act);
    } finally {
      await ground.kubectl(['delete', '--ignore-not-found', ...FILES]);
    }
  }),
);
