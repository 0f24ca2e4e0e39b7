import t from 'tap';
import { paced } from '../../kube/testing/pace.ts';
import { until } from '../../kube/testing/until.ts';
import { allRecords } from '../ground/record.ts';
import { endsBy, startMake } from './endingscene.ts';

/** What is told to end leaves nothing behind, wherever it is: a run of tests, a cluster that comes up, the demo. */

const skip =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'network namespaces need root on Linux';
/** Files on the shared ground that take minutes, and one that brings up a ground of its own meanwhile. */
const TESTS = [
  'e2e',
  'FILES=^(e2e/pinner/(keeper|match|quota|hold|refusing)|e2e/kentroller/report)\\.test\\.ts$',
];

t.setTimeout(paced(900_000));

t.test('Ctrl-C while clusters come up', { skip }, async (t) => {
  const run = startMake(t, TESTS);
  await until('a ground has begun', () => allRecords(run.root).length > 0, {
    timeoutMs: 300_000,
    signal: run.over,
  });
  // A terminal sends it to the whole group.
  await endsBy(t, run, 'SIGINT', -(run.child.pid ?? 0));
});

t.test('SIGTERM while files run on two clusters', { skip }, async (t) => {
  const run = startMake(t, TESTS);
  const areReady = () => allRecords(run.root).filter((record) => record.isReady).length === 2;
  await until('both grounds are up', areReady, { timeoutMs: 600_000, everyMs: 50, signal: run.over });
  await endsBy(t, run, 'SIGTERM', run.child.pid ?? 0);
});

for (const command of ['up', 'demo']) {
  t.test(`Ctrl-C of make ${command}`, { skip }, async (t) => {
    const run = startMake(t, [command], { GROUND: 'modules' });
    await until('the ground has begun', () => allRecords(run.root).length > 0, {
      timeoutMs: 300_000,
      signal: run.over,
    });
    await endsBy(t, run, 'SIGINT', -(run.child.pid ?? 0));
  });
}
