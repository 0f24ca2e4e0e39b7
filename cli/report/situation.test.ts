import t from 'tap';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { renderPage } from '../html/page.ts';
import { reportOf } from '../reportmodel.ts';
import { renderTable } from './table.ts';

/** What a report says where there is little or nothing to report. */

const NOTHING = { nodePools: [] };
const REQUEST = { catalogue: smallCatalogue, now: 0, seed: 1, rounds: 5, planName: 'p' };

const saidOf = (snapshot: ReturnType<typeof makeSnapshot>) => {
  const result = rebalance({ ...REQUEST, snapshot });
  const cluster = clusterOf(snapshot, smallCatalogue);
  const prices = { source: 'file', region: null, summary: 'prices of a file', gaps: [] } as const;
  const parts = { savingsBy: [], choices: [], kindChanges: [], unseen: [] };
  const report = reportOf(cluster, result, { catalogue: smallCatalogue, prices }, parts);
  return { table: renderTable(report), page: renderPage(report, cluster, result) };
};

const unmanaged = (name: string, type?: string) => {
  const { node } = makeNode(name, type === undefined ? {} : { type });
  const labels = Object.fromEntries(
    Object.entries(node.metadata.labels ?? {}).filter(([key]) => !key.startsWith('karpenter.sh/nodepool')),
  );
  return { ...node, metadata: { ...node.metadata, labels } };
};

const CASES = [
  {
    says: 'nothing at all',
    snapshot: makeSnapshot([], [], NOTHING),
    sentence: /has no nodes, so nothing is paid/,
  },
  { says: 'one NodePool', snapshot: makeSnapshot([], []), sentence: /has no nodes, so nothing is paid/ },
  {
    says: 'pods that wait for a first node',
    snapshot: makeSnapshot([], [makePod('p')], { nodePools: [makePool()] }),
    sentence: /1 pod waits for a node: plan provision says which machines they need/,
  },
  {
    says: 'nodes without Karpenter',
    snapshot: { ...makeSnapshot([], [], NOTHING), nodes: [unmanaged('n1')] },
    sentence: /Karpenter manages nothing here: there is no NodePool and no NodeClaim/,
  },
];

for (const { says, snapshot, sentence } of CASES) {
  t.test(`a report on ${says} says so in a sentence`, async (t) => {
    const { table, page } = saidOf(snapshot);
    t.match(table, sentence);
    t.match(page, sentence);
    for (const text of [table, page]) t.notMatch(text, /NaN|undefined|Infinity|No node in scope|\b1 nodes\b/);
  });
}

t.test('sums say how many nodes of unknown price they leave out', async (t) => {
  const { table, page } = saidOf(makeSnapshot([makeNode('a'), makeNode('b', { type: 'm5.huge' })], []));
  t.match(table, /^before .* USD a month without 1 node of unknown price, 2 nodes, /m);
  t.match(table, /^after .* USD a month without /m);
  t.match(page, /without 1 node of unknown price/);
});
