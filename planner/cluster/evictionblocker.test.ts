import t from 'tap';
import type { Pod, PodDisruptionBudget, ReplicaSet } from '../../api/objects.ts';
import { makePod } from '../testing/builders.ts';
import { type AggressiveMode, createSurgeCheck, evictionBlocker } from './evictionblocker.ts';

const TRUE = 'true';

const podWith = (metadata: Partial<Pod['metadata']>, owner?: string | null): Pod => {
  const pod = makePod('p', { node: 'n', ...(owner !== undefined && { owner }) });
  return { ...pod, metadata: { ...pod.metadata, ...metadata } };
};

const budget = (allowed: number, healthy = 1, desired = 1): PodDisruptionBudget => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } } },
  status: { disruptionsAllowed: allowed, currentHealthy: healthy, desiredHealthy: desired },
});

interface PodRow {
  readonly says: string;
  readonly pod?: Pod;
  readonly budgets?: readonly PodDisruptionBudget[];
  readonly hasLocalVolume?: boolean;
  readonly willSurge?: boolean;
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
    says: 'a budget of other pods does not count',
    pod: podWith({ labels: { app: 'db' } }),
    budgets: [budget(0)],
  },
];

for (const { says, pod = podWith({}), budgets = [], expected, ignoredBy, ...row } of PODS) {
  t.test(says, async (t) => {
    const blockerIn = (mode: AggressiveMode): string | undefined =>
      evictionBlocker(
        pod,
        budgets,
        mode,
        () => row.hasLocalVolume ?? false,
        () => row.willSurge ?? false,
      );
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
