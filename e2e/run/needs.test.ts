import t from 'tap';
import { lackOf } from './needs.ts';

t.test('a suite is skipped on kind for what kind lacks, with the reason, and nowhere else', async (t) => {
  t.equal(lackOf('modules', ['processes of the control plane']), false);
  t.equal(lackOf('kind', []), false);
  t.match(lackOf('kind', ['processes of the control plane']), /^on kind: kind's control plane is no process/);
});
