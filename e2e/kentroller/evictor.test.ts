import t from 'tap';
import { EVICTOR_CONFIG, type EvictorStatus } from '../../api/kinds/evictorconfig.ts';
import { EVICTED_TAINT, KARPENTER_NODEPOOL } from '../../api/labels.ts';
import { isFinished } from '../../api/plans.ts';
import { EVENTS, EVICTOR_CONFIGS, NODES, PODS as POD_RESOURCE } from '../../api/resources.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { up } from '../ground/ground.ts';
import { podsRunning } from '../support/workload.ts';
import { actsWith } from './acts.ts';
import { evictorOf, keeps, SOON } from './evictorconfig.ts';
import { openStage, PODS } from './stage.ts';

/** The evictor beside Karpenter: three machines with two pods each, which fit on one. */

const ground = await up({ name: 'kentroller-evi', cloud: true });
const stage = await openStage(ground);
const { client } = stage;
const { holdPods } = actsWith(client);
const POOL = 'evicted';

t.teardown(async () => {
  await client.delete(EVICTOR_CONFIGS, { name: EVICTOR_CONFIG }).catch(ignoreNotFound);
  await stage.clear(POOL);
  stage.close();
  await ground.down();
});

const { settle, said, machines, leaves, plans } = evictorOf(client, POOL);
const reasonOf = ({ conditions = [] }: EvictorStatus): string | undefined => conditions[0]?.reason;

t.test('nodes whose pods fit elsewhere are drained and gone, once the settings say so', async (t) => {
  await stage.set(POOL, 3);
  await client.create(EVICTOR_CONFIGS, {
    metadata: { name: EVICTOR_CONFIG },
    spec: { enabled: true, dryRun: true, cycleInterval: '1s', nodeGracePeriodMinutes: 0 },
  });
  await stage.play({}, async () => {
    // A dry run.
    const dry = await said('a dry run finds nodes', ({ nodes = [] }) => nodes.length > 0);
    t.equal(reasonOf(dry), 'DryRun');
    const [first] = dry.nodes ?? [];
    await until(
      'the node has the event of the dry run',
      async () => {
        const fieldSelector = `involvedObject.name=${first?.name},reason=EvictorDryRun`;
        return (await client.list(EVENTS, { fieldSelector })).items.length > 0;
      },
      SOON,
    );
    t.same(await plans(), [], 'no plan is made');
    t.equal((await machines()).length, 3, 'no machine goes');

    // A PodDisruptionBudget.
    const lift = await holdPods(POOL);
    await settle({ dryRun: false });
    await said('a budget keeps the nodes', keeps(/PodDisruptionBudget app, which allows no disruption/));
    t.same(await plans(), [], 'no plan is made against the budget');
    await lift();

    // For real.
    await leaves(1);
    await podsRunning(client, POOL, PODS, 60_000);
    await until('its plans have ended', async () => (await plans()).every(isFinished), SOON);
    for (const { metadata, status } of await plans()) {
      t.match(status?.state, /^Done/, `${metadata.name}: ${status?.failureMessage ?? ''}`);
      t.equal(metadata.labels?.['autoscaling.cast.ai/made-by'], 'evictor');
    }
    const { items: nodes } = await client.list(NODES, { labelSelector: `${KARPENTER_NODEPOOL}=${POOL}` });
    for (const { metadata, spec } of nodes) {
      t.equal(spec?.unschedulable ?? false, false, `${metadata.name} is open`);
      t.notOk(
        spec?.taints?.some(({ key }) => key === EVICTED_TAINT),
        'it was not drained',
      );
    }

    // The cooldown.
    await said('pods that were moved stay', keeps(/was moved, and stays until/));

    // Off.
    await settle({ enabled: false });
    await said('it is off', (status) => reasonOf(status) === 'Disabled');
    const moved = (await client.list(POD_RESOURCE, { namespace: POOL })).items;
    t.equal(moved.length, PODS);
  });
});
