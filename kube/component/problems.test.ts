import { Registry } from 'prom-client';
import t from 'tap';
import { createLogger } from './log.ts';
import { countProblems } from './metrics.ts';

t.test('a warning that nobody reads is counted by its message', async (t) => {
  const registry = new Registry();
  const log = createLogger({ component: 'x', to: { write: () => {} }, onProblem: countProblems(registry) });
  log.info({ pod: 'a' }, 'pod pinned');
  log.warn({ reason: 'one' }, 'could not read');
  log.child({ part: 'y' }).warn({ reason: 'two' }, 'could not read');
  log.error('reconcile failed');
  const { values } = (await registry.getSingleMetric('log_problems_total')?.get()) ?? { values: [] };
  t.strictSame(
    values.map(({ labels, value }) => [labels.level, labels.message, value]),
    [
      ['warn', 'could not read', 2],
      ['error', 'reconcile failed', 1],
    ],
  );
});

t.test('below the level of the log nothing is counted, and nothing is written', async (t) => {
  const counted: string[] = [];
  const log = createLogger({
    component: 'x',
    level: 'error',
    to: { write: () => {} },
    onProblem: (_, message) => counted.push(message),
  });
  log.warn('unread');
  t.strictSame(counted, []);
});
