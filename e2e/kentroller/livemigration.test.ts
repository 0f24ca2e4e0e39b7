import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { RebalanceMigrationPlan } from '../../api/kinds/rebalancemigrationplan.ts';
import type { PodToMigrate, RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL, LIVE_MIGRATION, REBALANCING_STATUS } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import { until } from '../../kube/testing/until.ts';
import { type Ground, up } from '../ground/ground.ts';
import { applyPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { applyDeployment, createNamespace, podsRunning } from '../support/workload.ts';
import { openStage, type Stage } from './stage.ts';

/** Live migration with a real API server, real Karpenter and hollow machines; the providers are this test's. */

const PODS = 3;
let ground: Ground;
let stage: Stage;

t.before(async () => {
  ground = await up({ name: 'live-migration', cloud: true });
  stage = await openStage(ground);
});
t.teardown(async () => {
  stage?.close();
  await ground?.down();
});

interface Scene {
  readonly name: string;
  readonly source: Node;
  readonly destination: Node;
  readonly pods: readonly Pod[];
}

const podsOn = async (namespace: string, node: string): Promise<readonly Pod[]> => {
  const { items } = await stage.client.list(resources.PODS, { namespace });
  return items.filter((pod) => pod.spec.nodeName === node && !pod.metadata.deletionTimestamp);
};

/** Two machines that a provider serves; all pods run on the first. */
const setScene = async (name: string, withOwner: boolean): Promise<Scene> => {
  const { client } = stage;
  const pool = await applyPool(client, { name });
  const claims = [`${name}-old`, `${name}-new`];
  for (const claim of claims) {
    await orderMachine(client, pool, { name: claim, instanceType: 'm5.xlarge', zone: 'us-west-2a' });
  }
  const ready = await machinesReady(client, claims, 120_000);
  const nodes = await Promise.all(
    claims.map((claim) =>
      client.patch(
        resources.NODES,
        { name: ready.find((c) => c.metadata.name === claim)?.status?.nodeName ?? '' },
        { metadata: { labels: { [LIVE_MIGRATION]: 'true' } } },
      ),
    ),
  );
  const [source, destination] = nodes as [Node, Node];
  const close = (unschedulable: boolean) =>
    client.patch(resources.NODES, { name: destination.metadata.name }, { spec: { unschedulable } });
  await createNamespace(client, name);
  await close(true);
  const common = { namespace: name, name: 'app', cpu: '100m', memory: '64Mi', pool: name };
  if (withOwner) await applyDeployment(client, { ...common, replicas: PODS });
  else {
    for (let i = 0; i < PODS; i++) await client.create(resources.PODS, lonePod(name, `app-${i}`, source));
  }
  await until(
    'pods run on the old node',
    async () => {
      const pods = await podsOn(name, source.metadata.name);
      return pods.filter((p) => p.status?.phase === 'Running').length === PODS;
    },
    { timeoutMs: 60_000 },
  );
  await close(false);
  return { name, source, destination, pods: await podsOn(name, source.metadata.name) };
};

const lonePod = (namespace: string, name: string, node: Node, labels: Record<string, string> = {}): Pod => {
  const container = { name: 'app', image: 'pause:local', resources: { requests: { cpu: '100m' } } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'app', ...labels } },
    spec: { nodeName: node.metadata.name, containers: [container] },
  };
};

const makePlan = (scene: Scene, policy: NonNullable<PodToMigrate['policy']>): Promise<RebalancePlan> =>
  stage.client.create(resources.REBALANCE_PLANS, {
    apiVersion: 'autoscaling.cast.ai/v1alpha',
    kind: 'RebalancePlan',
    metadata: { name: scene.name },
    spec: {
      execute: true,
      nodeClaimsToDelete: [{ nodeClaimName: `${scene.name}-old` }],
      podsToMigrate: scene.pods.map((pod) => {
        const owner = pod.metadata.ownerReferences?.[0];
        return {
          name: pod.metadata.name,
          namespace: scene.name,
          srcNode: scene.source.metadata.name,
          dstNodeClaimName: `${scene.name}-new`,
          policy,
          ...(owner ? { owner: { kind: owner.kind, name: owner.name, uid: owner.uid } } : {}),
        };
      }),
    },
  });

