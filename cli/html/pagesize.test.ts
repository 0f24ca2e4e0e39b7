import t from 'tap';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { type Report, reportOf } from '../reportmodel.ts';
import { renderPage } from './page.ts';

/** The page of a cluster of which everything is large at once. */

const MOST_ELEMENTS = 10_000;
const MANY = 300;
const SHARES = 7;

const many = <T>(make: (n: number) => T, length = MANY): readonly T[] =>
  Array.from({ length }, (_, n) => make(n));

const names = many((n) => `node-${n}`);
const snapshot = makeSnapshot(
  names.map((name, n) => makeNode(name, { labels: { 'kubernetes.io/arch': `arch-${n}` } })),
  names.flatMap((node) =>
    many((n) => makePod(`app-${n}-${node}`, { app: `app-${n}`, cpu: 300, memory: 500, node }), SHARES),
  ),
);
const cluster = clusterOf(snapshot, smallCatalogue);

/** A plan that puts the pods of each node on a new one, each of another type. */
const result = {
  plan: {
    spec: {
      podsToMigrate: snapshot.pods.map(({ metadata, spec }) => ({
        namespace: 'default',
        name: metadata.name,
        srcNode: spec.nodeName,
        dstNodeClaimName: `new-${spec.nodeName}`,
      })),
    },
    savings: {
      projectedClusterMonthlyCost: '1',
      blueNodes: names.map((name) => ({ name })),
      greenNodes: names.map((name, n) => ({
        name: `new-${name}`,
        instanceType: `m${n}.xlarge`,
        priceHourly: '0.1',
        milliCPU: 4000,
        memoryMiB: 16_384,
      })),
    },
  },
  selectedNodes: [],
  skippedNodes: [],
} as unknown as RebalanceResult;
const prices = { source: 'file', region: null, summary: 'prices of a file', gaps: [] } as const;

const extremes = {
  unseen: many((n) => `Fault ${n} of the input: mend it.`),
  warnings: many((n) => `The plan goes past setting ${n}.`),
  moves: many((n) => ({
    kind: 'Deployment',
    namespace: 'default',
    name: `app-${n}`,
    pods: 1,
    podsInAll: 2,
    stopSeconds: 30,
    startSeconds: 5,
    risks: many(
      (risk) => ({ kind: 'disruption-budget' as const, message: `budget ${risk} covers them` }),
      40,
    ),
  })),
  leftOut: many((n) => ({
    kind: 'pod-budget' as const,
    cause: `PodDisruptionBudget app-${n} allows no disruption`,
    nodes: 3,
    nodeNames: ['a', 'b', 'c'],
    pods: ['default/a', 'default/b'],
    monthlyCost: 100,
    unpriced: 1,
    alone: { nodes: 2, monthlyCost: 50, unpriced: 1 },
    whatToDo: 'add a replica',
  })),
} satisfies Partial<Report>;

const page = renderPage(
  {
    ...reportOf(
      cluster,
      result,
      { catalogue: smallCatalogue, prices },
      { savingsBy: [], choices: [], kindChanges: [], unseen: [] },
    ),
    ...extremes,
  },
  cluster,
  result,
);

t.test('whatever is large about a cluster, the page has a bounded number of elements', async (t) => {
  const elements = page.match(/<[a-z]/g)?.length ?? 0;
  t.ok(elements < MOST_ELEMENTS, `${elements} elements`);
  t.ok(page.length < 1_000_000, `${page.length} characters`);
});

t.test('lists of a page say how much they leave out', async (t) => {
  t.match(page, /<li>Fault 0 of the input: mend it\.<\/li>/);
  t.match(
    page,
    /<li>and 2\d\d more in the output of <code>-o json<\/code><\/li><\/ul><\/section>/,
    'what is not seen',
  );
  t.match(page, /The plan goes past setting 0\.[\s\S]*>and 2\d\d more in the output of/, 'warnings');
  t.match(
    page,
    /<li>budget 0 covers them<\/li>[\s\S]*?<li>and 3\d more in the output of/,
    'risks of a workload',
  );
});
