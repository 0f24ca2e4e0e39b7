import t from 'tap';
import type { RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { CORDONED_BY, REMOVAL_DISABLED } from '../../api/labels.ts';
import type { NodePool, Pod } from '../../api/objects.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { type RebalanceResult, rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { decide } from '../rebalanceplan/decide.ts';
import { budgetsOf } from '../rebalanceplan/drain/budgets.ts';
import { limitsOf } from '../rebalanceplan/state/executionlimits.ts';
import * as make from '../testing/builders.ts';
import { aggressiveModeOf, buildPlan } from './planobject.ts';

/** Fields of aggressiveModeConfig and their effects. */

type Config = NonNullable<RebalancePlanClaimSpec['aggressiveModeConfig']>;
type Flag = Exclude<keyof Config, 'drainTimeout' | 'aggressiveEviction'>;

const marked = (metadata: Partial<Pod['metadata']>): Pod => {
  const pod = makePod('p', { node: 'a' });
  return { ...pod, metadata: { ...pod.metadata, ...metadata } };
};
const on = (pod: Pod, rest: Partial<Snapshot> = {}): Snapshot => makeSnapshot([makeNode('a')], [pod], rest);
const plain = on(makePod('p', { node: 'a' }));
const poolWith = (spec: Partial<NodePool['spec']>): Partial<Snapshot> => {
  const pool = makePool();
  return { nodePools: [{ ...pool, spec: { ...pool.spec, ...spec } }] };
};
const markedNode = (): Snapshot => {
  const { node, claim } = makeNode('a', { labels: { [REMOVAL_DISABLED]: 'true' } });
  return makeSnapshot([{ node, claim }], [makePod('p', { node: 'a' })]);
};
const boundLocally: Partial<Snapshot> = {
  persistentVolumeClaims: [
    { metadata: { name: 'data', namespace: 'default' }, spec: { volumeName: 'pv', storageClassName: '' } },
  ],
  persistentVolumes: [{ metadata: { name: 'pv' }, spec: { local: { path: '/mnt' } } }],
};

const SCENES: Readonly<Record<Flag, readonly [Snapshot, RegExp]>> = {
  ignoreLocalPersistentVolumes: [
    on(
      makePod('p', {
        node: 'a',
        spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
      }),
      boundLocally,
    ),
    /has a volume that is local to the node/,
  ],
  ignoreProblemJobPods: [on(makePod('p', { node: 'a', owner: 'Job' })), /belongs to a Job/],
  ignoreProblemPodsWithoutController: [on(makePod('p', { node: 'a', owner: null })), /has no controller/],
  ignoreProblemRemovalDisabledPods: [
    on(marked({ annotations: { [REMOVAL_DISABLED]: 'true' } })),
    /pod default\/p is marked removal-disabled/,
  ],
  ignoreProblemRemovalDisabledNodes: [markedNode(), /it is marked removal-disabled/],
  ignoreBlockingPDB: [
    {
      ...plain,
      podDisruptionBudgets: [
        {
          metadata: { name: 'guard', namespace: 'default' },
          spec: { selector: { matchLabels: { app: 'web' } } },
          status: { disruptionsAllowed: 0 },
        },
      ],
    },
    /PodDisruptionBudget guard, which allows no disruption/,
  ],
  ignoreConsolidatable: [
    { ...plain, ...poolWith({ disruption: { consolidateAfter: '5m' } }) },
    /does not call it consolidatable: its pods changed within consolidateAfter 5m/,
  ],
  ignoreInstanceCriteria: [
    makeSnapshot([makeNode('a', { capacityType: 'spot' })], [makePod('p', { node: 'a' })]),
    /does not meet the requirement on karpenter.sh\/capacity-type/,
  ],
  ignoreZeroNodePoolDisruptionBudgets: [
    { ...plain, ...poolWith({ disruption: { budgets: [{ nodes: '0' }] } }) },
    /disruption budgets of NodePool default allow no disruption now/,
  ],
};

const ask = (snapshot: Snapshot, aggressive: Config = {}): RebalanceResult =>
  rebalance({
    snapshot,
    catalogue: smallCatalogue,
    now: Date.parse('2026-06-01T12:00:00Z'),
    seed: 1,
    planName: 'p',
    rounds: 20,
    aggressive,
  });

for (const [flag, [snapshot, reason]] of Object.entries(SCENES)) {
  t.test(`${flag} takes in a node that is left out without it`, async (t) => {
    t.match(ask(snapshot).skippedNodes, [{ name: 'a', reasons: [reason] }]);
    t.same(ask(snapshot).selectedNodes, []);
    t.same(ask(snapshot, { [flag]: true }).selectedNodes, ['a']);
  });
}

t.test('a quiet node is taken in: Karpenter calls it consolidatable, or never consolidates', async (t) => {
  const { node, claim } = makeNode('a');
  const conditions = [{ type: 'Consolidatable', status: 'True' as const }];
  const quiet = { node, claim: { ...claim, status: { ...claim.status, conditions } } };
  const pods = [makePod('p', { node: 'a' })];
  const after = poolWith({ disruption: { consolidateAfter: '5m' } });
  t.same(ask(makeSnapshot([quiet], pods, after)).selectedNodes, ['a']);
  for (const consolidateAfter of ['Never', '0s']) {
    const never = poolWith({ disruption: { consolidateAfter } });
    t.same(ask({ ...plain, ...never }).selectedNodes, ['a'], consolidateAfter);
  }
});

const claim = (aggressiveModeConfig: Config) => ({
  metadata: { name: 'now', uid: '12345678-uid' },
  spec: { autoExecute: true, aggressiveModeConfig },
});

t.test('the aggressive mode of a claim is that of its plan, which is judged by it again', async (t) => {
  const config = {
    drainTimeout: '90s',
    aggressiveEviction: true,
    ignoreZeroNodePoolDisruptionBudgets: true,
    ignoreBlockingPDB: true,
  };
  const plan = buildPlan(claim(config), { execute: false });
  t.same(plan.spec.aggressiveMode, config);
  t.same(aggressiveModeOf({ ignoreBlockingPDB: false }), {});
});

t.test('drainTimeout is how long a node may take to get empty', async (t) => {
  const otherwise = make.executionState(make.plan()).limits;
  const plan = buildPlan(claim({ drainTimeout: '90s' }), { execute: false });
  t.equal(limitsOf(plan, otherwise).drainTimeoutMs, 90_000);
  t.equal(limitsOf(buildPlan(claim({}), { execute: false }), otherwise).drainTimeoutMs, 600_000);
});

t.test('ignoreZeroNodePoolDisruptionBudgets lets the executor take ten percent at a time', async (t) => {
  const nodePools = new Map([
    ['general', make.nodePool('general', { disruption: { budgets: [{ nodes: '0' }] } })],
  ]);
  const poolNodes = new Map([['general', { total: 30, disrupted: 0 }]]);
  const allowed = (config: Config): number | undefined =>
    budgetsOf(make.executionState(make.plan(aggressiveModeOf(config)), { nodePools, poolNodes })).get(
      'general',
    );
  t.equal(allowed({}), 0);
  t.equal(allowed({ ignoreZeroNodePoolDisruptionBudgets: true }), 3);
});

const drainingFor = (seconds: number, config: Config) =>
  make.executionState(
    make.plan(
      { nodeClaimsToDelete: [{ nodeClaimName: 'blue' }], ...aggressiveModeOf(config) },
      {
        nodesDeletion: {
          blue: { name: 'blue', events: [{ status: 'InProgress', timestamp: make.ago(seconds) }] },
        },
      },
      'PinsReady',
    ),
    {
      nodeClaims: new Map([['blue', make.nodeClaim('blue')]]),
      nodes: new Map([
        [
          'blue',
          make.locked('blue', {
            annotations: { [CORDONED_BY]: make.MARK },
            labels: { 'autoscaling.cast.ai/draining': 'rebalancing' },
            spec: { unschedulable: true },
          }),
        ],
      ]),
      pods: new Map([['blue', [make.pod('stuck'), make.pod('going', { deletionTimestamp: make.ago(1) })]]]),
    },
  );

t.test('aggressiveEviction deletes what eviction could not remove in time, and only then', async (t) => {
  const kinds = (seconds: number, config: Config) =>
    decide(drainingFor(seconds, config)).steps.map((s) => ('name' in s ? `${s.kind} ${s.name}` : s.kind));
  const config = { aggressiveEviction: true };
  t.same(kinds(599, config), ['evict stuck']);
  t.same(kinds(601, {}), ['fail']);
  t.same(kinds(601, config), ['delete-pod stuck']);
  t.same(kinds(1201, config), ['fail'], 'a pod that will not go ends the plan');
});
