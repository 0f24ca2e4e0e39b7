import t from 'tap';
import { isAddedNodeReady } from '../../../api/plans.ts';
import * as make from '../../testing/builders.ts';
import { attemptsOf, deletionEventsOf, recordAttempt } from './status.ts';

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