const read = (scene: Scene): Promise<RebalancePlan> =>
  stage.client.get(resources.REBALANCE_PLANS, { name: scene.name });

const eventsOf = (plan: RebalancePlan): readonly string[] =>
  (plan.status?.nodesDeletion?.[`${plan.metadata.name}-old`]?.events ?? []).map((e) => e.status);

const ended = (scene: Scene): Promise<RebalancePlan> =>
  until(
    `plan ${scene.name} ended`,
    async () => {
      const plan = await read(scene);
      return plan.status?.completionTime ? plan : undefined;
    },
    { timeoutMs: 90_000 },
  );

/** A provider that acts once on each RebalanceMigrationPlan of a scene, until it is stopped. */
const provide = (
  scene: Scene,
  act: (migration: RebalanceMigrationPlan, signal: AbortSignal) => Promise<void>,
): { stop(): Promise<void> } => {
  const stopping = new AbortController();
  const seen = new Set<string>();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { items } = await stage.client.list(resources.REBALANCE_MIGRATION_PLANS);
      for (const migration of items) {
        const { uid = '', ownerReferences } = migration.metadata;
        if (seen.has(uid) || ownerReferences?.[0]?.name !== scene.name) continue;
        seen.add(uid);
        await act(migration, stopping.signal);
      }
      await delay(100);
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
};

/** Reports one state for all pods of a request. */
const report = (migration: RebalanceMigrationPlan, phase: string, state: string): Promise<unknown> =>
  stage.client.patch(
    resources.REBALANCE_MIGRATION_PLANS,
    { name: migration.metadata.name },
    {
      status: {
        phase,
        migrations: Object.fromEntries(
          migration.spec.migrations.map((m) => [`${m.podNamespace}/${m.podName}`, { state }]),
        ),
      },
    },
    { subresource: 'status' },
  );

const ENV = { PIN_ACKNOWLEDGE_TIMEOUT: '500ms', PLAN_SETTLE_TIMEOUT: '20s' };

t.test('with a provider that succeeds no pod is evicted, also after a restart', async (t) => {
  const scene = await setScene('moved', false);
  t.teardown(() => stage.clear(scene.name));
  const { promise: mayFinish, resolve: finish } = Promise.withResolvers<void>();
  const provider = provide(scene, async (migration) => {
    await report(migration, 'Running', 'Running');
    await mayFinish;
    for (const m of migration.spec.migrations) {
      const ref = { name: m.podName, namespace: m.podNamespace };
      t.equal(m.destinationNode, scene.destination.metadata.name);
      await stage.client.delete(resources.PODS, ref, { gracePeriodSeconds: 0 });
      const copy = lonePod(scene.name, m.podName, scene.destination, { copied: 'true' });
      await until('the copy is created', () => stage.client.create(resources.PODS, copy), {
        timeoutMs: 20_000,
      });
    }
    await report(migration, 'Completed', 'Completed');
  });
  t.teardown(() => provider.stop());
  await makePlan(scene, 'Mandatory');
  await stage.play(ENV, async () => {
    await until(
      'the migration is under way',
      async () => eventsOf(await read(scene)).includes('LiveMigrationInProgress'),
      { timeoutMs: 30_000 },
    );
  });
  finish();
  await stage.play(ENV, async () => {
    const plan = await ended(scene);
    t.match(plan.status?.state, /^Done/, plan.status?.failureMessage ?? 'done');
    t.same(eventsOf(plan), [
      'InProgress',
      'LiveMigrationCreated',
      'LiveMigrationInProgress',
      'LiveMigrationSucceeded',
      'Success',
    ]);
    t.same(plan.status?.achievedOutcome?.podsPlaced, PODS);
    const pods = await podsOn(scene.name, scene.destination.metadata.name);
    t.equal(pods.filter((p) => p.metadata.labels?.copied === 'true').length, PODS, 'all are copies');
    const { items } = await stage.client.list(resources.NODE_CLAIMS, {
      labelSelector: `${KARPENTER_NODEPOOL}=${scene.name}`,
    });
    t.same(
      items.map((c) => c.metadata.name),
      [`${scene.name}-new`],
    );
  });
});

