import t from 'tap';
import { CAPACITY_BUFFERS, NODES, POD_TEMPLATES, PODS } from '../../api/resources.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { randomFrom } from '../../planner/search/random.ts';
import { readBufferPods } from '../capacitybuffers/pods.ts';
import { Buyer } from '../testing/buyer.ts';
import { ConsolidationWorld } from '../testing/consolidationworld.ts';

/** An hour beside a buyer such as Karpenter: what is deleted here and bought there is paid for twice, and for ever. */

const MINUTE = 60;
/** Minutes for which a load stays as it is. */
const PHASE = 6;
/** Seconds from a change of the load until all that it makes necessary is bought. */
const BUYING_S = 90;
const CHUNKS = 2;

const withBuffer = (world: ConsolidationWorld): void => {
  world.api.create(
    POD_TEMPLATES,
    typed(POD_TEMPLATES, {
      metadata: { name: 'chunk', namespace: 'shop' },
      template: { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '3' } } }] } },
    }),
  );
  world.api.create(
    CAPACITY_BUFFERS,
    typed(CAPACITY_BUFFERS, {
      metadata: { name: 'buffer', namespace: 'shop' },
      spec: { podTemplateRef: { name: 'chunk' } },
      status: { replicas: CHUNKS, conditions: [{ type: 'ReadyForProvisioning', status: 'True' }] },
    }),
  );
};

/** A pod that waits for its gang: its scheduler leaves it, and Karpenter buys room for it as for any other. */
const withGang = (world: ConsolidationWorld): void => {
  world.pod('gang', {
    cpu: 3,
    spec: { schedulerName: 'volcano' },
    status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] },
  });
};

for (const seed of [1, 2, 3]) {
  t.test(
    `in an hour no node is bought twice, and none is deleted that is bought again, seed ${seed}`,
    async (t) => {
      const random = randomFrom(seed);
      const world = new ConsolidationWorld();
      world.pool();
      withBuffer(world);
      withGang(world);
      const client = memoryClient(world.api, async (_, serve) => serve());
      const { pods: chunks } = await readBufferPods({ client, signal: new AbortController().signal });
      t.equal(chunks.length, CHUNKS);
      const buyer = new Buyer(world, () => chunks);
      world.start();
      let made = 0;
      let load = 0;
      const setLoad = (wanted: number): void => {
        for (; load < wanted; load += 1) {
          made += 1;
          world.pod(`p-${made}`, { cpu: 1.5 });
        }
        for (; load > wanted; load -= 1) {
          const pods = world.api.list(PODS).filter(({ spec }) => spec.schedulerName !== 'volcano');
          const gone = pods[Math.floor(random() * pods.length)];
          if (gone) {
            const ref = { name: gone.metadata.name, namespace: 'shop' };
            world.api.delete(PODS, ref, { gracePeriodSeconds: 0 });
          }
        }
      };
      for (let phase = 0; phase < MINUTE / PHASE; phase += 1) {
        const before = load;
        setLoad(Math.floor(random() * 24));
        const since = world.now;
        await world.pass(PHASE * MINUTE, () => buyer.step());
        const bought = buyer.purchases.filter((at) => at >= since);
        const deleted = buyer.deletions.filter((at) => at >= since);
        const what = `phase ${phase}, ${before} to ${load} pods: ${bought.length} bought, ${deleted.length} deleted`;
        const firstDeletion = Math.min(...deleted);
        t.same(
          bought.filter((at) => at > since + BUYING_S * 1_000),
          [],
          `${what}: nothing is bought while the load stays`,
        );
        t.same(
          bought.filter((at) => at > firstDeletion),
          [],
          `${what}: nothing is bought after a deletion`,
        );
        if (phase > 0 && load < before) t.same(bought, [], `${what}: nothing is bought for less load`);
      }
      t.equal(buyer.lost, 0, 'no pod is lost with its node');
      t.ok(buyer.deletions.length > 5, `${buyer.deletions.length} nodes deleted`);
      t.ok(buyer.purchases.length > 5, `${buyer.purchases.length} nodes bought`);
      const idle = world.api
        .list(NODES)
        .filter(({ metadata }) => !world.api.list(PODS).some(({ spec }) => spec.nodeName === metadata.name));
      t.ok(idle.length <= CHUNKS + 1, `${idle.length} empty nodes are left, for ${CHUNKS} chunks and a pod`);
    },
  );
}
