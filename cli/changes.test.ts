import t from 'tap';
import { type RebalanceRequest, rebalance } from '../planner/rebalance.ts';
import { fragmentedCluster, makeNode, makePod, makePool, makeSnapshot } from '../planner/testing/builders.ts';
import { priceList } from '../planner/testing/cases.ts';
import { smallCatalogue } from '../planner/testing/randomcluster.ts';
import { describeSplit, kindChangesOf, MOST_SEARCHES, splitSavings } from './changes.ts';
import { parseFlags } from './flags.ts';
import { familyOf, KEEPS, keeping, keepsOf } from './keep.ts';
import { reportCommand } from './report.ts';
import { PLAN_FLAGS, PLAN_SWITCHES } from './request.ts';

/** What a saving is made of, and plans that keep kinds of machine. */

const EITHER = makePool('default', {
  requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand', 'spot'] }],
});
const cluster = { ...fragmentedCluster(6, 6, 8), nodePools: [EITHER] };
const request = {
  snapshot: cluster,
  catalogue: smallCatalogue,
  now: Date.parse('2026-11-29T00:00:00Z'),
  seed: 1,
  rounds: 20,
  planName: 'report',
};

t.test('a move to spot is told apart from packing', async (t) => {
  const result = rebalance(request);
  const changes = kindChangesOf(request, result);
  t.match(changes, [{ what: 'capacity-type', from: 'on-demand', to: 'spot' }]);
  const { savingsBy: parts } = splitSavings(request, result, rebalance);
  t.strictSame(
    parts.map(({ by }) => by),
    ['packing', 'family', 'capacity-type'],
  );
  const total = parts.reduce((sum, { monthly }) => sum + monthly, 0);
  t.equal(total.toFixed(2), result.plan?.savings.projectedSavingsCostMonthly, 'the parts are the whole');
  t.ok(
    parts.every(({ monthly }) => monthly > 0),
    'each part saves',
  );
  t.match(describeSplit({ savingsBy: parts, kindChanges: changes }), [
    / USD a month by packing, on machines of the same kinds$/,
    / USD a month by another family of machines: \d+ pods move from m5 to c5$/,
    / USD a month by another capacity type: \d+ pods move from on-demand to spot$/,
  ]);
});

t.test('the plan stands beside one that keeps capacity types and architectures', async (t) => {
  const result = rebalance(request);
  const { choices } = splitSavings(request, result, rebalance);
  t.match(choices, [
    { keeps: [], isShown: true, podsMoved: result.plan?.spec.podsToMigrate?.length },
    { keeps: ['capacity-type', 'architecture'], isShown: false },
  ]);
  const [free, kept] = choices.map(({ monthlySavings }) => monthlySavings);
  t.ok((free ?? 0) > (kept ?? 0) && (kept ?? 0) > 0, `${free} is more than ${kept}`);
});

