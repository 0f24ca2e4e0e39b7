import t from 'tap';
import { MANAGED_BY, MANAGED_BY_US, PLANS_ONLY, SCOPED_TAINT } from '../../api/labels.ts';
import type { NodePool, PodSpec, Taint } from '../../api/objects.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';
import { makeNode, makePool } from '../../planner/testing/builders.ts';
import { boundsFault } from '../rebalanceplan/create/poolbounds.ts';
import * as make from '../testing/builders.ts';
import { BUYING, UnscheduledWorld } from '../testing/unscheduledworld.ts';
import { headroomPods } from './headroom.ts';
import { report } from './reports.ts';
import { standingOf } from './scope.ts';

/** Scoped mode: what counts as unscheduled, and what is bought for it. */

const SCOPED = { ...BUYING, scopedMode: true };
const TAINT: Taint = { key: SCOPED_TAINT, effect: 'NoSchedule' };
const SELECTOR = { [MANAGED_BY]: MANAGED_BY_US };
const TOLERATION = { key: SCOPED_TAINT, operator: 'Exists', effect: 'NoSchedule' } as const;
const BOTH = { nodeSelector: SELECTOR, tolerations: [TOLERATION] };

/** Cycles with pods of these specs, by prefix; each spec has two pods. */
const play = async (
  specs: Readonly<Record<string, Partial<PodSpec>>>,
  o: {
    readonly pools?: readonly NodePool[];
    readonly policies?: typeof SCOPED;
    readonly follows?: true;
  } = {},
): Promise<UnscheduledWorld> => {
  const world = new UnscheduledWorld(o.pools);
  world.followsKarpenter = o.follows === true;
  for (const [prefix, spec] of Object.entries(specs)) world.refuse(2, { prefix, spec });
  const { cycle } = world.process();
  for (let n = 0; n < 3; n += 1) {
    await cycle(o.policies ?? SCOPED);
    world.now += 1_000;
  }
  return world;
};
const bought = (world: UnscheduledWorld) => world.plans().flatMap(({ spec }) => spec.nodeClaimsToAdd ?? []);

t.test('only pods with the selector and the toleration count as unscheduled', async (t) => {
  const selects = (key: string, ...values: string[]) => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In' as const, values }] }],
        },
      },
    },
    tolerations: [TOLERATION],
  });
  const world = await play({
    both: BOTH,
    label: { nodeSelector: { [SCOPED_TAINT]: 'true' }, tolerations: [TOLERATION] },
    affinity: selects(MANAGED_BY, MANAGED_BY_US),
    everything: { nodeSelector: SELECTOR, tolerations: [{ operator: 'Exists' }] },
    tolerates: { tolerations: [TOLERATION] },
    either: selects(MANAGED_BY, MANAGED_BY_US, 'other'),
    'another-value': { nodeSelector: { [MANAGED_BY]: 'other' }, tolerations: [TOLERATION] },
    neither: {},
  });
  const counted = ['affinity', 'both', 'everything', 'label'].flatMap((name) => [`${name}-0`, `${name}-1`]);
  t.same([...world.places().keys()].sort(), counted);
  t.same([...world.held()].sort(), counted, 'Karpenter sees the others at once');
  t.same(world.events, []);
});

t.test('a pod with the selector and without the toleration is told so once, and ignored', async (t) => {
  const world = await play({
    good: BOTH,
    bare: { nodeSelector: SELECTOR },
    other: { nodeSelector: SELECTOR, tolerations: [{ ...TOLERATION, effect: 'NoExecute' }] },
  });
  t.same([...world.places().keys()].sort(), ['good-0', 'good-1']);
  t.same(world.events.map((text) => text.split(':')[0]).sort(), [
    'Misconfigured bare-0',
    'Misconfigured bare-1',
    'Misconfigured other-0',
    'Misconfigured other-1',
  ]);
  t.match(
    world.events[0],
    /provisioner.cast.ai\/managed-by.*scheduling.cast.ai\/scoped-autoscaler:NoSchedule/,
  );
});

t.test('with scoped mode off, all pods count and no node carries the taint', async (t) => {
  const world = await play({ any: {}, bare: { tolerations: [TOLERATION] } }, { policies: BUYING });
  t.equal(world.places().size, 4);
  for (const { metadata, spec } of bought(world)) {
    t.notOk(spec.taints?.some(({ key }) => key === SCOPED_TAINT));
    t.notOk(metadata.labels && SCOPED_TAINT in metadata.labels);
  }
  t.same(world.events, []);
});

