import t from 'tap';
import { isFinished } from '../../api/plans.ts';
import { EVENTS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { isGuarded } from '../../kentroller/capacitybuffers/roomguard.ts';
import { until } from '../../kube/testing/until.ts';
import { applyDeployment, podsRunning } from '../support/workload.ts';
import { CHUNK, type KwokStage, openKwokStage, POOL } from './kwokstage.ts';

/** A CapacityBuffer that nobody else serves, beside real Karpenter: bought once, kept, taken by pods at once, bought again, and given back. */

const CHUNKS = 3;
const LONG = { timeoutMs: 120_000, everyMs: 250 };
let stage: KwokStage;

t.before(async () => {
  stage = await openKwokStage('buffers');
});
t.teardown(() => stage?.close());

const said = (what: RegExp): Promise<unknown> =>
  until(
    `the buffer says ${what}`,
    async () => {
      const { status } = await stage.buffer();
      const text = (status?.conditions ?? [])
        .map(({ type, status: is, reason, message }) => `${type}=${is} ${reason}: ${message}`)
        .join('; ');
      if (!what.test(text)) throw new Error(`it says ${status?.replicas} ${text}`);
      return true;
    },
    LONG,
  );

const guarded = async (): Promise<readonly string[]> =>
  (await stage.client.list(NODES)).items.filter(isGuarded).map(({ metadata }) => metadata.name);

/** As many plans as expected are Done, and all machines are theirs. */
const boughtByPlans = (count: number): Promise<number> =>
  until(
    `${count} plans are Done`,
    async () => {
      const { items } = await stage.client.list(REBALANCE_PLANS);
      const states = items.map(({ metadata, status }) => `${metadata.name} ${status?.state}`).join();
      if (items.length !== count || !items.every(isFinished)) throw new Error(states);
      const planned = items.flatMap(({ spec }) => spec.nodeClaimsToAdd ?? []).length;
      const { all, ofPlans } = await stage.machines();
      t.match(states, /^([^,]* Done,?)*$/);
      t.equal(all.length, planned, 'as many machines as the plans say');
      t.equal(ofPlans.length, all.length, 'Karpenter bought none');
      return all.length;
    },
    LONG,
  );

t.test('room is bought once, kept, taken, bought again, and goes', async (t) => {
  const { client } = stage;
  await stage.setPolicy(true);
  await stage.createBuffer(CHUNKS);
  const first = stage.kentroller();
  await said(/ReadyForProvisioning=True/);
  await until('a machine is ordered', async () => (await stage.machines()).ofPlans.length > 0, LONG);
  // Its process ends in the midst of the plan, with all that it remembers.
  first.stop();
  await first.ended;
  stage.kentroller();
  await said(/Provisioning=True FitsExistingCapacity/);
  t.equal((await stage.buffer()).status?.replicas, CHUNKS);
  await boughtByPlans(1);
  await until('the nodes are kept for their room', async () => (await guarded()).length > 0, LONG);
  const kept = await guarded();
  await until(
    'Karpenter says that it may not end such a node',
    async () => {
      const { items } = await client.list(EVENTS);
      const told = items.filter(({ reason }) => reason === 'DisruptionBlocked');
      return told.some((event) => kept.some((node) => JSON.stringify(event).includes(node)));
    },
    LONG,
  );
  // Real pods take the room, and no plan is made for them.
  const startedAt = Date.now();
  await applyDeployment(client, { namespace: POOL, name: 'burst', replicas: CHUNKS, ...CHUNK, pool: POOL });
  await podsRunning(client, POOL, CHUNKS, 60_000);
  t.comment(`${CHUNKS} pods ran in the room after ${Date.now() - startedAt} ms`);
  const second = await boughtByPlans(2);
  await said(/Provisioning=True FitsExistingCapacity/);
  const { items: plans } = await client.list(REBALANCE_PLANS);
  t.same(
    plans.flatMap(({ spec }) => spec.podsToMigrate ?? []),
    [],
    'nothing was bought for pods',
  );
  // Switched off, the room goes: Karpenter ends the nodes without pods.
  await stage.setPolicy(false);
  await until('no node is kept any more', async () => (await guarded()).length === 0, LONG);
  await until(
    'the buffer has no status of ours',
    async () => Object.keys((await stage.buffer()).status ?? {}).length === 0,
    LONG,
  );
  await until(
    'empty machines are gone',
    async () => {
      const { all } = await stage.machines();
      if (all.length >= second) throw new Error(`${all.length} are there`);
      return true;
    },
    LONG,
  );
  await podsRunning(client, POOL, CHUNKS, 60_000);
  t.equal((await client.list(REBALANCE_PLANS)).items.length, 2, 'nothing more was bought');
});
