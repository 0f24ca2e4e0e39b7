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