t.test('with a provider that fails Optional pods are evicted and the plan goes on', async (t) => {
  const scene = await setScene('refused', true);
  t.teardown(() => stage.clear(scene.name));
  const provider = provide(scene, async (migration) => {
    await report(migration, 'Failed', 'Failed');
  });
  t.teardown(() => provider.stop());
  await makePlan(scene, 'Optional');
  await stage.play(ENV, async () => {
    const plan = await ended(scene);
    t.match(plan.status?.state, /^Done/, plan.status?.failureMessage ?? 'done');
    t.same(eventsOf(plan), ['InProgress', 'LiveMigrationCreated', 'LiveMigrationFailed', 'Success']);
    const pods = await podsRunning(stage.client, scene.name, PODS, 30_000);
    t.ok(pods.every((p) => p.spec.nodeName === scene.destination.metadata.name));
  });
});

t.test('with a provider that fails Mandatory pods stay and the plan fails', async (t) => {
  const scene = await setScene('kept', true);
  t.teardown(() => stage.clear(scene.name));
  const provider = provide(scene, async (migration) => {
    await report(migration, 'Failed', 'Failed');
  });
  t.teardown(() => provider.stop());
  await makePlan(scene, 'Mandatory');
  await stage.play(ENV, async () => {
    const plan = await ended(scene);
    t.equal(plan.status?.state, 'Failed');
    t.equal(plan.status?.failurePhase, 'Deletion');
    t.equal(plan.status?.failureReason, 'FailureReasonLiveMigrationFailed');
    t.same(eventsOf(plan), ['InProgress', 'LiveMigrationCreated', 'LiveMigrationFailed', 'Failed']);
    const left = await podsOn(scene.name, scene.source.metadata.name);
    t.same(left.map((p) => p.metadata.uid).sort(), scene.pods.map((p) => p.metadata.uid).sort());
    const node = await stage.client.get(resources.NODES, { name: scene.source.metadata.name });
    t.not(node.spec?.unschedulable, true);
    t.equal(node.metadata.labels?.[REBALANCING_STATUS], 'drain-failed');
  });
});

t.test('a request that no provider answers is withdrawn', async (t) => {
  const scene = await setScene('silent', true);
  t.teardown(() => stage.clear(scene.name));
  await makePlan(scene, 'Optional');
  await stage.play({ ...ENV, LIVE_MIGRATION_ANSWER_TIMEOUT: '3s' }, async () => {
    const asked = await until(
      'a request',
      async () => {
        const { items } = await stage.client.list(resources.REBALANCE_MIGRATION_PLANS);
        return items.find((m) => m.metadata.ownerReferences?.[0]?.name === scene.name);
      },
      { timeoutMs: 30_000 },
    );
    t.equal(asked.spec.migrations.length, PODS);
    t.equal((await podsOn(scene.name, scene.source.metadata.name)).length, PODS, 'nothing is evicted yet');
    const plan = await ended(scene);
    t.match(plan.status?.state, /^Done/, plan.status?.failureMessage ?? 'done');
    t.same(eventsOf(plan), ['InProgress', 'LiveMigrationCreated', 'LiveMigrationFailed', 'Success']);
    const { items } = await stage.client.list(resources.REBALANCE_MIGRATION_PLANS);
    t.notOk(items.some((m) => m.metadata.uid === asked.metadata.uid));
    await podsRunning(stage.client, scene.name, PODS, 30_000);
  });
});
