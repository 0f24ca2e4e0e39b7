import t from 'tap';
import { isTrue } from '../../api/records/condition.ts';
import { EVENTS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { BUFFER_MANAGER } from '../../kentroller/capacitybuffers/owner.ts';
import { isGuarded } from '../../kentroller/capacitybuffers/roomguard.ts';
import { until } from '../../kube/testing/until.ts';
import { type KwokStage, openKwokStage, POOL } from './kwokstage.ts';

/** CapacityBuffers that Karpenter serves, with its gate on: kentroller stands aside, and nobody buys twice. */

const LONG = { timeoutMs: 120_000, everyMs: 250 };
let stage: KwokStage;

t.before(async () => {
  stage = await openKwokStage('theirbuffers', { FEATURE_GATES: 'CapacityBuffer=true' });
});
t.teardown(() => stage?.close());

t.test('a buffer of Karpenter’s is left to it, and its room is bought once', async (t) => {
  const { client } = stage;
  await stage.setPolicy(true);
  stage.kentroller();
  await stage.createBuffer(3);
  await until(
    'Karpenter has room for all chunks',
    async () => {
      const { status } = await stage.buffer();
      if (!isTrue(status?.conditions, 'Provisioning')) throw new Error(JSON.stringify(status));
      return true;
    },
    LONG,
  );
  await until(
    'the buffer says that kentroller stands aside',
    async () => {
      const { items } = await client.list(EVENTS, { namespace: POOL });
      return items.some(({ reason }) => reason === 'ServedByOthers');
    },
    LONG,
  );
  const { metadata } = await stage.buffer();
  t.notOk(
    metadata.managedFields?.some(({ manager }) => manager === BUFFER_MANAGER),
    'none of its status is ours',
  );
  t.same((await client.list(REBALANCE_PLANS)).items, [], 'kentroller bought nothing');
  const { all, ofPlans } = await stage.machines();
  t.ok(all.length > 0, 'Karpenter bought');
  t.same(ofPlans, []);
  t.same((await client.list(NODES)).items.filter(isGuarded), [], 'no node is kept by kentroller');
});
