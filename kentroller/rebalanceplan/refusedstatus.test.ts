import t from 'tap';
import { IN_USE_BY, LOCKED_BY } from '../../api/labels.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { KubeError } from '../../kube/errors.ts';
import * as make from '../testing/builders.ts';
import { DELETE, SAVINGS } from '../testing/decisions.ts';
import { passes, planScene } from '../testing/planscene.ts';
import { Process } from '../testing/process.ts';

/** Statuses of plans that the API server refuses, such as by a CRD of an earlier release. */

/** A plan that is about to record its savings, on a server that refuses that for as long as it is told to. */
const scene = (error: Error, isRefused = () => true) => {
  const plan = make.plan(DELETE, { savings: SAVINGS }, 'NodesCreated');
  const api = planScene(plan, make.locked('blue'), [LOCKED_BY]);
  let refusals = 0;
  const process = new Process(
    api,
    () => make.NOW,
    ({ verb, resource, body }) => {
      const isPlan = verb === 'replace' && resource.kind === 'RebalancePlan';
      if (!isPlan || !JSON.stringify(body).includes('validatedSavings') || !isRefused()) return;
      refusals += 1;
      throw error;
    },
  );
  return { api, process, refusals: () => refusals };
};

for (const status of [422, 413]) {
  t.test(
    `a plan whose status is refused with ${status} says so, ends, and gives back what it has`,
    async (t) => {
      const error = new KubeError('priceHourly should match', { kind: 'terminal', status });
      const { api, process, refusals } = scene(error);
      await passes(process, { plans: ['plan'], claims: ['blue'], times: 40 });
      const ended = api.get(REBALANCE_PLANS, { name: 'plan' });
      t.match(ended.status, { state: 'Failed', failureReason: 'FailureReasonStatusRefused' });
      t.match(ended.status?.failureMessage, /priceHourly should match/);
      t.ok(
        ended.status?.conditions?.some(({ type }) => type === 'WritesAccepted'),
        'the refusal was told',
      );
      t.equal(refusals(), 1, 'and what was refused is not tried again');
      t.same(ended.metadata.finalizers ?? [], []);
      t.equal(api.get(NODES, { name: 'node-blue' }).metadata.annotations?.[LOCKED_BY], undefined);
      t.equal(api.get(NODE_CLAIMS, { name: 'blue' }).metadata.annotations?.[IN_USE_BY], undefined);
    },
  );
}

t.test(
  'a plan whose status may not be written waits for the right, does nothing twice, and goes on',
  async (t) => {
    let mayWrite = false;
    const error = new KubeError('no right', { kind: 'forbidden', status: 403 });
    const { api, process, refusals } = scene(error, () => !mayWrite);
    const keys = { plans: ['plan'], claims: ['blue'] };
    const before = api.get(REBALANCE_PLANS, { name: 'plan' }).status;
    await passes(process, { ...keys, times: 10 });
    t.equal(refusals(), 10, 'each pass is one try; the work queue keeps them apart');
    t.same(
      api.get(REBALANCE_PLANS, { name: 'plan' }).status,
      before,
      'what it can not record it does not go past',
    );
    t.equal(api.get(NODES, { name: 'node-blue' }).spec?.unschedulable, undefined, 'so no node is emptied');
    mayWrite = true;
    await passes(process, { ...keys, times: 3 });
    const { status } = api.get(REBALANCE_PLANS, { name: 'plan' });
    t.equal(status?.failureReason, undefined);
    t.ok(status?.conditions?.some(({ type }) => type === 'SavingsValidated'));
  },
);
