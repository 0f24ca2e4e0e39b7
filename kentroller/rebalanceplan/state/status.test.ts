import t from 'tap';
import type { RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import { isAddedNodeReady } from '../../../api/plans.ts';
import * as make from '../../testing/builders.ts';
import {
  addWarning,
  attemptsOf,
  deletionEventsOf,
  hasWarned,
  hasWarnedOf,
  recordAttempt,
  recordDeletion,
  STATUS_ENDS,
} from './status.ts';

const NAMES = ['constructor', ...Object.getOwnPropertyNames(Object.prototype)];

t.test('a planned node of any name has the attempts of its own', async (t) => {
  const plan = { ...make.plan(), status: { nodesCreation: {}, nodesDeletion: {} } };
  for (const name of NAMES) {
    t.same(attemptsOf(plan, name), [], name);
    t.same(deletionEventsOf(plan, name), [], name);
    t.notOk(isAddedNodeReady(plan, name), name);
    const attempt = { planned: name, claimName: 'c', instanceType: 'm', capacityType: 'spot', zone: 'a' };
    const status = recordAttempt(attempt as never, 'Success', '', make.NOW)(plan.status);
    t.ok(isAddedNodeReady({ ...plan, status }, name), name);
  }
});

t.test('a drain that goes on and on keeps its first events and the state that it is in', async (t) => {
  let status: RebalancePlanStatus = {};
  for (let n = 0; n < 300; n += 1) status = recordDeletion('blue', 'InProgress', `${n}`, make.NOW)(status);
  const events = status.nodesDeletion?.blue?.events ?? [];
  t.equal(events.length, STATUS_ENDS.events);
  t.equal(events[0]?.description, '0');
  t.equal(events.at(-1)?.description, '299');
});

t.test('a warning and an event longer than fits are written once', async (t) => {
  const long = 'x'.repeat(10_000);
  const both = (s: RebalancePlanStatus) =>
    recordDeletion('blue', 'Failed', long, make.NOW)(addWarning(long)(s));
  const once = both({});
  t.same(both(once), once);
});

t.test('fault: a plan with more warnings than fit waits for none of them to be written', async (t) => {
  let status: RebalancePlanStatus = {};
  for (let n = 0; n < 2_000; n += 1) status = addWarning(`Pod shop/web-${n} stays`)(status);
  const plan = { ...make.plan(), status };
  t.equal(status.warnings?.length, STATUS_ENDS.warnings);
  t.match(status.warnings?.at(-1)?.description, /^More warnings were left out/);
  t.ok(hasWarned(plan, 'Pod shop/web-1999 stays'), 'so the plan goes on');
  t.ok(hasWarnedOf(plan, 'Pod shop/web-1999'));
  t.same(addWarning('another one')(status), status);
});
