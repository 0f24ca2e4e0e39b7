import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { INSTALL_NAMESPACE, INSTANCE_TYPE, PREPARING_TAINT, REBALANCING_STATUS } from '../../api/labels.ts';
import { bytes, cpuMillis } from '../../api/quantity.ts';
import * as resources from '../../api/resources.ts';
import { LOCKED_BY } from '../../kentroller/rebalanceplan/state/labels.ts';
import { SAVINGS_CONFIG_MAP } from '../../kentroller/savings/savingsstore.ts';
import { crashingClient } from '../../kentroller/testing/crash.ts';
import { until } from '../../kube/testing/until.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { up } from '../ground/ground.ts';
import { claimEnded, claimRebalance, planOf } from '../support/claim.ts';
import { AGENT, applyDaemon } from '../support/daemons.ts';
import { podsRunning } from '../support/workload.ts';
import { startSession } from './session.ts';
import { openStage } from './stage.ts';

/** Plans carried out by kentroller's controllers on a real API server with real Karpenter and hollow machines. */

const ground = await up({ name: 'kentroller-test', cloud: true });
const stage = await openStage(ground);
const { client, cloud, checkNothingLeft } = stage;
const { env: ENV, clear: clearScene, play: withSession } = stage;

const scene = async (name: string, machines: number): Promise<string> => {
  await stage.set(name, machines);
  return name;
};

t.teardown(async () => {
  stage.close();
  await ground.down();
});

t.test('the cloud computes what Karpenter computes for a machine', async (t) => {
  const name = await scene('sizes', 1);
  t.teardown(() => clearScene(name));
  const { instanceTypes } = await until('a catalogue', () => cloud.catalogue(), { timeoutMs: 20_000 });
  const type = instanceTypes.find((each) => each.name === 'm5.xlarge');
  const { status } = await client.get(resources.NODE_CLAIMS, { name: `${name}-1` });
  const { capacity, overhead } = type ?? {};
  t.equal(capacity?.cpu, cpuMillis(status?.capacity?.cpu ?? '0'));
  t.equal(capacity?.pods, Number(status?.capacity?.pods));
  t.equal((capacity?.cpu ?? 0) - (overhead?.cpu ?? 0), cpuMillis(status?.allocatable?.cpu ?? '0'));
  t.equal((capacity?.memory ?? 0) - (overhead?.memory ?? 0), bytes(status?.allocatable?.memory ?? '0'));
  t.equal(
    (capacity?.ephemeralStorage ?? 0) - (overhead?.ephemeralStorage ?? 0),
    bytes(status?.allocatable?.['ephemeral-storage'] ?? '0'),
  );
});

/** kentroller dies at every possible moment or, where time is short, at every third. */
const DIES_AT_EVERY = process.env.SOAK === '1' ? 1 : 3;

t.test('a process that dies before and after each write still ends in the planned state', async (t) => {
  const name = await scene('crash', 3);
  t.teardown(() => clearScene(name));
  // Taint and cordon of the added nodes change places for it.
  await applyDaemon(client, INSTALL_NAMESPACE, name, AGENT);
  t.teardown(() => client.delete(resources.DAEMON_SETS, { name: AGENT.name, namespace: INSTALL_NAMESPACE }));
  const crashed = new Set<string>();
  let deaths = 0;
  const finished = new AbortController();
  t.teardown(() => finished.abort());
  const lives = (async () => {
    while (!finished.signal.aborted) {
      const session = startSession({
        kubeconfig: stage.kubeconfig,
        cloud,
        env: ENV,
        wrap: (inner, end) =>
          crashingClient(
            inner,
            (write, moment) => {
              const key = `${moment} ${write}`;
              if (crashed.has(key)) return false;
              crashed.add(key);
              if (crashed.size % DIES_AT_EVERY !== 0) return false;
              deaths += 1;
              return true;
            },
            end,
          ),
      });
      const stop = (): void => session.stop();
      finished.signal.addEventListener('abort', stop, { once: true });
      await session.ended;
    }
  })();
  await claimRebalance(client, { name, pool: name });
  const claim = await claimEnded(client, name, 400_000);
  // The claim has ended, and its plan stays until its savings are counted.
  const account = { name: SAVINGS_CONFIG_MAP, namespace: INSTALL_NAMESPACE };
  const isLetGo = async (): Promise<boolean> =>
    ((await planOf(client, name)).metadata.finalizers ?? []).length === 0;
  await until('the plan is let go', isLetGo, { timeoutMs: 60_000 });
  finished.abort();
  await lives;
  t.comment(`${deaths} deaths at ${crashed.size} moments`);
  t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'completed');
  const plan = await planOf(client, name);
  await podsRunning(client, name, 6, 60_000);
  await checkNothingLeft(t, plan);
  t.ok(deaths > 20, 'it died often');
  const { data } = await client.get(resources.CONFIG_MAPS, account);
  t.match(data?.summary, /^1 plans since /, 'what it saves is counted once');
});

/** The types allowed for the first attempt. */
const firstTypesOf = (plan: RebalancePlan): readonly string[] => {
  const first = plan.spec.nodeClaimsToAdd?.[0];
  const requirements = first?.alternatives?.[0]?.requirements ?? first?.spec.requirements ?? [];
  return requirements.find((r) => r.key === INSTANCE_TYPE)?.values ?? [];
};

