import t from 'tap';
import type { EvictAs } from '../../api/kinds/rebalanceplan.ts';
import type { Pod, PodDisruptionBudget, ReplicaSet } from '../../api/objects.ts';
import { makePod } from '../testing/builders.ts';
import { type AggressiveMode, createSurgeCheck, evictionBlocker, nodePodBlocker } from './evictionblocker.ts';

const TRUE = 'true';
const NOW = Date.parse('2026-11-29T12:00:00Z');

/** A pod that is protected for a time, and has run for so many hours; without hours it has no start time. */
const protectedFor = (value: string, hours?: number): Pod => ({
  ...podWith({ annotations: { 'karpenter.sh/do-not-disrupt': value } }),
  ...(hours !== undefined && {
    status: { phase: 'Running', startTime: new Date(NOW - hours * 3_600_000).toISOString() },
  }),
});

const unready = (): Pod => ({
  ...podWith({}),
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] },
});

const podWith = (metadata: Partial<Pod['metadata']>, owner?: string | null): Pod => {
  const pod = makePod('p', { node: 'n', ...(owner !== undefined && { owner }) });
  return { ...pod, metadata: { ...pod.metadata, ...metadata } };
};

const budget = (allowed: number, healthy = 1, desired = 1): PodDisruptionBudget => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } } },
  status: { disruptionsAllowed: allowed, currentHealthy: healthy, desiredHealthy: desired },
});

const alwaysAllow = (of: PodDisruptionBudget): PodDisruptionBudget => ({
  ...of,
  spec: { ...of.spec, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
});

interface PodRow {
  readonly says: string;
  readonly pod?: Pod;
  readonly budgets?: readonly PodDisruptionBudget[];
  readonly hasLocalVolume?: boolean;
  readonly willSurge?: boolean;
  readonly evictAs?: EvictAs;
  readonly isAlone?: boolean;
  readonly expected?: RegExp;
  /** The mode that ignores the blocker. */
  readonly ignoredBy?: keyof AggressiveMode;
}

const PODS: readonly PodRow[] = [
  { says: 'a pod of a ReplicaSet may be evicted' },
  {
    says: 'a pod without a controller may not',
    pod: podWith({}, null),
    expected: /has no controller/,
    ignoredBy: 'ignoreProblemPodsWithoutController',
  },
  {
    says: 'a pod of a Job may not',
    pod: podWith({}, 'Job'),
    expected: /belongs to a Job/,
    ignoredBy: 'ignoreProblemJobPods',
  },
  { says: 'a pod of a Job may where it is aggressive', pod: podWith({}, 'Job'), evictAs: 'Aggressive' },
  {
    says: 'a pod without a controller may where it is disposable',
    pod: podWith({}, null),
    evictAs: 'Disposable',
  },
  {
    says: 'a pod without a controller may not where it is aggressive',
    pod: podWith({}, null),
    evictAs: 'Aggressive',
    expected: /has no controller/,
  },
  { says: 'a pod that is alone may not', isAlone: true, expected: /only one of its workload that is ready/ },
  { says: 'a pod that is alone may where it is aggressive', isAlone: true, evictAs: 'Aggressive' },
  { says: 'a pod that is not alone may', isAlone: false },
  {
    says: 'a disposable pod with removal-disabled may not',
    pod: podWith({ labels: { 'autoscaling.cast.ai/removal-disabled': TRUE } }),
    evictAs: 'Disposable',
    expected: /removal-disabled/,
  },
  {
    says: 'a disposable pod whose budget allows no disruption may not',
    budgets: [budget(0)],
    evictAs: 'Disposable',
    expected: /allows no disruption/,
  },
  {
    says: 'a pod with removal-disabled may not',
    pod: podWith({ labels: { 'autoscaling.cast.ai/removal-disabled': TRUE } }),
    expected: /removal-disabled/,
    ignoredBy: 'ignoreProblemRemovalDisabledPods',
  },
  {
    says: 'a pod with do-not-disrupt may not',
    pod: podWith({ annotations: { 'karpenter.sh/do-not-disrupt': TRUE } }),
    expected: /do-not-disrupt/,
    ignoredBy: 'ignoreProblemRemovalDisabledPods',
  },
  {
    says: 'a pod with safe-to-evict=false may not',
    pod: podWith({ annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } }),
    expected: /safe-to-evict=false/,
    ignoredBy: 'ignoreProblemRemovalDisabledPods',
  },
  {
    says: 'a pod with a local volume may not',
    hasLocalVolume: true,
    expected: /local to the node/,
    ignoredBy: 'ignoreLocalPersistentVolumes',
  },
  {
    says: 'a pod whose budget allows no disruption may not',
    budgets: [budget(0)],
    expected: /PodDisruptionBudget web, which allows no disruption/,
    ignoredBy: 'ignoreBlockingPDB',
  },
  { says: 'a pod whose budget allows one may', budgets: [budget(1)] },
  {
    says: 'a pod that will surge may, as its successor makes room in the budget',
    budgets: [budget(0)],
    willSurge: true,
  },
  {
    says: 'a pod that will surge may not while its budget is violated',
    budgets: [budget(0, 0, 1)],
    willSurge: true,
    expected: /allows no disruption/,
  },
  {
    says: 'a pod with do-not-disrupt for four hours may not in the first',
    pod: protectedFor('4h', 1),
    expected: /do-not-disrupt/,
    ignoredBy: 'ignoreProblemRemovalDisabledPods',
  },
  { says: 'a pod with do-not-disrupt for half an hour may after six', pod: protectedFor('30m', 6) },
  {
    says: 'a pod with do-not-disrupt for a time and no start time may not',
    pod: protectedFor('4h'),
    expected: /do-not-disrupt/,
  },
  { says: 'a pod whose do-not-disrupt can not be read may', pod: protectedFor('soon', 1) },
  {
    says: 'a pod with two budgets may not, whatever they allow',
    budgets: [budget(1), { ...budget(1), metadata: { name: 'all', namespace: 'default' } }],
    expected: /more than one PodDisruptionBudget \(all, web\)/,
    ignoredBy: 'ignoreBlockingPDB',
  },
  {
    says: 'a pod with two budgets may not though it will surge',
    budgets: [budget(1), { ...budget(1), metadata: { name: 'all', namespace: 'default' } }],
    willSurge: true,
    expected: /more than one/,
  },
  {
    says: 'an unready pod under AlwaysAllow may',
    pod: unready(),
    budgets: [alwaysAllow(budget(0, 0, 1))],
  },
  {
    says: 'a ready pod under AlwaysAllow may not where the budget allows none',
    budgets: [alwaysAllow(budget(0))],
    expected: /allows no disruption/,
  },
  { says: 'an unready pod may while enough others are healthy', pod: unready(), budgets: [budget(0, 2, 2)] },
  {
    says: 'an unready pod may not while its budget is violated',
    pod: unready(),
    budgets: [budget(0, 1, 2)],
    expected: /allows no disruption/,
  },
  {
    says: 'a pod that never started may, budgets or not',
    pod: { ...podWith({}), status: { phase: 'Pending' } },
    budgets: [budget(0)],
  },
  {
    says: 'a budget of other pods does not count',
    pod: podWith({ labels: { app: 'db' } }),
    budgets: [budget(0)],
  },
];

