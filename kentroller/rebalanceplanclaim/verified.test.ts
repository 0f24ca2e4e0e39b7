import { Registry } from 'prom-client';
import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import type { Planning, PlanningAnswer } from './plannerworker.ts';
import { countRefusals, PlanRefused, verified } from './verified.ts';

const log = createLogger({ component: 'verified-test', level: 'silent' });
const { signal } = new AbortController();
const REQUEST = {
  snapshot: makeSnapshot([makeNode('a'), makeNode('b')], [makePod('p', { node: 'a' })]),
  catalogue: smallCatalogue,
  now: 0,
  seed: 1,
  planName: 'spring-clean',
};

/** A planner that empties node a, and moves the pod or forgets it. */
const planner =
  (moves: boolean): Planning =>
  async () => ({
    selectedNodes: ['a'],
    skippedNodes: [],
    plan: {
      spec: {
        execute: false,
        nodeClaimsToDelete: [{ nodeClaimName: 'claim-a' }],
        podsToMigrate: moves
          ? [{ name: 'p', namespace: 'default', srcNode: 'a', dstNodeClaimName: 'claim-b' }]
          : [],
      },
      savings: {
        projectedSavingsPercent: '50.0',
        projectedSavingsCostMonthly: '10.00',
        currentMonthlyCost: '20.00',
        projectedMonthlyCost: '10.00',
      },
    },
  });

t.test('a plan that can be carried out is answered as it is', async (t) => {
  const registry = new Registry();
  const refusals = countRefusals(registry);
  const planning = verified(planner(true), { source: 'claim', refusals, log });
  t.same(await planning(REQUEST, 1000, signal), await planner(true)(REQUEST, 1000, signal));
  const none: PlanningAnswer = { selectedNodes: [], skippedNodes: [], plan: null, reason: 'nothing' };
  t.same(await verified(async () => none, { source: 'claim', refusals, log })(REQUEST, 1000, signal), none);
  t.match(await registry.metrics(), 'kentroller_plans_refused_total{source="claim"} 0');
});

t.test('a plan that breaks a rule is refused, counted, and names pod, node and rule', async (t) => {
  const registry = new Registry();
  const refusals = countRefusals(registry);
  const planning = verified(planner(false), { source: 'continuous', refusals, log });
  const error = await planning(REQUEST, 1000, signal).catch((thrown: unknown) => thrown);
  t.ok(error instanceof PlanRefused);
  t.match(error, {
    message:
      'plan spring-clean was refused, because it breaks rule PodLeftBehind: Pod default/p is left on node a, which the plan removes',
    faults: [{ rule: 'PodLeftBehind', pod: 'default/p', node: 'a' }],
  });
  t.match(await registry.metrics(), 'kentroller_plans_refused_total{source="continuous"} 1');
});

t.test('a remote planner can not ask for more than the NodePool gives', async (t) => {
  const refusals = countRefusals(new Registry());
  const honest = {
    metadata: { name: 'green', labels: { 'karpenter.sh/nodepool': 'default' } },
    spec: {
      nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
      requirements: [
        { key: 'node.kubernetes.io/instance-type', operator: 'In' as const, values: ['m5.large'] },
        { key: 'topology.kubernetes.io/zone', operator: 'In' as const, values: ['us-west-2a'] },
        { key: 'karpenter.sh/capacity-type', operator: 'In' as const, values: ['on-demand'] },
      ],
    },
  };
  const { metadata, spec } = honest;
  const label = { 'node-restriction.kubernetes.io/tenant': 'payments' };
  const tenant = { key: 'tenant', operator: 'In' as const, values: ['payments'] };
  const asked = {
    'spec.nodeClassRef': {
      metadata,
      spec: { ...spec, nodeClassRef: { ...spec.nodeClassRef, name: 'root' } },
    },
    'metadata.labels["node-restriction.kubernetes.io/tenant"]': {
      metadata: { ...metadata, labels: { ...metadata.labels, ...label } },
      spec,
    },
    'metadata.annotations["karpenter.sh/nodepool-hash"]': {
      metadata: { ...metadata, annotations: { 'karpenter.sh/nodepool-hash': 'forged' } },
      spec,
    },
    'spec.expireAfter': { metadata, spec: { ...spec, expireAfter: 'Never' } },
    'spec.requirements[3].key': { metadata, spec: { ...spec, requirements: [...spec.requirements, tenant] } },
  };
  const plannerOf =
    (added: typeof honest): Planning =>
    async (...request) => {
      const { plan, ...rest } = await planner(true)(...request);
      if (!plan) throw new Error('no plan');
      return { ...rest, plan: { ...plan, spec: { ...plan.spec, nodeClaimsToAdd: [added] } } };
    };
  const ask = (added: typeof honest): Promise<unknown> =>
    verified(plannerOf(added), { source: 'claim', refusals, log })(REQUEST, 1000, signal).catch(
      (thrown: unknown) => thrown,
    );
  t.notOk((await ask(honest)) instanceof PlanRefused, 'one that stays within it passes');
  for (const [field, added] of Object.entries(asked)) {
    const error = await ask(added);
    t.ok(error instanceof PlanRefused, field);
    t.match(error, { faults: [{ rule: 'BeyondNodePool' }] });
    t.ok(String(error).includes(field), String(error));
  }
});
