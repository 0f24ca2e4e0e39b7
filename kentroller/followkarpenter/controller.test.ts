import { Registry } from 'prom-client';
import t from 'tap';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { CACHED_NODE_INDEXES, CACHED_POD_INDEXES } from '../caches.ts';
import { createFollowController } from './controller.ts';
import type { Derivation, Derived } from './derivation.ts';
import type { Machine } from './machines.ts';

const machineNamed = (name: string): Machine => {
  const { claim } = makeNode(name);
  return { claim: { ...claim, metadata: { ...claim.metadata, name } }, nodeName: name, node: undefined };
};

t.test(
  'pods without a place are in the metric, and an event says so once for the same machines',
  async (t) => {
    const derived: { now: Derived } = {
      now: { machines: [machineNamed('a')], waiting: [], isSettled: true, unplaced: 3 },
    };
    const events: string[] = [];
    const time = { now: 0 };
    const metrics = new Registry();
    const { reconcile } = createFollowController({
      client: {} as KubeClient,
      caches: {
        nodes: new FakeCache<Node>(resources.NODES, CACHED_NODE_INDEXES),
        nodeClaims: new FakeCache<NodeClaim>(resources.NODE_CLAIMS),
        pods: new FakeCache<Pod>(resources.PODS, CACHED_POD_INDEXES),
      },
      derivation: { derive: () => derived.now } as unknown as Derivation,
      limits: { joinDeadlineMs: 600_000, holdMs: 10_000, settleMs: 250 },
      recorder: {
        event: (_resource, about, type, reason) =>
          void events.push(`${type} ${reason} ${about.metadata.name}`),
        flush: async () => {},
      },
      log: createLogger({ component: 'test', level: 'silent' }),
      clock: { now: () => time.now },
      metrics,
    });
    const look = async (): Promise<number | undefined> => {
      time.now += 1_000;
      await reconcile('cluster', new AbortController().signal);
      const metric = await metrics.getSingleMetric('kentroller_follow_pods_without_place')?.get();
      return metric?.values[0]?.value;
    };
    t.equal(await look(), 3);
    await look();
    t.strictSame(events, ['Warning PodsWithoutPlace a']);
    derived.now = { ...derived.now, machines: [machineNamed('a'), machineNamed('b')] };
    await look();
    t.equal(events.length, 2, 'another machine, another purchase');
    derived.now = { ...derived.now, unplaced: 0 };
    t.equal(await look(), 0);
  },
);
