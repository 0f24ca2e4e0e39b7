import t from 'tap';
import { acceptsPods, clusterOf } from '../cluster/clusterview.ts';
import { launchOptionsOf } from '../packing/launch/launchoption.ts';
import { itemAt } from '../packing/matrix.ts';
import { Packing } from '../packing/packing.ts';
import { compile } from '../packing/problem.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { priceList } from '../testing/cases.ts';
import { fillOptionsFor } from './filloptions.ts';
import { openAndFill } from './greedy.ts';

const NODES = 24;
const FOLLOWERS = 60;
const LIST = priceList({ name: 'm.2', price: 0.1 }, { name: 'm.4', cpu: 4, memory: '16Gi', price: 0.21 });

const joinsLead = {
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'lead' } }, topologyKey: 'kubernetes.io/hostname' },
      ],
    },
  },
};

/** Leaders that fill their nodes, and followers of many sizes that have no room there. */
const crowded = () => {
  const nodes = Array.from({ length: NODES }, (_, n) => makeNode(`n${n}`, { type: 'x', cpu: 2000 }));
  const leaders = nodes.map((_, n) => makePod(`lead-${n}`, { app: 'lead', cpu: 1990, node: `n${n}` }));
  const followers = Array.from({ length: FOLLOWERS }, (_, n) =>
    makePod(`follow-${n}`, { app: 'follow', cpu: 500 + n, spec: joinsLead }),
  );
  return makeSnapshot(nodes, [...leaders, ...followers], {
    nodePools: [makePool('default', { requirements: [] })],
  });
};

/** How often pods were put somewhere for trial, where time is over at once or never. */
const trials = (isOver: boolean): { readonly n: number; readonly left: number } => {
  const cluster = clusterOf(crowded(), LIST);
  const problem = compile({
    existingNodes: cluster.facts.map((facts, index) => ({
      view: itemAt(cluster.views, index),
      price: 0,
      isCandidate: true,
      acceptsPods: acceptsPods(facts),
      movable: new Set(facts.pods),
    })),
    pending: cluster.pending,
    launchOptions: launchOptionsOf(cluster.snapshot.nodePools, cluster.supply, new Map()),
    daemonSets: [],
    namespaces: cluster.namespaces,
  });
  const packing = new Packing(problem);
  const putUpTo = packing.putUpTo.bind(packing);
  let n = 0;
  packing.putUpTo = (...args) => {
    n += 1;
    return putUpTo(...args);
  };
  const left = Int32Array.from(problem.pending);
  openAndFill(packing, left, { ...fillOptionsFor(problem, problem.pending), isOver: () => isOver });
  return { n, left: left.reduce((sum, each) => sum + each, 0) };
};

t.test('followers move no leaders once the time is over', async (t) => {
  const timely = trials(false);
  const late = trials(true);
  t.equal(timely.left, 0, 'with time, leaders move to where their followers have room too');
  // One look at each node per class of followers.
  t.ok(late.n <= NODES * FOLLOWERS, `${late.n} trials`);
  t.ok(timely.n > late.n);
});
