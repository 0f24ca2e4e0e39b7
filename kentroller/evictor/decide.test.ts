import t from 'tap';
import type { EvictorRule } from '../../api/kinds/evictorconfig.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { EVICTED_TAINT, SCOPED_TAINT } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { makeNode, makePod } from '../../planner/testing/builders.ts';
import { type EvictorState, evictorPlan, nodesToDrain, selectNodes, skipReason } from './decide.ts';
import { type EvictorSettings, evictorSettings } from './settings.ts';

/** What the evictor's own settings decide; the planner's rules are tested with the planner. */

const NOW = Date.parse('2026-11-30T12:00:00Z');
const ago = (minutes: number): string => new Date(NOW - minutes * 60_000).toISOString();
const settings = (o: Partial<EvictorSettings> = {}): EvictorSettings => ({
  ...evictorSettings(undefined, { evictor: { enabled: true } }),
  ...o,
});

type PodOptions = Parameters<typeof makePod>[1] & {
  readonly ready?: 'True' | 'False';
  readonly annotations?: Record<string, string>;
  readonly created?: string;
};
const pod = (name: string, node: string, o: PodOptions = {}): Pod => {
  const made = makePod(name, { ...o, node });
  return {
    ...made,
    metadata: {
      ...made.metadata,
      creationTimestamp: o.created ?? ago(120),
      ...(o.annotations && { annotations: o.annotations }),
    },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: o.ready ?? 'True' }] },
  };
};
const node = (name: string, o: Parameters<typeof makeNode>[1] = {}): Node => makeNode(name, o).node;

const stateOf = (
  nodes: readonly Node[],
  pods: readonly Pod[],
  plans: readonly RebalancePlan[] = [],
): EvictorState => ({
  plans,
  nodes,
  podsOn: (name) => pods.filter(({ spec }) => spec.nodeName === name),
  now: NOW,
});
const reasonsFor = (
  own: EvictorSettings,
  nodes: readonly Node[],
  pods: readonly Pod[],
  plans: readonly RebalancePlan[] = [],
): string =>
  selectNodes(own, stateOf(nodes, pods, plans))
    .skipped.find(({ name }) => name === 'a')
    ?.reasons.join('; ') ?? '';

const [A, B] = [node('a'), node('b')];
/** A workload with a ready pod on each of two nodes. */
const PAIR = [pod('web-1', 'a'), pod('web-2', 'b')];
const rule = (o: EvictorRule): EvictorSettings => settings({ rules: [o] });
const WEB = { matchLabels: { app: 'web' } };

/** A plan of the evictor that moved pods of web and began so many minutes ago. */
const moved = (
  minutes: number,
  labels: Record<string, string> = { 'autoscaling.cast.ai/made-by': 'evictor' },
): RebalancePlan => ({
  metadata: { name: 'evictor-1', labels },
  spec: {
    execute: true,
    nodeClaimsToDelete: [{ nodeClaimName: 'claim-gone' }],
    podsToMigrate: [
      {
        name: 'web-0',
        namespace: 'default',
        srcNode: 'gone',
        dstNodeClaimName: 'claim-a',
        owner: { kind: 'ReplicaSet', name: 'web', uid: 'rs-web' },
      },
    ],
  },
  status: { state: 'Done', startTime: ago(minutes), completionTime: ago(minutes - 1) },
});