for (const { says, pod = podWith({}), budgets = [], expected, ignoredBy, ...row } of PODS) {
  t.test(says, async (t) => {
    const blockerIn = (mode: AggressiveMode): string | undefined =>
      evictionBlocker(pod, {
        budgets,
        mode,
        now: NOW,
        hasLocalVolume: () => row.hasLocalVolume ?? false,
        willSurge: () => row.willSurge ?? false,
        ...(row.evictAs && { evictAs: () => row.evictAs }),
        ...(row.isAlone !== undefined && { isAlone: () => row.isAlone ?? false }),
      })?.message;
    if (expected) t.match(blockerIn({}), expected);
    else t.equal(blockerIn({}), undefined);
    if (ignoredBy) t.equal(blockerIn({ [ignoredBy]: true }), undefined, `${ignoredBy} ignores it`);
  });
}

t.test("a Deployment's only pod surges when it is annotated, or by default", async (t) => {
  const replicaSet = (replicas: number, owner: string): ReplicaSet => ({
    metadata: {
      name: 'web',
      uid: 'rs-web',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: owner, name: 'web', uid: 'd', controller: true }],
    },
    spec: { replicas },
  });
  const willSurge = (set: ReplicaSet, pod: Pod, byDefault: boolean): boolean =>
    createSurgeCheck([set], byDefault)(pod);
  const annotated = (value: string) => podWith({ annotations: { 'autoscaling.cast.ai/surge': value } });
  const single = replicaSet(1, 'Deployment');
  t.equal(willSurge(single, podWith({}), true), true);
  t.equal(willSurge(single, podWith({}), false), false);
  t.equal(willSurge(single, annotated(TRUE), false), true);
  t.equal(willSurge(single, annotated('false'), true), false);
  t.equal(willSurge(replicaSet(2, 'Deployment'), podWith({}), true), false, 'it has another pod');
  t.equal(willSurge(replicaSet(1, 'Rollout'), podWith({}), true), false, 'it has no Deployment');
  t.equal(createSurgeCheck([], true)(podWith({})), false, 'its ReplicaSet is not known');
});

t.test('pods that go with their node can keep it', async (t) => {
  const daemon = podWith({}, 'DaemonSet');
  const marked = podWith({ annotations: { 'karpenter.sh/do-not-disrupt': TRUE } }, 'DaemonSet');
  const tolerant = { ...marked, spec: { ...marked.spec, tolerations: [{ operator: 'Exists' as const }] } };
  const mirror = podWith({ annotations: { 'kubernetes.io/config.mirror': 'x' } }, 'Node');
  const blockerOf = (pod: Pod, mode: AggressiveMode = {}, allowed = 1): string | undefined =>
    nodePodBlocker(pod, { budgets: [budget(allowed)], mode, now: NOW })?.message;
  t.equal(blockerOf(daemon), undefined, 'not without a reason');
  t.match(blockerOf(marked), /do-not-disrupt/);
  t.equal(blockerOf(marked, { ignoreProblemRemovalDisabledPods: true }), undefined);
  t.equal(blockerOf(tolerant), undefined, "Karpenter's drain leaves it alone");
  t.match(blockerOf(daemon, {}, 0), /PodDisruptionBudget web/);
  t.equal(blockerOf(daemon, { ignoreBlockingPDB: true }, 0), undefined);
  t.equal(blockerOf(mirror, {}, 0), undefined, 'nobody evicts a static pod');
});

t.test('fault 15: a pod of another scheduler keeps its node, unless its rules are known', async (t) => {
  const plain = makePod('p', { node: 'n' });
  const pod: Pod = { ...plain, spec: { ...plain.spec, schedulerName: 'volcano' } };
  const rules = { budgets: [], mode: {}, now: NOW, hasLocalVolume: () => false, willSurge: () => false };
  t.match(evictionBlocker(pod, rules)?.message, /placed by scheduler volcano/);
  t.equal(evictionBlocker(pod, { ...rules, schedulers: ['default-scheduler', 'volcano'] }), undefined);
});
