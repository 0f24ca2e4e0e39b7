import t from 'tap';
import type { RebalanceMigrationPlanStatus } from '../../../api/kinds/rebalancemigrationplan.ts';
import { request, states } from '../../testing/migrations.ts';
import { progressOf } from './livemigrationprogress.ts';

/** Progress that a provider reports. */

t.test('the state of a pod counts before the phase of the request', async (t) => {
  const of = (status?: RebalanceMigrationPlanStatus) => progressOf(request(['a', 'b'], status));
  t.same(of(), { answered: false, completed: [], failed: [], open: ['shop/a', 'shop/b'] });
  t.same(of({ phase: 'Pending' }), {
    answered: true,
    completed: [],
    failed: [],
    open: ['shop/a', 'shop/b'],
  });
  t.same(of(states({ a: 'Completed', 'shop/b': 'Failed' }, 'Running')), {
    answered: true,
    completed: ['shop/a'],
    failed: ['shop/b'],
    open: [],
  });
  t.same(of(states({ a: 'Completed' }, 'Failed')).failed, ['shop/b']);
  t.same(of(states({ a: 'Failed', b: 'Running' }, 'Succeeded')).completed, ['shop/b']);
});