t.test('pods that waited when scoped mode was turned on are given back, their plans go on', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(2, { prefix: 'bought' });
  const { cycle } = world.process();
  await cycle(BUYING);
  await cycle(BUYING);
  t.equal(world.plans().length, 1);
  world.window = { idleMs: 10_000, maxMs: 10_000 };
  world.refuse(1, { prefix: 'waits' });
  const next = world.process();
  await next.cycle(BUYING);
  t.same([...world.held()].sort(), ['bought-0', 'bought-1', 'waits-0']);
  await next.cycle(SCOPED);
  t.same([...world.held()].sort(), ['bought-0', 'bought-1']);
});

t.test("nodes that are bought carry the taint, and are their NodePool's in all else", async (t) => {
  const taint: Taint = { key: 'dedicated', value: 'x', effect: 'NoSchedule' };
  const pool = makePool('default', { taints: [taint] });
  const spec = { ...BOTH, tolerations: [TOLERATION, { key: 'dedicated', operator: 'Exists' as const }] };
  const world = await play({ p: spec }, { pools: [pool] });
  const planned = bought(world);
  t.ok(planned.length > 0);
  for (const { metadata, spec } of planned) {
    t.same(spec.taints, [taint, TAINT]);
    t.match(metadata.labels, { [MANAGED_BY]: MANAGED_BY_US, [SCOPED_TAINT]: 'true' });
  }
  const [plan] = world.plans();
  if (!plan) throw new Error('there is no plan');
  const nodePools = new Map([['default', pool]]);
  const state = make.executionState(plan, { nodePools, offerings: undefined });
  t.equal(boundsFault(state, planned), undefined, 'the executor orders them');
});

t.test('a NodePool that says for itself which labels its nodes have keeps them', async (t) => {
  const own = makePool('own');
  const { template } = own.spec;
  const labeled = {
    ...own,
    spec: { ...own.spec, template: { ...template, metadata: { labels: { [MANAGED_BY]: 'others' } } } },
  };
  const world = await play({ p: BOTH }, { pools: [labeled] });
  t.same(bought(world), []);
  t.match(world.events[0], /^NoNodeWouldHelp/);
});

t.test('with follow mode, pods that only we can buy for are bought for', async (t) => {
  const plain = makePool('plain');
  const world = await play({ p: BOTH, out: {} }, { pools: [plain], follows: true });
  t.same([...world.places().keys()].sort(), ['p-0', 'p-1']);
  const { template } = plain.spec;
  const labels = { [MANAGED_BY]: MANAGED_BY_US };
  const labeled = { ...plain, spec: { ...plain.spec, template: { ...template, metadata: { labels } } } };
  const left = await play({ p: BOTH }, { pools: [labeled], follows: true });
  t.same(bought(left), [], 'Karpenter can buy for these');
  const alone = {
    ...labeled,
    metadata: { ...labeled.metadata, annotations: { ...labeled.metadata.annotations, [PLANS_ONLY]: 'true' } },
  };
  t.equal((await play({ p: BOTH }, { pools: [alone], follows: true })).places().size, 2);
});

t.test('the status says how many pods are ignored', async (t) => {
  const world = new UnscheduledWorld();
  world.refuse(2, { prefix: 'bare', spec: { nodeSelector: SELECTOR } });
  const notes: string[] = [];
  const outcome = await world.process().cycle(SCOPED);
  report(
    { note: (name, state, message) => void notes.push(`${name} ${state}: ${message}`), did: () => {} },
    outcome,
  );
  t.match(notes.join('\n'), /unschedulablePods Idle: No pod .* Ignored in scoped mode: 2 pods/);
});

t.test('headroom in scoped mode is of nodes with the taint, and lies on such', async (t) => {
  const tainted = makeNode('a', { cpu: 2_000, taints: [TAINT], labels: SELECTOR });
  const plain = makeNode('b', { cpu: 4_000 });
  const cluster = { nodes: [tainted.node, plain.node], nodeClaims: [] };
  const settings = {
    ...BUYING.unschedulablePods,
    headroom: { cpuPercentage: 10, memoryPercentage: 0 },
  } as const;
  const of = (isScoped: boolean) =>
    headroomPods(
      {
        mode: 'plan',
        headroomSpot: undefined,
        capacityBuffers: false,
        nodeConstraints: undefined,
        ...settings,
      },
      cluster,
      isScoped,
    );
  t.same(
    of(true).map((pod) => podRequests(pod).get('cpu')),
    [200],
  );
  t.same(of(true).map(standingOf), ['in']);
  t.same(
    of(false).map((pod) => podRequests(pod).get('cpu')),
    [600],
  );
  t.same(of(false).map(standingOf), ['out']);
});