t.test('an offering without capacity is remembered, and attempt 2 takes the next one', async (t) => {
  const name = await scene('ice', 3);
  t.teardown(() => clearScene(name));
  await withSession({}, async () => {
    await claimRebalance(client, { name, pool: name, spec: { autoExecute: false } });
    const made = await planOf(client, name);
    const types = firstTypesOf(made);
    const [type = ''] = types;
    await cloudOf(ground).control.setFaults({ capacity: types.map((instanceType) => ({ instanceType })) });
    const ref = { name: made.metadata.name };
    await client.patch(resources.REBALANCE_PLANS, ref, { spec: { execute: true } });
    const claim = await claimEnded(client, name, 120_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'completed');
    const plan = await planOf(client, name);
    const attempts = Object.values(plan.status?.nodesCreation ?? {}).flatMap((c) => c.attempts);
    const failed = attempts.find((a) => a.instanceType === type);
    t.equal(failed?.status, 'Failed');
    t.equal(failed?.description, 'InsufficientCapacityError');
    const next = attempts.find((a) => a.nodeClaimName === `${failed?.nodeClaimName}-attempt-2`);
    t.equal(next?.status, 'Success', 'attempt 2 got a machine');
    const { items } = await client.list(resources.UNAVAILABLE_OFFERINGS);
    t.ok(
      items.some((u) => u.spec.instanceType === type && u.spec.expiresAt),
      'the offering is written down',
    );
    await podsRunning(client, name, 6, 60_000);
    await checkNothingLeft(t, plan);
  });
});

t.test('a budget that never allows an eviction ends the drain, and the nodes are opened again', async (t) => {
  const name = await scene('held', 3);
  t.teardown(() => clearScene(name));
  await withSession({ NODE_DRAIN_TIMEOUT: '6s' }, async () => {
    await claimRebalance(client, { name, pool: name, spec: { autoExecute: false } });
    const made = await planOf(client, name);
    await client.create(resources.POD_DISRUPTION_BUDGETS, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'app', namespace: name },
      spec: { selector: { matchLabels: { app: 'app' } }, minAvailable: 6 } as object,
    });
    const ref = { name: made.metadata.name };
    await client.patch(resources.REBALANCE_PLANS, ref, { spec: { execute: true } });
    const claim = await claimEnded(client, name, 120_000);
    t.equal(claim.status?.state, 'Failed');
    t.equal(claim.status?.failureReason, 'FailureReasonDrainTimeout');
    const plan = await client.get(resources.REBALANCE_PLANS, ref);
    t.equal(plan.status?.failurePhase, 'Deletion');
    const { items: nodes } = await client.list(resources.NODES);
    for (const node of nodes) {
      t.not(node.spec?.unschedulable, true, 'no node stays cordoned');
      t.equal(node.metadata.annotations?.[LOCKED_BY], undefined);
      t.notOk(node.spec?.taints?.some((taint) => taint.key === PREPARING_TAINT));
    }
    const failed = nodes.filter((n) => n.metadata.labels?.[REBALANCING_STATUS] === 'drain-failed');
    t.ok(failed.length > 0, 'the nodes that stayed say so');
    await podsRunning(client, name, 6, 10_000);
  });
});

t.test('the continuous cycle in drain-only mode empties nodes and buys none', async (t) => {
  const name = await scene('drainonly', 3);
  t.teardown(() => clearScene(name));
  const env = {
    CONTINUOUS_REBALANCING_ENABLED: 'true',
    CONTINUOUS_REBALANCING_MODE: 'drain-only',
    CONTINUOUS_REBALANCING_MIN_NODE_AGE: '1s',
    CONTINUOUS_REBALANCING_POLLING_PERIOD: '500ms',
  };
  await withSession(env, async () => {
    const plan = await until(
      'a continuous plan is done',
      async () => {
        const { items } = await client.list(resources.REBALANCE_PLANS);
        return items.find((p) => p.status?.state?.startsWith('Done'));
      },
      { timeoutMs: 120_000, everyMs: 500 },
    );
    t.match(plan.metadata.name, /^continuous-rebalancing-\d+$/);
    t.same(plan.spec.nodeClaimsToAdd ?? [], [], 'nothing was bought');
    t.equal(plan.spec.nodeClaimsToDelete?.length, 2, 'two nodes were not needed');
    await podsRunning(client, name, 6, 60_000);
    const { items: claims } = await client.list(resources.NODE_CLAIMS);
    t.equal(claims.length, 1);
  });
});

// The last test: Karpenter remembers refused offerings for three minutes.
t.test('with no capacity at all the plan fails in Creation and everything stands as before', async (t) => {
  const name = await scene('dry', 3);
  t.teardown(() => clearScene(name));
  await withSession({}, async () => {
    await cloudOf(ground).control.setFaults({ capacity: [{}] });
    await claimRebalance(client, { name, pool: name });
    const claim = await claimEnded(client, name, 120_000);
    t.equal(claim.status?.state, 'Failed');
    t.equal(claim.status?.failureReason, 'FailureReasonNodeCreateFailed');
    const plan = await planOf(client, name).catch(async () =>
      client.get(resources.REBALANCE_PLANS, { name: claim.status?.rebalanceName ?? '' }),
    );
    t.equal(plan.status?.failurePhase, 'Creation');
    t.equal(plan.status?.state, 'Failed');
    const pods = await podsRunning(client, name, 6, 60_000);
    t.equal(pods.length, 6, 'every pod still runs');
    const { items } = await client.list(resources.NODE_CLAIMS);
    t.same(items.map((c) => c.metadata.name).sort(), [`${name}-1`, `${name}-2`, `${name}-3`]);
    for (const node of (await client.list(resources.NODES)).items) {
      t.equal(node.metadata.annotations?.[LOCKED_BY], undefined);
      t.not(node.spec?.unschedulable, true);
    }
  });
});
