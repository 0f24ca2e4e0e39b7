import t from 'tap';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Node, Pod, PodDisruptionBudget } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { ADD, attempts, BLUE, CORDONED, DELETE, describeStep, draining } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import { evictionRulesOf } from '../state/evictionrules.ts';
import { LOCK_KEEPS } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { blockersOf } from './protection.ts';

/** The fault of late pods: what was not on a node when it was planned, and what was marked since, counts at the act. */

type Mode = NonNullable<RebalancePlan['spec']['aggressiveMode']>;

const owned = (kind: string): Partial<Pod['metadata']> => ({
  ownerReferences: [{ apiVersion: 'v1', kind, name: 'x', uid: 'x-uid', controller: true }],
});
const marked = (key: string, value = 'true'): Partial<Pod['metadata']> => ({ annotations: { [key]: value } });

const spec = (pod: Pod, more: Partial<Pod['spec']>): Pod => ({ ...pod, spec: { ...pod.spec, ...more } });
const budget = (name: string): PodDisruptionBudget => ({
  metadata: { name, namespace: 'shop' },
  spec: { selector: { matchLabels: { app: 'late' } } },
  status: { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1 },
});
const listing = (items: readonly unknown[]) => ({ list: () => items });

/** What the executor's rules read: a volume on the node's own disk, and two budgets that allow a disruption each. */
const CACHES = {
  pods: { by: () => [] },
  podDisruptionBudgets: listing([budget('all'), budget('late')]),
  persistentVolumeClaims: listing([
    { metadata: { name: 'disk', namespace: 'shop' }, spec: { volumeName: 'disk' } },
  ]),
  persistentVolumes: listing([{ metadata: { name: 'disk' }, spec: { local: { path: '/disk' } } }]),
  storageClasses: listing([]),
  csiNodes: listing([]),
} as unknown as Parameters<typeof evictionRulesOf>[0];

/** The state with the executor's own rules for the plan. */
const judged = (
  plan: RebalancePlan,
  there: NonNullable<Parameters<typeof make.executionState>[1]>,
): ExecutionState =>
  make.executionState(plan, { ...there, rules: evictionRulesOf(CACHES, plan, make.NOW, undefined) });

/** Each late pod, what the user is told of it, and the setting of aggressive mode that lets it go, where there is one. */
const LATE: readonly (readonly [string, Pod, RegExp, Mode | undefined])[] = [
  [
    'a bare pod',
    make.pod('late', { ownerReferences: [] }),
    /shop\/late has no controller/,
    { ignoreProblemPodsWithoutController: true },
  ],
  [
    "a Job's pod",
    make.pod('late', owned('Job')),
    /shop\/late belongs to a Job/,
    { ignoreProblemJobPods: true },
  ],
  [
    'a pod that is marked do-not-disrupt',
    make.pod('late', marked('karpenter.sh/do-not-disrupt')),
    /shop\/late is marked do-not-disrupt/,
    { ignoreProblemRemovalDisabledPods: true },
  ],
  [
    'a pod that is marked removal-disabled',
    make.pod('late', marked('autoscaling.cast.ai/removal-disabled')),
    /shop\/late is marked removal-disabled/,
    { ignoreProblemRemovalDisabledPods: true },
  ],
  [
    'a pod that is marked safe-to-evict=false',
    make.pod('late', marked('cluster-autoscaler.kubernetes.io/safe-to-evict', 'false')),
    /shop\/late is marked safe-to-evict=false/,
    { ignoreProblemRemovalDisabledPods: true },
  ],
  [
    "a DaemonSet's pod that is marked do-not-disrupt",
    make.pod('late', { ...owned('DaemonSet'), ...marked('karpenter.sh/do-not-disrupt') }),
    /shop\/late is marked do-not-disrupt/,
    { ignoreProblemRemovalDisabledPods: true },
  ],
  [
    'a pod with a resource claim',
    spec(make.pod('late'), { resourceClaims: [{ name: 'gpu' }] }),
    /shop\/late has resource claim gpu/,
    undefined,
  ],
  [
    'a pod with a volume on the node',
    spec(make.pod('late'), { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'disk' } }] }),
    /shop\/late has a volume that is local to the node/,
    { ignoreLocalPersistentVolumes: true },
  ],
  [
    'a pod under two PodDisruptionBudgets',
    make.pod('late', { labels: { app: 'late' } }),
    /shop\/late is covered by more than one PodDisruptionBudget \(all, late\)/,
    { ignoreBlockingPDB: true },
  ],
];

const MARKS: readonly (readonly [string, Node])[] = [
  [
    'removal-disabled',
    make.locked('blue', { annotations: { 'autoscaling.cast.ai/removal-disabled': 'true' } }),
  ],
  ['do-not-disrupt, before the lock', make.locked('blue', { annotations: { [LOCK_KEEPS]: 'true' } })],
];