/** Sentence, settings, nodes, pods, plans, why node a stays; '' where it may go. */
const NODES: readonly (readonly [
  string,
  EvictorSettings,
  readonly Node[],
  readonly Pod[],
  RegExp | '',
  (readonly RebalancePlan[])?,
])[] = [
  ['a node of a workload with ready pods elsewhere may go', settings(), [A, B], PAIR, ''],
  [
    'an only pod stays',
    settings(),
    [A, B],
    [pod('web-1', 'a')],
    /no other pod of the workload of pod default\/web-1/,
  ],
  [
    'a pod stays whose other one is on the same node',
    settings(),
    [A, B],
    [pod('web-1', 'a'), pod('web-2', 'a')],
    /no other pod/,
  ],
  [
    'a pod stays whose other one is not ready',
    settings(),
    [A, B],
    [pod('web-1', 'a'), pod('web-2', 'b', { ready: 'False' })],
    /no other pod/,
  ],
  [
    'an only pod may go in aggressiveMode',
    settings({ aggressiveMode: true }),
    [A, B],
    [pod('web-1', 'a')],
    '',
  ],
  [
    'an only pod may go by a rule for its labels',
    rule({ podSelector: WEB, aggressive: true }),
    [A, B],
    [pod('web-1', 'a')],
    '',
  ],
  [
    'a rule for pods of another namespace does not count',
    rule({ podSelector: { ...WEB, namespaces: ['other'] }, aggressive: true }),
    [A, B],
    [pod('web-1', 'a')],
    /no other pod/,
  ],
  [
    'an only pod may go by a rule for its node',
    rule({ nodeSelector: { matchLabels: { 'kubernetes.io/hostname': 'a' } }, disposable: true }),
    [A, B],
    [pod('web-1', 'a')],
    '',
  ],
  [
    'a pod without a controller may go where it is marked disposable',
    settings(),
    [A, B],
    [pod('bare', 'a', { owner: null, annotations: { 'autoscaling.cast.ai/disposable': 'true' } })],
    '',
  ],
  [
    'a rule keeps pods by their labels',
    rule({ podSelector: WEB, removalDisabled: true }),
    [A, B],
    PAIR,
    /a rule of the evictor keeps pod default\/web-1/,
  ],
  [
    'a rule that keeps wins over one that lets go',
    settings({
      rules: [
        { podSelector: WEB, disposable: true },
        { podSelector: WEB, removalDisabled: true },
      ],
    }),
    [A, B],
    PAIR,
    /keeps pod/,
  ],
  [
    'a rule keeps nodes by their labels',
    rule({ nodeSelector: { matchLabels: { 'kubernetes.io/hostname': 'a' } }, removalDisabled: true }),
    [A, B],
    [],
    /a rule of the evictor keeps it/,
  ],
  ['scopedMode leaves other nodes alone', settings({ scopedMode: true }), [A, B], PAIR, /scopedMode/],
  [
    'scopedMode takes nodes of the scoped autoscaler',
    settings({ scopedMode: true }),
    [node('a', { taints: [{ key: SCOPED_TAINT, effect: 'NoSchedule' }] }), B],
    PAIR,
    '',
  ],
  [
    'a node whose drain failed rests',
    settings(),
    [node('a', { taints: [{ key: EVICTED_TAINT, effect: 'PreferNoSchedule' }] }), B],
    PAIR,
    /last drain failed/,
  ],
  [
    'a pod that was moved half an hour ago stays',
    settings(),
    [A, B],
    [pod('web-1', 'a', { created: ago(30) }), pod('web-2', 'b')],
    /pod default\/web-1 was moved, and stays until 2026-11-30T12:30:00.000Z/,
    [moved(31)],
  ],
  [
    'with a shorter cooldown it may go',
    settings({ cooldownMs: 60_000 }),
    [A, B],
    [pod('web-1', 'a', { created: ago(30) }), pod('web-2', 'b')],
    '',
    [moved(31)],
  ],
  ['a pod that was there before the move may go', settings(), [A, B], PAIR, '', [moved(31)]],
  [
    'a pod that another plan moved may go',
    settings(),
    [A, B],
    [pod('web-1', 'a', { created: ago(30) }), pod('web-2', 'b')],
    '',
    [moved(31, {})],
  ],
  [
    'a pod that somebody else is moving stays',
    settings(),
    [A, B],
    [
      pod('web-1', 'a', {
        annotations: { 'descheduler.alpha.kubernetes.io/eviction-in-progress': 'kubevirt' },
      }),
      pod('web-2', 'b'),
    ],
    /is being moved by kubevirt/,
  ],
  ['pods of DaemonSets keep no node', settings(), [A, B], [pod('ds', 'a', { owner: 'DaemonSet' })], ''],
];
for (const [sentence, own, nodes, pods, reason, plans] of NODES) {
  t.test(sentence, async (t) => {
    const found = reasonsFor(own, nodes, pods, plans);
    if (reason === '') t.equal(found, '');
    else t.match(found, reason);
  });
}

t.test('a pod whose eviction somebody else has asked for stays', async (t) => {
  const requests = new Map([['uid-web-1', 'example.com/drain']]);
  const { skipped } = selectNodes(settings(), { ...stateOf([A, B], PAIR), requests });
  t.same(skipped, [
    { name: 'a', reasons: ['example.com/drain has asked for the eviction of pod default/web-1'] },
  ]);
});

t.test('what pods may be evicted past goes to planner and plan', async (t) => {
  const own = rule({ podSelector: WEB, disposable: true });
  const { evictAs } = selectNodes(own, stateOf([A, B], PAIR));
  t.same(evictAs, { 'default/web-1': 'Disposable', 'default/web-2': 'Disposable' });
  const spec = { execute: false, podsToMigrate: moved(1).spec.podsToMigrate ?? [] };
  t.match(evictorPlan(spec, own, { 'default/web-0': 'Disposable' }), {
    execute: true,
    drainReason: 'evictor',
    eviction: { onlyReplicated: true, failureBackOff: '5s' },
    aggressiveMode: { drainTimeout: '10m' },
    podsToMigrate: [{ name: 'web-0', evictAs: 'Disposable' }],
  });
  t.match(evictorPlan(spec, settings({ aggressiveMode: true }), {}), { eviction: { onlyReplicated: false } });
  const forced = evictorPlan(spec, settings({ ignorePodDisruptionBudgets: true, drainTimeout: '1m' }), {});
  t.same(forced.aggressiveMode, { drainTimeout: '1m', ignoreBlockingPDB: true, aggressiveEviction: true });
});

t.test('no more nodes go together than maxNodesToEvictPerCycle', async (t) => {
  const nodes = ['a', 'b', 'c', 'd'].map((name) => node(name));
  const pods = nodes.map(({ metadata }) => pod(`web-${metadata.name}`, metadata.name));
  const state = stateOf(nodes, pods);
  t.same(nodesToDrain(['a', 'b', 'c'], settings({ maxNodes: 2 }), state), ['a', 'b']);
  t.same(nodesToDrain(['a', 'b', 'c'], settings(), state), ['a', 'b', 'c']);
});

t.test('of each workload a ready pod stays where nothing is drained', async (t) => {
  const nodes = ['a', 'b', 'c'].map((name) => node(name));
  const state = stateOf(nodes, [...PAIR, pod('db-1', 'c', { app: 'db' })]);
  t.same(nodesToDrain(['a', 'b'], settings(), state), ['a']);
  t.same(nodesToDrain(['a', 'b'], settings({ aggressiveMode: true }), state), ['a', 'b']);
});

t.test('a cycle looks for nothing while the evictor is off or a plan runs', async (t) => {
  const running: RebalancePlan = {
    metadata: { name: 'p' },
    spec: { execute: true },
    status: { state: 'Running' },
  };
  t.match(skipReason({ enabled: false }, { plans: [] }), /not enabled/);
  t.match(skipReason({ enabled: true }, { plans: [running] }), /plan p has not finished/);
  t.equal(skipReason({ enabled: true }, { plans: [moved(5)] }), undefined);
});
