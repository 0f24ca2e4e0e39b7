import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CANCEL, KARPENTER_NODEPOOL } from '../../api/labels.ts';
import * as resources from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';
import { startSession } from './session.ts';

/** Several plans at once on a real API server, with NodeClaims without machines: a finalizer controls when they go. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'concurrent-test', qps: 200, burst: 200 });
const RUN = `at-once-${process.pid}`;
const HOLD = 'test.example/hold';
const SOON = { timeoutMs: 20_000, everyMs: 50 };
const session = startSession({
  kubeconfig,
  cloud: { catalogue: async () => ({ instanceTypes: [] }), nodeNames: async () => new Map() },
  env: { PIN_ACKNOWLEDGE_TIMEOUT: '100ms', PLAN_SETTLE_TIMEOUT: '1s' },
});

t.teardown(async () => {
  session.stop();
  await session.ended;
  for (const { metadata } of (await client.list(resources.REBALANCE_PLAN_CLAIMS)).items) {
    if (metadata.name.startsWith(RUN))
      await client.delete(resources.REBALANCE_PLAN_CLAIMS, { name: metadata.name });
  }
  for (const { metadata } of (await client.list(resources.REBALANCE_PLANS)).items) {
    if (metadata.name.startsWith(RUN)) {
      await client.delete(resources.REBALANCE_PLANS, { name: metadata.name }).catch(() => undefined);
    }
  }
  const { items } = await client.list(resources.NODE_CLAIMS);
  for (const { metadata } of items) if (metadata.name.startsWith(RUN)) await letGo(metadata.name);
  client.close();
});

const order = (name: string): Promise<unknown> =>
  client.create(resources.NODE_CLAIMS, {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: { name, finalizers: [HOLD], labels: { [KARPENTER_NODEPOOL]: 'none' } },
    spec: {
      nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
      requirements: [{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] }],
    },
  });

const letGo = async (name: string): Promise<void> => {
  await client.patch(resources.NODE_CLAIMS, { name }, { metadata: { finalizers: null } });
};

const remove = (
  name: string,
  claims: readonly string[],
  metadata: Partial<RebalancePlan['metadata']> = {},
): Promise<RebalancePlan> =>
  client.create(resources.REBALANCE_PLANS, {
    metadata: { name, ...metadata },
    spec: { execute: true, nodeClaimsToDelete: claims.map((nodeClaimName) => ({ nodeClaimName })) },
  });

const reaches = (name: string, what: string, isThere: (plan: RebalancePlan) => boolean) =>
  until(
    `${name} ${what}`,
    async () => {
      const plan = await client.get(resources.REBALANCE_PLANS, { name });
      return isThere(plan) ? plan : undefined;
    },
    SOON,
  );

const isIn = (state: string) => (plan: RebalancePlan) => plan.status?.state === state;

t.test('plans that share no node run at once; one that shares a node waits its turn', async (t) => {
  const [a, b] = [`${RUN}-a`, `${RUN}-b`];
  await Promise.all([order(a), order(b)]);
  await Promise.all([remove(a, [a]), remove(b, [b])]);
  await Promise.all([a, b].map((name) => reaches(name, 'runs', isIn('Running'))));
  const both = `${RUN}-both`;
  await remove(both, [a, b]);
  await reaches(both, 'waits', (p) => p.status?.conditions?.some((c) => c.reason === 'NodeInUse') ?? false);
  for (const name of [a, b])
    t.match(await client.get(resources.REBALANCE_PLANS, { name }), { status: { state: 'Running' } });
  await letGo(a);
  await reaches(a, 'is done', isIn('Done'));
  t.match(await client.get(resources.REBALANCE_PLANS, { name: both }), { status: { state: 'Pending' } });
  await letGo(b);
  await reaches(b, 'is done', isIn('Done'));
  const last = await reaches(both, 'has failed', isIn('Failed'));
  t.match(last.status, { failureReason: 'FailureReasonNodeGone', failureMessage: /make a new plan/ });
});

t.test('ten plans are worked on at once', async (t) => {
  const names = Array.from({ length: 10 }, (_, i) => `${RUN}-many-${i}`);
  await Promise.all(names.map(order));
  await Promise.all(names.map((name) => remove(name, [name])));
  await Promise.all(
    names.map((name) =>
      until(
        `NodeClaim ${name} is deleted`,
        async () =>
          (await client.get(resources.NODE_CLAIMS, { name })).metadata.deletionTimestamp !== undefined,
        SOON,
      ),
    ),
  );
  const { items } = await client.list(resources.REBALANCE_PLANS);
  t.equal(items.filter((p) => names.includes(p.metadata.name) && isIn('Running')(p)).length, 10);
  await Promise.all(names.map(letGo));
  await Promise.all(names.map((name) => reaches(name, 'is done', isIn('Done'))));
});

const cancel = (name: string) =>
  client.patch(
    resources.REBALANCE_PLAN_CLAIMS,
    { name },
    { metadata: { annotations: { [CANCEL]: 'true' } } },
  );

const claimEnds = (name: string) =>
  until(
    `claim ${name} ended`,
    async () => {
      const { status } = await client.get(resources.REBALANCE_PLAN_CLAIMS, { name });
      return status?.completionTime ? status : undefined;
    },
    SOON,
  );

for (const [state, execute] of [
  ['Executing', true],
  ['Ready', false],
] as const) {
  t.test(`a claim that is canceled at ${state} takes its plan back`, async (t) => {
    const name = `${RUN}-${state.toLowerCase()}`;
    await order(name);
    const claim = await client.create(resources.REBALANCE_PLAN_CLAIMS, {
      metadata: { name },
      spec: { autoExecute: false },
    });
    const owner = { apiVersion: 'autoscaling.cast.ai/v1alpha', kind: 'RebalancePlanClaim', controller: true };
    await client.create(resources.REBALANCE_PLANS, {
      metadata: { name, ownerReferences: [{ ...owner, name, uid: claim.metadata.uid ?? '' }] },
      spec: { execute, nodeClaimsToDelete: [{ nodeClaimName: name }] },
    });
    await client.patch(
      resources.REBALANCE_PLAN_CLAIMS,
      { name },
      { status: { state, rebalanceName: name } },
      { subresource: 'status' },
    );
    await reaches(name, 'is there', (p) => p.status?.state === (execute ? 'Running' : 'Pending'));
    await cancel(name);
    await reaches(name, 'is canceled', isIn('Canceled'));
    t.match(await claimEnds(name), { state: 'Canceled' });
    await letGo(name).catch(() => undefined);
  });
}

t.test('a claim that is canceled before it has a plan ends there', async (t) => {
  const name = `${RUN}-early`;
  await client.create(resources.REBALANCE_PLAN_CLAIMS, {
    metadata: { name, annotations: { [CANCEL]: 'true' } },
    spec: { autoExecute: true },
  });
  t.match(await claimEnds(name), { state: 'Canceled', conditions: [{ reason: 'Canceled' }] });
});
