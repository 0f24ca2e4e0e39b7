import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE } from '../../api/labels.ts';
import * as resources from '../../api/resources.ts';
import { until } from '../../kube/testing/until.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { up } from '../ground/ground.ts';
import { claimEnded, planOf, planReaches } from '../support/claim.ts';
import { podsRunning } from '../support/workload.ts';
import { actsWith, isDraining } from './acts.ts';
import { openStage, PODS } from './stage.ts';

/** What people and the cloud do to a plan while it runs. */

const ground = await up({ name: 'kentroller-flt', cloud: true });
const stage = await openStage(ground);
const { client } = stage;

t.teardown(async () => {
  stage.close();
  await ground.down();
});

const { planned, letGo, holdPods } = actsWith(client);

t.test('a machine that never joins is given up, and the next attempt takes its place', async (t) => {
  const name = 'nojoin';
  t.teardown(() => stage.clear(name));
  await stage.set(name, 3);
  await stage.play({ NODE_JOIN_DEADLINE: '8s' }, async () => {
    const plan = await planned(name, name);
    const alternatives = plan.spec.nodeClaimsToAdd?.[0]?.alternatives ?? [];
    const types = alternatives[0]?.requirements.find((r) => r.key === INSTANCE_TYPE)?.values ?? [];
    await cloudOf(ground).control.setFaults({ noJoin: types.map((instanceType) => ({ instanceType })) });
    await letGo(plan);
    const claim = await claimEnded(client, name, 150_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'completed');
    const after = await planOf(client, name);
    const attempts = Object.values(after.status?.nodesCreation ?? {}).flatMap((c) => c.attempts);
    t.match(attempts[0], { status: 'Failed', description: /did not join within 8 s/ });
    t.match(attempts.at(-1), { status: 'Success' });
    await podsRunning(client, name, PODS, 60_000);
    await stage.checkNothingLeft(t, after);
  });
});

t.test('a node that is deleted by hand in mid-plan does not stop the plan', async (t) => {
  const name = 'byhand';
  t.teardown(() => stage.clear(name));
  await stage.set(name, 3);
  await stage.play({}, async () => {
    const plan = await planned(name, name);
    const lift = await holdPods(name);
    await letGo(plan);
    await planReaches(client, plan.metadata.name, 'it drains', isDraining, 60_000);
    await client.delete(resources.NODE_CLAIMS, { name: `${name}-1` });
    await lift();
    const claim = await claimEnded(client, name, 120_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'completed');
    await podsRunning(client, name, PODS, 60_000);
    await stage.checkNothingLeft(t, await planOf(client, name));
  });
});

t.test('of two plans over the same nodes one runs, the other waits and then ends by itself', async (t) => {
  const name = 'twice';
  t.teardown(() => stage.clear(name));
  await stage.set(name, 3);
  await stage.play({}, async () => {
    const [first, second] = [await planned('twice-a', name), await planned('twice-b', name)];
    const lift = await holdPods(name);
    await letGo(first);
    await planReaches(client, first.metadata.name, 'it drains', isDraining, 60_000);
    await letGo(second);
    const waits = (plan: RebalancePlan): boolean =>
      plan.status?.conditions?.some((c) => c.reason === 'NodeInUse') ?? false;
    await planReaches(client, second.metadata.name, 'it waits', waits, 20_000);
    await lift();
    t.equal((await claimEnded(client, 'twice-a', 120_000)).status?.state, 'Completed');
    const other = await claimEnded(client, 'twice-b', 60_000);
    t.match(other.status, { state: 'Failed', failureReason: 'FailureReasonNodeGone' });
    await podsRunning(client, name, PODS, 60_000);
    await stage.checkNothingLeft(
      t,
      await client.get(resources.REBALANCE_PLANS, { name: first.metadata.name }),
    );
  });
});

t.test('a plan that is deleted while it runs puts everything back', async (t) => {
  const name = 'undo';
  t.teardown(() => stage.clear(name));
  await stage.set(name, 3);
  await stage.play({}, async () => {
    const plan = await planned(name, name);
    await holdPods(name);
    await letGo(plan);
    await planReaches(client, plan.metadata.name, 'it drains', isDraining, 60_000);
    await client.delete(resources.REBALANCE_PLANS, { name: plan.metadata.name });
    await until(
      'the plan is gone',
      async () => (await client.list(resources.REBALANCE_PLANS)).items.length === 0,
      { timeoutMs: 60_000 },
    );
    t.equal((await claimEnded(client, name, 20_000)).status?.state, 'Canceled');
    for (const node of (await client.list(resources.NODES)).items) {
      t.not(node.spec?.unschedulable, true, 'no node stays cordoned');
      t.same(
        Object.keys(node.metadata.annotations ?? {}).filter((key) =>
          /locked-by|cordoned-by|do-not-disrupt/.test(key),
        ),
        [],
      );
    }
    await podsRunning(client, name, PODS, 20_000);
  });
});

t.test('a pod that ignores SIGTERM is waited for, and the plan ends', async (t) => {
  const name = 'slow';
  t.teardown(() => stage.clear(name));
  await stage.set(name, 3);
  await stage.play({}, async () => {
    const plan = await planned(name, name);
    const { items } = await client.list(resources.PODS, { namespace: name });
    const [pod] = items;
    const hold = { metadata: { finalizers: ['test.example/hold'] } };
    const ref = { name: pod?.metadata.name ?? '', namespace: name };
    await client.patch(resources.PODS, ref, hold);
    await letGo(plan);
    const isGoing = async (): Promise<boolean> =>
      (await client.get(resources.PODS, ref)).metadata.deletionTimestamp !== undefined;
    await until('the pod was told to go', isGoing, { timeoutMs: 60_000 });
    t.match(await planOf(client, name), { status: { state: 'Running' } });
    await client.patch(resources.PODS, ref, { metadata: { finalizers: null } });
    t.equal((await claimEnded(client, name, 120_000)).status?.state, 'Completed');
    await podsRunning(client, name, PODS, 60_000);
  });
});
