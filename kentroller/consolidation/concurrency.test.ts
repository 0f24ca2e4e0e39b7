import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { runControllers } from '../../kube/controller/controller.ts';
import { until } from '../../kube/testing/until.ts';
import { options } from '../options.ts';
import { ConsolidationWorld, consolidationOver } from '../testing/consolidationworld.ts';
import { memoryCaches } from '../testing/memorycaches.ts';
import { NAME } from './controller.ts';

/** NODE_CONSOLIDATION_MAX_CONCURRENT_RECONCILES and the name in the log: seed 003, node consolidation. */

const MACHINES = 25;
const SOON = { timeoutMs: 120_000, everyMs: 5 };

/** Runs the controller over empty machines on a server whose answers wait, and counts who waits. */
const start = (
  t: { teardown(fn: () => Promise<void>): void },
  concurrency: number,
  disruption: object = {},
) => {
  const world = new ConsolidationWorld();
  world.pool(disruption);
  for (let n = 0; n < MACHINES; n += 1) world.machine(`m${n}`);
  const { caches } = memoryCaches(world.api);
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    component: 'castai-kentroller',
    level: 'debug',
    to: { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const held = Promise.withResolvers<void>();
  const inside = new Set<string>();
  let most = 0;
  const controller = consolidationOver(world, { caches, log });
  const stopping = new AbortController();
  const running = runControllers({
    controllers: [
      {
        ...controller,
        reconcile: async (key, signal) => {
          inside.add(key);
          most = Math.max(most, inside.size);
          await held.promise;
          try {
            return await controller.reconcile(key, signal);
          } finally {
            inside.delete(key);
          }
        },
      },
    ],
    concurrency: () => concurrency,
    signal: stopping.signal,
    log,
  });
  t.teardown(async () => {
    held.resolve();
    stopping.abort();
    await running;
  });
  return { lines, inside, most: () => most, release: () => held.resolve() };
};

t.test('by default ten reconciles run at once, and no eleventh', async (t) => {
  const concurrency = options.shape.nodeConsolidationMaxConcurrentReconciles.parse(undefined);
  t.equal(concurrency, 10);
  const run = start(t, concurrency);
  await until('ten reconciles under way', () => run.inside.size === 10, SOON);
  run.release();
  await until('all are looked at', () => run.inside.size === 0, SOON);
  t.equal(run.most(), 10);
});

t.test('what it does is logged under its name', async (t) => {
  t.equal(NAME, 'empty-node-deleter');
  const run = start(t, 1, { budgets: [{ nodes: '0' }] });
  run.release();
  const line = await until(
    'a line of a node',
    () => run.lines.find(({ controller, node }) => controller === NAME && node !== undefined),
    SOON,
  );
  t.match(line, { component: 'castai-kentroller', controller: 'empty-node-deleter' });
  t.equal(run.most(), 1);
});