const EVERYTHING = makePool('default', {
  requirements: [
    { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand', 'spot'] },
    { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64', 'arm64'] },
  ],
});

/** One node of m5.xlarge, which is cheaper as spot, and cheapest as another architecture on demand. */
const armWorld = () => {
  const zones = ['us-west-2a'];
  const catalogue = priceList(
    { name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2, zones, capacityTypes: ['on-demand', 'spot'] },
    { name: 'm6g.xlarge', cpu: 4, memory: '16Gi', price: 0.1, zones, arch: 'arm64' },
  );
  const nodes = [makeNode('a', { type: 'm5.xlarge' })];
  const snapshot = makeSnapshot(nodes, [makePod('p', { node: 'a', cpu: 3000 })], { nodePools: [EVERYTHING] });
  return { ...request, catalogue, snapshot };
};

t.test('a plan of another architecture stands beside what --keep of both shows', async (t) => {
  const asked = armWorld();
  const { choices } = splitSavings(asked, rebalance(asked), rebalance);
  const keeps = ['capacity-type', 'architecture'] as const;
  const promised = rebalance({ ...asked, snapshot: keeping(asked.snapshot, keeps, asked.catalogue) });
  t.equal(promised.plan, null, 'with both kept nothing is cheaper');
  t.match(choices, [
    { keeps: [], monthlySavings: 73, podsMoved: 1, isShown: true },
    { keeps, monthlySavings: 0, podsMoved: 0, isShown: false },
  ]);
});

t.test('no part of a saving is of a change that the plan does not make', async (t) => {
  const asked = armWorld();
  const parts = splitSavings(asked, rebalance(asked), rebalance).savingsBy;
  t.strictSame(
    parts.map(({ by, monthly }) => [by, monthly.toFixed(2)]),
    [
      ['packing', '0.00'],
      ['family', '0.00'],
      ['architecture', '73.00'],
    ],
    'spot, which the plan does not use, is in none',
  );
});

t.test('searches that are compared have the same time, and are no more than the help says', async (t) => {
  const zones = ['us-west-2a', 'us-west-2b'];
  const priced = (name: string, price: number, arch: string, zone: string) => ({
    name,
    cpu: 4,
    memory: '16Gi',
    price,
    arch,
    zones: [zone],
    capacityTypes: ['on-demand', 'spot'],
  });
  const catalogue = priceList(
    ...zones.flatMap((zone, n) => [
      priced('m5.xlarge', 0.2 - n / 100, 'amd64', zone),
      priced('m6a.xlarge', 0.18 - n / 100, 'amd64', zone),
      priced('m6g.xlarge', 0.16 - n / 100, 'arm64', zone),
    ]),
  );
  const snapshot = armWorld().snapshot;
  const budgets: (number | undefined)[] = [];
  const asked = { ...request, catalogue, snapshot, timeBudgetMs: 60_000, clock: () => 0 };
  const planner = (each: RebalanceRequest) => {
    budgets.push(each.timeBudgetMs);
    return rebalance(each);
  };
  for (const keeps of [[], ['zone'], ['family'], ['capacity-type'], ['architecture']] as const) {
    budgets.length = 0;
    const tied = { ...asked, keeps, unkept: snapshot, snapshot: keeping(snapshot, keeps, catalogue) };
    splitSavings(tied, planner(tied), planner);
    t.ok(budgets.length > 2 && budgets.length <= MOST_SEARCHES, `${budgets.length} searches with ${keeps}`);
    t.strictSame(new Set(budgets), new Set([60_000]));
  }
});

t.test('a plan under --keep stands beside the one without', async (t) => {
  const snapshot = keeping(cluster, ['capacity-type'], smallCatalogue);
  const kept = { ...request, snapshot, keeps: ['capacity-type'] as const, unkept: cluster };
  const result = rebalance(kept);
  t.match(splitSavings(kept, result, rebalance).choices, [
    { keeps: [], isShown: false },
    {
      keeps: ['capacity-type'],
      isShown: true,
      monthlySavings: Number(result.plan?.savings.projectedSavingsCostMonthly),
    },
  ]);
});

t.test('a plan that keeps all kinds moves no pod to another one', async (t) => {
  const result = rebalance({ ...request, snapshot: keeping(cluster, KEEPS, smallCatalogue) });
  t.ok(result.plan, 'it saves something');
  t.strictSame(kindChangesOf(request, result), []);
  const split = splitSavings(request, result, () => t.fail('planned again') as never);
  t.match(split, { savingsBy: [{ by: 'packing' }], choices: [] });
});

t.test('a plan that keeps families goes to other sizes alone', async (t) => {
  const result = rebalance({ ...request, snapshot: keeping(cluster, ['family'], smallCatalogue) });
  const types = (result.plan?.savings.greenNodes ?? []).map(({ instanceType }) => instanceType);
  t.ok(types.length > 0);
  t.strictSame(new Set(types.map(familyOf)), new Set(['m5']));
});

t.test(
  'a pod keeps its own node affinity beside the kind of its machine, empty terms included',
  async (t) => {
    const term = { matchExpressions: [{ key: 'team', operator: 'In' as const, values: ['a'] }] };
    const spec = {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term, {}] },
        },
      },
    };
    const pod = makePod('web', { node: 'n', spec });
    const arm = makeNode('n', { capacityType: 'spot', labels: { 'kubernetes.io/arch': 'arm64' } });
    const [tied] = keeping(
      makeSnapshot([arm], [pod]),
      ['capacity-type', 'architecture'],
      smallCatalogue,
    ).pods;
    const kinds = [
      { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot'] },
      { key: 'kubernetes.io/arch', operator: 'In', values: ['arm64'] },
    ];
    t.strictSame(
      tied?.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
      [{ matchExpressions: [...term.matchExpressions, ...kinds] }, {}],
    );
  },
);

t.test('pods that wait, and those of DaemonSets, are free', async (t) => {
  const pods = [makePod('pending'), makePod('agent', { node: 'n', owner: 'DaemonSet' })];
  const snapshot = makeSnapshot([makeNode('n')], pods);
  t.strictSame(keeping(snapshot, ['architecture'], smallCatalogue).pods, pods);
});

t.test('--keep names what it takes', async (t) => {
  t.strictSame(keepsOf(undefined), []);
  t.strictSame(keepsOf('capacity-type,architecture'), ['capacity-type', 'architecture']);
  t.throws(() => keepsOf('size'), {
    name: 'UsageError',
    message: /capacity-type, architecture, zone, family, not 'size'/,
  });
});

/** An entry of a price list for --catalog. */
const listed = (name: string, architecture: string, Price: number) => ({
  name,
  architecture,
  operatingSystems: ['linux'],
  resources: { cpu: '4', memory: '16Gi', pods: '58' },
  offerings: [
    {
      Price,
      Requirements: [
        { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
        { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a'] },
      ],
    },
  ],
});

t.test('a report says which of its searches runs', async (t) => {
  const steps: string[] = [];
  const folder = t.testdir({
    'catalog.json': JSON.stringify([listed('m5.xlarge', 'amd64', 0.2), listed('m6g.xlarge', 'arm64', 0.1)]),
  });
  await reportCommand(
    {
      flags: parseFlags(
        ['report', '--catalog', `${folder}/catalog.json`],
        new Set(PLAN_FLAGS),
        new Set(PLAN_SWITCHES),
      ),
      readSnapshot: async () => armWorld().snapshot,
      readLive: async () => {
        throw new Error('no cloud is asked');
      },
      step: (what) => void steps.push(what),
      clock: () => 0,
      now: request.now,
    },
    (each) => rebalance({ ...each, rounds: 20 }),
  );
  t.match(steps, [
    'Searching for places for the pods',
    /^Finding out what the saving is made of: search 2 of at most 5$/,
    /search 3 of at most 5$/,
  ]);
  t.equal(steps.at(-1), 'Writing the report');
});
