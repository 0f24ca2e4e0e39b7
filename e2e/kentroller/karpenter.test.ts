import t from 'tap';
import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { NodePool } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import { currentClaim } from '../../kentroller/rebalanceplan/state/claimnames.ts';
import { until } from '../../kube/testing/until.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { up } from '../ground/ground.ts';
import { suspend } from '../ground/suspend.ts';
import { lackHere } from '../run/needs.ts';
import { claimEnded, planOf, planReaches } from '../support/claim.ts';
import { podsRunning } from '../support/workload.ts';
import { actsWith, eventOf, isDraining, isOrdering } from './acts.ts';
import { openStage, PODS } from './stage.ts';

/** Plans while Karpenter, its NodePool and the API server stop, change and interfere, as in a real cluster. */

const ground = await up({ name: 'kentroller-kar', cloud: true });
const stage = await openStage(ground);
const { client } = stage;
const { planned, letGo, holdPods, keepGoing } = actsWith(client);

t.teardown(async () => {
  stage.close();
  await ground.down();
});

const CONSOLIDATION = {
  disruption: { consolidationPolicy: 'WhenEmptyOrUnderutilized', consolidateAfter: '0s' },
} as const;

const change = (pool: string, spec: object): Promise<NodePool> =>
  client.patch(resources.NODE_POOLS, { name: pool }, { spec });

const claimsOf = async (pool: string) =>
  (await client.list(resources.NODE_CLAIMS, { labelSelector: `${KARPENTER_NODEPOOL}=${pool}` })).items;

const skip = await lackHere('processes of the control plane');

t.test(
  'Karpenter is stopped twice and the API server once: the plan goes on where it was',
  { skip },
  async (t) => {
    const name = 'stopped';
    t.teardown(() => stage.clear(name));
    await stage.set(name, 3);
    await stage.play({}, async () => {
      const plan = await planned(name, name);
      const lift = await holdPods(name);
      const startKarpenter = await suspend(ground, 'karpenter');
      await letGo(plan);
      await planReaches(client, plan.metadata.name, 'a machine is ordered', isOrdering, 30_000);
      t.match(await planOf(client, name), { status: { state: 'Running' } }, 'it waits for Karpenter');
      startKarpenter();
      await planReaches(client, plan.metadata.name, 'it drains', isDraining, 90_000);
      const startServer = await suspend(ground, 'apiserver');
      startServer();
      await until('the API server is back', async () => (await claimsOf(name)).length > 0, {
        timeoutMs: 60_000,
      });
      const startAgain = await suspend(ground, 'karpenter');
      await lift();
      const isTold = async (): Promise<boolean> =>
        (await claimsOf(name)).some((claim) => claim.metadata.deletionTimestamp !== undefined);
      await until('the plan deletes a NodeClaim', isTold, { timeoutMs: 60_000 });
      startAgain();
      const claim = await claimEnded(client, name, 120_000);
      t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'completed');
      await podsRunning(client, name, PODS, 60_000);
      await stage.checkNothingLeft(t, await planOf(client, name));
    });
  },
);

t.test(
  'a NodePool that changes and begins to consolidate in mid-plan waits until the plan is done',
  async (t) => {
    const name = 'changed';
    t.teardown(() => stage.clear(name));
    await stage.set(name, 3);
    await stage.play({}, async () => {
      const plan = await planned(name, name);
      const lift = await keepGoing(name);
      await letGo(plan);
      await planReaches(client, plan.metadata.name, 'it drains', isDraining, 60_000);
      await change(name, {
        ...CONSOLIDATION,
        template: { metadata: { labels: { 'example.com/changed': 'yes' } } },
      });
      const made = currentClaim(
        await planOf(client, name),
        plan.spec.nodeClaimsToAdd?.[0]?.metadata.name ?? '',
      );
      const isDrifted = async (): Promise<boolean> => {
        const claim = await client.get(resources.NODE_CLAIMS, { name: made });
        return claim.status?.conditions?.some((c) => c.type === 'Drifted' && c.status === 'True') ?? false;
      };
      await until('Karpenter finds the new machine drifted', isDrifted, { timeoutMs: 60_000 });
      const node = (await client.get(resources.NODE_CLAIMS, { name: made })).status?.nodeName ?? '';
      await eventOf(client, 'DisruptionBlocked', [made, node], 60_000);
      await lift();
      const claim = await claimEnded(client, name, 120_000);
      t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'completed');
      await podsRunning(client, name, PODS, 60_000);
      const isRenewed = async (): Promise<boolean> =>
        (await claimsOf(name)).every((c) => c.metadata.labels?.['example.com/changed'] === 'yes');
      await until('Karpenter brings the machines up to date', isRenewed, {
        timeoutMs: 120_000,
        everyMs: 500,
      });
      await podsRunning(client, name, PODS, 60_000);
    });
  },
);

t.test('a NodePool that is deleted while its machines are on their way ends the plan', async (t) => {
  const name = 'poolgone';
  t.teardown(() => stage.clear(name));
  await stage.set(name, 3);
  await stage.play({}, async () => {
    const plan = await planned(name, name);
    await cloudOf(ground).control.setFaults({ noJoin: [{}] });
    await letGo(plan);
    await planReaches(client, plan.metadata.name, 'a machine is ordered', isOrdering, 60_000);
    await client.delete(resources.NODE_POOLS, { name });
    const claim = await claimEnded(client, name, 120_000);
    t.match(claim.status, { state: 'Failed', failureReason: 'FailureReasonNodePoolGone' });
    t.match(claim.status?.errorMessage, /NodePool poolgone .* is gone: make a new plan/);
    const isEmpty = async (): Promise<boolean> => (await claimsOf(name)).length === 0;
    await until('no NodeClaim is left', isEmpty, { timeoutMs: 60_000 });
    const after = await client.get(resources.REBALANCE_PLANS, { name: plan.metadata.name });
    t.equal(after.status?.failurePhase, 'Creation');
    t.same(after.metadata.finalizers ?? [], [], 'the plan can be deleted');
  });
});

const long = process.env.SOAK ? {} : { skip: 'SOAK=1 runs it' };

t.test('nodes that Karpenter is disrupting already are left to it', long, async (t) => {
  const name = 'first';
  t.teardown(() => stage.clear(name));
  await stage.set(name, 3);
  await stage.play({}, async () => {
    const plan = await planned(name, name);
    const lift = await keepGoing(name);
    await change(name, CONSOLIDATION);
    const isGoing = async (): Promise<boolean> =>
      (await claimsOf(name)).some((claim) => claim.metadata.deletionTimestamp !== undefined);
    await until('Karpenter consolidates', isGoing, { timeoutMs: 120_000, everyMs: 200 });
    await letGo(plan);
    const claim = await claimEnded(client, name, 60_000);
    t.equal(claim.status?.state, 'Failed');
    t.match(claim.status?.failureReason, /^FailureReasonNode(Disrupted|Gone)$/);
    await lift();
    await podsRunning(client, name, PODS, 120_000);
    const mine = (await claimsOf(name)).filter((c) => c.metadata.name.startsWith(plan.metadata.name));
    t.same(mine, [], 'the plan made no machine');
    for (const { metadata } of (await client.list(resources.NODES)).items) {
      t.notOk(Object.keys(metadata.annotations ?? {}).some((key) => key.endsWith('locked-by')));
    }
  });
});
