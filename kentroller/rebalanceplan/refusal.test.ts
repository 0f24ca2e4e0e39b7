import t from 'tap';
import { KubeError } from '../../kube/errors.ts';
import { NOW } from '../testing/builders.ts';
import { withRefusal } from './refusal.ts';

const refusal = (kind: 'terminal' | 'forbidden' | 'conflict') => new KubeError('no such field', { kind });

t.test('a write that the API server refuses is told on the plan, and so is its end', async (t) => {
  for (const kind of ['terminal', 'forbidden'] as const) {
    const refused = withRefusal({ state: 'Running' }, [refusal('conflict'), refusal(kind)], NOW);
    t.match(refused, {
      state: 'Running',
      conditions: [
        { type: 'WritesAccepted', status: 'False', reason: 'WriteRefused', message: /no such field/ },
      ],
    });
    t.match(withRefusal(refused, [], NOW + 1), { conditions: [{ type: 'WritesAccepted', status: 'True' }] });
    t.equal(withRefusal(refused, [refusal('conflict')], NOW + 1), refused, 'as long as other writes fail');
  }
});

t.test('errors that pass by themselves are not told', async (t) => {
  const status = { state: 'Running' as const };
  t.equal(withRefusal(status, [refusal('conflict'), new Error('cut')], NOW), status);
  t.equal(withRefusal(status, [], NOW), status);
});
