import t from 'tap';
import { IN_USE_BY, LOCKED_BY } from '../../api/labels.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { KubeError } from '../../kube/errors.ts';
import * as make from '../testing/builders.ts';
import { DELETE, SAVINGS } from '../testing/decisions.ts';
import { passes, planScene } from '../testing/planscene.ts';
import { Process } from '../testing/process.ts';

/** Statuses of plans that the API server refuses, such as by a CRD of an earlier release. */

t.test('a plan whose status is refused says so, ends, and gives back what it has', async (t) => {
  const plan = make.plan(DELETE, { savings: SAVINGS }, 'NodesCreated');
  const api = planScene(plan, make.locked('blue'), [LOCKED_BY]);
  const process = new Process(
    api,
    () => make.NOW,
    ({ verb, resource, body }) => {
      const isPlan = verb === 'replace' && resource.kind === 'RebalancePlan';
      if (isPlan && JSON.stringify(body).includes('validatedSavings'))
        throw new KubeError('priceHourly should match', { kind: 'terminal', status: 422 });
    },
  );
  await passes(process, { plans: ['plan'], claims: ['blue'], times: 40 });
  const ended = api.get(REBALANCE_PLANS, { name: 'plan' });
  t.match(ended.status, { state: 'Failed', failureReason: 'FailureReasonStatusRefused' });
  t.match(ended.status?.failureMessage, /priceHourly should match/);
  t.ok(
    ended.status?.conditions?.some(({ type }) => type === 'WritesAccepted'),
    'the refusal was told',
  );
  t.same(ended.metadata.finalizers ?? [], []);
  t.equal(api.get(NODES, { name: 'node-blue' }).metadata.annotations?.[LOCKED_BY], undefined);
  t.equal(api.get(NODE_CLAIMS, { name: 'blue' }).metadata.annotations?.[IN_USE_BY], undefined);
});
