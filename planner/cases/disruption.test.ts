import t from 'tap';
import type { Pod, PodDisruptionBudget } from '../../api/objects.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { deletedBy, makeDaemonPod, makeDaemonSet, moveOf, NOW, rebalanceOf } from '../testing/smallworld.ts';

/** Kind 5: what may be disrupted, as Karpenter and the eviction API decide it. */

const HOUR = 3_600_000;
const DO_NOT_DISRUPT = 'karpenter.sh/do-not-disrupt';

const marked = (pod: Pod, value: string): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { [DO_NOT_DISRUPT]: value } },
});
const startedBefore = (pod: Pod, hours: number): Pod => ({
  ...pod,
  status: { ...pod.status, startTime: new Date(NOW - hours * HOUR).toISOString() },
});
const readiness = (pod: Pod, status: 'True' | 'False'): Pod => ({
  ...pod,
  status: { ...pod.status, conditions: [{ type: 'Ready', status }] },
});
const terminating = (pod: Pod, secondsAgo: number): Pod => ({
  ...pod,
  metadata: {
    ...pod.metadata,
    deletionTimestamp: new Date(NOW - secondsAgo * 1000 + 30_000).toISOString(),
    deletionGracePeriodSeconds: 30,
  },
});
const budget = (name: string, app: string, allowed: number, policy?: 'AlwaysAllow'): PodDisruptionBudget => ({
  kind: 'PodDisruptionBudget',
  metadata: { name, namespace: 'default' },
  spec: {
    selector: { matchLabels: { app } },
    ...(policy && { unhealthyPodEvictionPolicy: policy }),
  },
  status: { disruptionsAllowed: allowed, currentHealthy: 0, desiredHealthy: 1, expectedPods: 1 },
});

const HOST = { type: 'm5.4xlarge', cpu: 15_900, memory: 60_000 } as const;
/** Two large nodes that hold little. */
const twoNodes = (pods: readonly Pod[], rest: Partial<Snapshot> = {}): Snapshot =>
  makeSnapshot([makeNode('n1', HOST), makeNode('n2', HOST)], pods, rest);
const keptFor = (result: ReturnType<typeof rebalanceOf>, node: string): string =>
  result.skippedNodes.find(({ name }) => name === node)?.reasons.join(' ') ?? '';

t.test('case 03: do-not-disrupt may hold for a time, from the start of the pod', async (t) => {
  const pods = [
    startedBefore(marked(makePod('batch', { node: 'n1' }), '4h'), 0.5),
    startedBefore(marked(makePod('web', { node: 'n2' }), '30m'), 6),
  ];
  const result = rebalanceOf(twoNodes(pods));
  t.same(deletedBy(result), ['claim-n2']);
  t.equal(moveOf(result, 'web'), 'claim-n1');
  t.match(keptFor(result, 'n1'), /pod default\/batch .*do-not-disrupt/);
});

t.test('case 04: a pod with two budgets holds its node, whatever they allow', async (t) => {
  const pods = ['n1', 'n2'].map((node) => makePod(`api-${node}`, { app: 'api', node }));
  const podDisruptionBudgets = [budget('api', 'api', 1), budget('team-a', 'api', 1)];
  const result = rebalanceOf(twoNodes(pods, { podDisruptionBudgets }));
  t.equal(result.plan, null);
  for (const node of ['n1', 'n2']) t.match(keptFor(result, node), /\(api, team-a\)/);
  const one = rebalanceOf(twoNodes(pods, { podDisruptionBudgets: podDisruptionBudgets.slice(0, 1) }));
  t.ok(one.plan);
});

t.test('case 11, 72: AlwaysAllow lets a pod go that is not ready, and no other', async (t) => {
  const pods = (ready: 'True' | 'False'): readonly Pod[] => [
    readiness(makePod('bad', { app: 'bad', node: 'n1' }), ready),
    makePod('ok', { node: 'n2' }),
  ];
  const podDisruptionBudgets = [budget('bad', 'bad', 0, 'AlwaysAllow')];
  const free = rebalanceOf(twoNodes(pods('False'), { podDisruptionBudgets }));
  t.same(deletedBy(free), ['claim-n1', 'claim-n2']);
  const held = rebalanceOf(twoNodes(pods('True'), { podDisruptionBudgets }));
  t.notOk(deletedBy(held).includes('claim-n1'));
  t.match(keptFor(held, 'n1'), /PodDisruptionBudget bad/);
  const strict = rebalanceOf(twoNodes(pods('False'), { podDisruptionBudgets: [budget('bad', 'bad', 0)] }));
  t.notOk(deletedBy(strict).includes('claim-n1'), 'without the policy');
});

t.test('case 23: a DaemonSet pod with do-not-disrupt holds its node', async (t) => {
  const noTolerations = { tolerations: [] };
  const daemonSets = [makeDaemonSet('agent', {}, noTolerations)];
  const pods = [
    marked(makeDaemonPod('agent', 'n1'), 'true'),
    makeDaemonPod('agent', 'n2'),
    makePod('a', { node: 'n1' }),
    makePod('b', { node: 'n2' }),
  ];
  const result = rebalanceOf(twoNodes(pods, { daemonSets }));
  t.same(deletedBy(result), ['claim-n2']);
  t.equal(moveOf(result, 'b'), 'claim-n1');
  t.match(keptFor(result, 'n1'), /pod default\/agent-n1/);
});

t.test('case 79: a budget over a DaemonSet pod that a drain would evict holds the node', async (t) => {
  const daemonSets = [makeDaemonSet('agent', {}, { tolerations: [] })];
  const pods = [makeDaemonPod('agent', 'n1'), makePod('a', { node: 'n1' })];
  const held = rebalanceOf(twoNodes(pods, { daemonSets, podDisruptionBudgets: [budget('b', 'agent', 0)] }));
  t.notOk(deletedBy(held).includes('claim-n1'));
  t.match(keptFor(held, 'n1'), /pod default\/agent-n1 .*PodDisruptionBudget b\b/);
  t.ok(deletedBy(rebalanceOf(twoNodes(pods, { daemonSets }))).length > 0, 'without the budget');
});

t.test('case 38: pods that end or have ended need no room', async (t) => {
  const ended = (name: string, phase: 'Succeeded' | 'Failed'): Pod => ({
    ...makePod(name, { node: 'n1', cpu: 8000 }),
    status: { phase },
  });
  const pods = [
    terminating(makePod('hung', { node: 'n1', cpu: 8000 }), 14 * 24 * 3600),
    ended('done', 'Succeeded'),
    ended('failed', 'Failed'),
  ];
  const result = rebalanceOf(twoNodes(pods));
  t.same(deletedBy(result), ['claim-n1', 'claim-n2']);
  t.same(result.plan?.spec.podsToMigrate, []);
});

t.test('case 38, 71: a StatefulSet pod that is terminating comes back, and needs a place', async (t) => {
  const es = terminating(
    makePod('es-0', { node: 'n2', owner: 'StatefulSet', cpu: 8000, memory: 40_000 }),
    40,
  );
  const result = rebalanceOf(twoNodes([es]));
  t.same(deletedBy(result).length, 1, 'one of two large nodes is enough');
  const isStaying = !deletedBy(result).includes('claim-n2');
  t.ok(isStaying || moveOf(result, 'es-0') !== undefined, 'its successor has a place');
  const alone = rebalanceOf(makeSnapshot([makeNode('n2', HOST)], [es]));
  t.same(deletedBy(alone), [], 'nothing cheaper holds it');
});
