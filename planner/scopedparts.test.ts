import t from 'tap';
import { MANAGED_BY, MANAGED_BY_US, SCOPED_TAINT } from '../api/labels.ts';
import type { NodePool, PodSpec, Taint } from '../api/objects.ts';
import { deletedClaims } from '../api/plans.ts';
import type { Snapshot } from './model/snapshot.ts';
import { verifyPlan } from './plan/verify.ts';
import { type RebalanceRequest, rebalance } from './rebalance.ts';
import { rebalanceWithScoped } from './scopedparts.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './testing/builders.ts';
import { randomCluster, smallCatalogue } from './testing/randomcluster.ts';

/** Nodes of scoped mode and others in one answer: docs/designs/0062-scoped-purchases.md. */

const TAINT: Taint = { key: SCOPED_TAINT, effect: 'NoSchedule' };
const LABELS = { [MANAGED_BY]: MANAGED_BY_US, [SCOPED_TAINT]: 'true' };
const IN_SCOPE: Partial<PodSpec> = {
  nodeSelector: { [MANAGED_BY]: MANAGED_BY_US },
  tolerations: [{ key: SCOPED_TAINT, operator: 'Exists', effect: 'NoSchedule' }],
};

/** Large nodes with one small pod each: so many of scoped mode, and so many others. */
const clusterOf = (scoped: number, others: number, pools: readonly NodePool[] = [makePool()]): Snapshot => {
  const large = { type: 'm5.2xlarge', cpu: 7_900, memory: 31_000 };
  const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  const inScope = names('scoped', scoped);
  const rest = names('other', others);
  return makeSnapshot(
    [
      ...rest.map((name) => makeNode(name, large)),
      ...inScope.map((name) => makeNode(name, { ...large, taints: [TAINT], labels: LABELS })),
    ],
    [
      ...rest.map((node) => makePod(`p-${node}`, { node, cpu: 300 })),
      ...inScope.map((node) => makePod(`p-${node}`, { node, cpu: 300, app: 'scoped', spec: IN_SCOPE })),
    ],
    { nodePools: [...pools] },
  );
};

const requestOf = (snapshot: Snapshot, more: Partial<RebalanceRequest> = {}): RebalanceRequest => ({
  snapshot,
  catalogue: smallCatalogue,
  now: Date.parse('2026-11-30T12:00:00Z'),
  seed: 1,
  planName: 'plan',
  rounds: 50,
  ...more,
});

/** The answer, whose plan the check has passed. */
const answerTo = (request: RebalanceRequest) => {
  const result = rebalanceWithScoped(request);
  const faults = result.plan ? verifyPlan(request.snapshot, request.catalogue, result.plan.spec) : [];
  if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join(' '));
  return result;
};
const removedBy = (result: ReturnType<typeof answerTo>): number =>
  result.plan ? deletedClaims(result.plan.spec).length : 0;

t.test('nodes of scoped mode are replaced by such, others by others, in one answer', async (t) => {
  const result = answerTo(requestOf(clusterOf(4, 4)));
  const { spec, savings } = result.plan ?? {};
  t.equal(spec?.nodeClaimsToDelete?.length, 8);
  const claims = spec?.nodeClaimsToAdd ?? [];
  t.equal(new Set(claims.map(({ metadata }) => metadata.name)).size, claims.length);
  for (const { name, dstNodeClaimName } of spec?.podsToMigrate ?? []) {
    const claim = claims.find(({ metadata }) => metadata.name === dstNodeClaimName);
    const isTainted = claim?.spec.taints?.some(({ key }) => key === SCOPED_TAINT) ?? false;
    t.equal(isTainted, name.startsWith('p-scoped'), name);
  }
  const sum = (nodes: readonly { readonly priceHourly: string }[] = []): number =>
    nodes.reduce((total, each) => total + Number(each.priceHourly) * 730, 0);
  t.equal(savings?.currentMonthlyCost, sum(savings?.blueNodes).toFixed(2));
  t.equal(savings?.projectedMonthlyCost, sum(savings?.greenNodes).toFixed(2));
  t.equal(savings?.projectedClusterMonthlyCost, savings?.projectedMonthlyCost);
  t.ok(Number(savings?.lowerBoundMonthlyCost) <= Number(savings?.projectedMonthlyCost) + 0.01);
});

