import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { IN_USE_BY, LOCKED_BY } from '../../api/labels.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { KubeError } from '../../kube/errors.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { DELETE, SAVINGS } from '../testing/decisions.ts';
import { Process } from '../testing/process.ts';

/** Statuses of plans that the API server refuses, such as by a CRD of an earlier release. */

t.test('a plan whose status is refused says so, ends, and gives back what it has', async (t) => {
  const api = new MemoryApi({ now: () => make.NOW });
  const { metadata, spec, status } = make.plan(DELETE, { savings: SAVINGS }, 'NodesCreated');
  const { uid = '' } = api.create(REBALANCE_PLANS, { metadata, spec }).metadata;
  api.edit(REBALANCE_PLANS, { name: 'plan' }, (plan) => ({ ...plan, ...(status && { status }) }));
  const mark = `plan/${uid}`;
  const claim = make.nodeClaim('blue', { annotations: { [IN_USE_BY]: mark } });
  api.create(NODE_CLAIMS, claim);
  api.edit(NODE_CLAIMS, { name: 'blue' }, (found) => ({
    ...found,
    ...(claim.status && { status: claim.status }),
  }));
  const locked = make.locked('blue');
  api.create(NODES, {
    ...locked,
    metadata: { ...locked.metadata, annotations: { ...locked.metadata.annotations, [LOCKED_BY]: mark } },
  });
  const process = new Process(
    api,
    () => make.NOW,
    ({ verb, resource, body }) => {
      const isPlan = verb === 'replace' && resource.kind === 'RebalancePlan';
      if (isPlan && JSON.stringify(body).includes('validatedSavings'))
        throw new KubeError('priceHourly should match', { kind: 'terminal', status: 422 });
    },
  );
  for (let pass = 0; pass < 40; pass += 1) {
    for (const begin of process.reconciles(['plan'], ['blue'])) begin();
    await setImmediate();
    while (process.requests.length > 0) {
      process.requests.shift()?.();
      await setImmediate();
    }
    for (let each = process.deliveries(); each.length > 0; each = process.deliveries()) each[0]?.();
  }
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