const told = (state: ExecutionState): string =>
  decide(state)
    .steps.map((s) => s.message)
    .join('\n');
const kinds = (state: ExecutionState): string[] => decide(state).steps.map(describeStep);

const started = (mode: Mode, late: readonly Pod[], node = make.node('blue')): ExecutionState =>
  judged(
    { ...make.plan({ ...DELETE, ...ADD, aggressiveMode: mode }), status: {} },
    { ...BLUE, nodes: new Map([['blue', node]]), pods: new Map([['blue', [make.pod('web-1'), ...late]]]) },
  );

/** The state in the deletion phase; the drain has begun where there are events of it. */
const deleting = (
  mode: Mode,
  late: readonly Pod[],
  events: ReturnType<typeof draining> | object,
  node: Node,
): ExecutionState =>
  judged(
    make.plan(
      { ...DELETE, ...ADD, aggressiveMode: mode },
      { ...attempts({ status: 'Success' }), ...events },
      'PinsReady',
    ),
    {
      nodeClaims: new Map([...BLUE.nodeClaims, ['green', make.nodeClaim('green')]]),
      nodes: new Map([
        ['blue', node],
        ['green', make.node('green')],
      ]),
      pods: new Map([['blue', [make.pod('web-1'), ...late]]]),
    },
  );

for (const [what, pod, reason, lets] of LATE) {
  t.test(`a plan does not start while ${what} is on a node that it removes`, async (t) => {
    const state = started({}, [pod]);
    t.same(kinds(state), ['fail Creation FailureReasonNodeBlocked']);
    t.match(told(state), reason);
    if (lets) t.same(kinds(started(lets, [pod])), ['start'], 'but in an aggressive mode that allows it');
  });

  t.test(`nothing is ordered once ${what} has come to a node that the plan removes`, async (t) => {
    const plan = make.plan({ ...DELETE, ...ADD });
    const there = { ...BLUE, pods: new Map([['blue', [make.pod('web-1'), pod]]]) };
    const state = judged(plan, there);
    t.same(kinds(state), ['fail Creation FailureReasonNodeBlocked']);
    t.match(told(state), reason);
  });

  t.test(`a drain ends when ${what} is on the node, and no pod is evicted`, async (t) => {
    const state = deleting({}, [pod], draining(), CORDONED);
    t.same(kinds(state), ['keep-node blue']);
    t.match(told(state), reason);
    t.match(told(state), /Node node-blue stays: /);
    if (!lets) return;
    const allowed = kinds(deleting(lets, [pod], draining(), CORDONED));
    t.ok(allowed.includes('evict web-1'), 'but in an aggressive mode that allows it');
  });

  t.test(`a pod on a kept node stays where it is ${what}`, async (t) => {
    const plan = (aggressiveMode: Mode) => make.plan({ ...DELETE, aggressiveMode }, {}, 'PinsReady');
    const there = { ...BLUE, podsOnKeptNodes: [pod] };
    t.notOk(kinds(judged(plan({}), there)).some((s) => s.startsWith('evict')));
  });
}

for (const [what, node] of MARKS) {
  t.test(`a node that was marked ${what} since it was planned is not drained`, async (t) => {
    const state = deleting({ drainTimeout: '1h' }, [], draining(), {
      ...node,
      metadata: { ...node.metadata, labels: CORDONED.metadata.labels ?? {} },
      spec: { unschedulable: true },
    });
    t.same(kinds(state), ['keep-node blue']);
    t.match(told(state), /Node node-blue stays: it is marked/);
    const allowed = deleting({ ignoreProblemRemovalDisabledNodes: true }, [], {}, node);
    t.ok(kinds(allowed).includes('record-deletion blue'));
  });
}

t.test('our own lock is no mark of a user', async (t) => {
  t.same(kinds(deleting({}, [], draining(), CORDONED)), ['evict web-1']);
});

t.test('a budget that allows nothing now is left to the Eviction API', async (t) => {
  t.same(kinds(started({}, [])), ['start']);
});

t.test('a bare pod that is only migrated live does not keep its node', async (t) => {
  const bare = make.pod('late', { ownerReferences: [] });
  const move = { name: 'late', namespace: 'shop', srcNode: 'node-blue', dstNodeClaimName: 'green' };
  const reasonsAs = (policy: 'Mandatory' | 'Optional') =>
    blockersOf(
      make.executionState(
        make.plan({ ...DELETE, podsToMigrate: [{ ...move, policy }] }, {}, 'PinsReady'),
        BLUE,
      ),
      { node: CORDONED, claim: make.nodeClaim('blue'), pods: [bare] },
    );
  t.same(reasonsAs('Mandatory'), []);
  t.match(reasonsAs('Optional'), [/has no controller/]);
});