t.test('without nodes of scoped mode, or of such alone, there is one search', async (t) => {
  const plain = requestOf(clusterOf(0, 4));
  t.same(answerTo(plain), rebalance(plain));
  const scoped = answerTo(requestOf(clusterOf(4, 0)));
  t.equal(removedBy(scoped), 4);
  t.ok(scoped.plan?.savings.gapPercent !== undefined);
  const claims = scoped.plan?.spec.nodeClaimsToAdd ?? [];
  t.ok(claims.every(({ spec }) => spec.taints?.some((taint) => (taint as Taint).key === SCOPED_TAINT)));
});

t.test(
  'a part that can not be had cheaper leaves the plan of the other, without a bound of both',
  async (t) => {
    const request = requestOf(clusterOf(4, 4), { scope: { nodeNames: ['scoped-0', 'scoped-1', 'other-0'] } });
    const dear = rebalanceWithScoped(request, (each) =>
      each.planName === 'plan'
        ? { plan: null, selectedNodes: [], skippedNodes: [], reason: 'No cheaper set of nodes was found.' }
        : rebalance(each),
    );
    t.ok(
      dear.plan?.spec.nodeClaimsToDelete?.every(({ nodeClaimName }) => /^claim-scoped-/.test(nodeClaimName)),
    );
    t.equal(dear.plan?.savings.lowerBoundMonthlyCost, undefined);
    t.equal(dear.reason, undefined);
  },
);

t.test('scope and most nodes are of both parts together', async (t) => {
  const snapshot = clusterOf(4, 4);
  const scope = { nodeNames: ['scoped-0', 'scoped-1', 'other-0', 'other-1'] };
  const within = answerTo(requestOf(snapshot, { scope }));
  t.same([...within.selectedNodes].sort(), [...scope.nodeNames].sort());
  for (const maxNodes of [1, 3, 5]) {
    const count = removedBy(answerTo(requestOf(snapshot, { constraints: { maxNodes } })));
    t.ok(count > 0 && count <= maxNodes, `${count} of at most ${maxNodes}`);
  }
});

t.test('limits of a NodePool hold for both parts together', async (t) => {
  const pool = makePool();
  // Nodes that are removed count until they are gone: 8.8 cores more than there are.
  const limited = { ...pool, spec: { ...pool.spec, limits: { cpu: '72' } } };
  const { plan } = answerTo(requestOf(clusterOf(4, 4, [limited])));
  const cores = (plan?.savings.greenNodes ?? []).reduce((sum, { milliCPU }) => sum + milliCPU, 0);
  t.ok(plan && cores <= 8_800, `${cores} millicores`);
});

t.test('the time budget is of both parts together', async (t) => {
  const budgets: (number | undefined)[] = [];
  let now = 0;
  rebalanceWithScoped(requestOf(clusterOf(1, 3), { timeBudgetMs: 1_000, clock: () => now }), (each) => {
    budgets.push(each.timeBudgetMs);
    now += 600;
    return { plan: null, selectedNodes: [], skippedNodes: [] };
  });
  t.same(budgets, [750, 400]);
});

/** A random cluster of which every other node is of scoped mode, with the pods on it. */
const randomMix = (seed: number): Snapshot => {
  const snapshot = randomCluster(seed, 10, 40, { spread: true, affinity: true, ports: true, limits: true });
  const scoped = new Set(
    snapshot.nodes.flatMap(({ metadata: { name } }, at) => (at % 2 === 0 ? [name] : [])),
  );
  return {
    ...snapshot,
    nodes: snapshot.nodes.map((node) =>
      scoped.has(node.metadata.name)
        ? {
            ...node,
            metadata: { ...node.metadata, labels: { ...node.metadata.labels, ...LABELS } },
            spec: { ...node.spec, taints: [TAINT] },
          }
        : node,
    ),
    pods: snapshot.pods.map((pod) =>
      scoped.has(pod.spec.nodeName ?? '') ? { ...pod, spec: { ...pod.spec, ...IN_SCOPE } } : pod,
    ),
  };
};

t.test('whatever the cluster, the answer passes the check, and often has nodes of both', async (t) => {
  let both = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const { plan } = answerTo(requestOf(randomMix(seed), { rounds: 20 }));
    const parts = new Set(
      plan?.savings.blueNodes?.map(({ name }) => Number(name.replace('node-', '')) % 2) ?? [],
    );
    if (parts.size === 2) both += 1;
  }
  t.ok(both >= 10, `${both} of 40`);
});
