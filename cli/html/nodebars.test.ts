import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { nodeBarsOf } from './nodebars.ts';
import { drawNode } from './nodesvg.ts';

const ofReplicaSet = (pod: Pod): Pod => ({
  ...pod,
  metadata: {
    ...pod.metadata,
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d4f8c7b9d', uid: 'u', controller: true },
    ],
  },
});

const cluster = clusterOf(
  makeSnapshot(
    [makeNode('old'), makeNode('kept')],
    [
      ofReplicaSet(makePod('web-1', { cpu: 500, memory: 256, node: 'old' })),
      ofReplicaSet(makePod('web-2', { cpu: 250, memory: 256, node: 'old' })),
      makePod('db-1', { app: 'db', cpu: 1000, memory: 1024, node: 'kept' }),
    ],
  ),
  smallCatalogue,
);

/** A plan that replaces `old` by `new` and moves both web pods there. */
const result = {
  plan: {
    spec: {
      podsToMigrate: ['web-1', 'web-2'].map((name) => ({
        namespace: 'default',
        name,
        dstNodeClaimName: 'new',
      })),
    },
    savings: {
      blueNodes: [{ name: 'old' }],
      greenNodes: [
        { name: 'new', instanceType: 'm5.large', priceHourly: '0.001', milliCPU: 2000, memoryMiB: 8192 },
      ],
    },
  },
  skippedNodes: [],
  selectedNodes: [],
} as unknown as RebalanceResult;

const summaryOf = (bars: ReturnType<typeof nodeBarsOf>['before']) =>
  bars.map(({ name, fate, shares }) => ({
    name,
    fate,
    shares: shares.map(({ workload, pods, cpu }) => `${pods} ${workload} ${cpu}`),
  }));

t.test('bars show the workloads of each node before and after the plan', async (t) => {
  const { before, after } = nodeBarsOf(cluster, result);
  t.same(
    summaryOf(before).sort((a, b) => a.name.localeCompare(b.name)),
    [
      { name: 'kept', fate: 'kept', shares: ['1 default/db 1000'] },
      { name: 'old', fate: 'removed', shares: ['2 default/web 750'] },
    ],
  );
  t.same(summaryOf(after), [
    { name: 'new', fate: 'added', shares: ['2 default/web 750'] },
    { name: 'kept', fate: 'kept', shares: ['1 default/db 1000'] },
  ]);
});

t.test('without a plan, nothing changes', async (t) => {
  const { before, after } = nodeBarsOf(cluster, { ...result, plan: undefined } as unknown as RebalanceResult);
  t.same(after, before);
});

t.test('a drawn node has a title in escaped HTML and never draws more than its width', async (t) => {
  const svg = drawNode(
    {
      name: '<node>',
      instanceType: 'm5.large',
      price: undefined,
      cpu: 1000,
      memory: 1024,
      shares: [
        { workload: 'default/a', pods: 1, cpu: 800, memory: 10 },
        { workload: 'default/b', pods: 1, cpu: 800, memory: 10 },
      ],
      fate: 'kept',
    },
    1000,
  );
  t.match(svg, /<title>&#60;node&#62;, m5\.large\nprice unknown\n2 pods request 1600m of 1 CPU/);
  const ends = [...svg.matchAll(/x="([\d.]+)" y="0" width="([\d.]+)"/g)].map(
    ([, x, width]) => Number(x) + Number(width),
  );
  t.equal(ends.length, 2);
  t.ok(Math.max(...ends) <= 300);
});
