import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import type { Action } from '../../kube/controller/controller.ts';
import { ConsolidationWorld, consolidationOver } from '../testing/consolidationworld.ts';
import { memoryCaches } from '../testing/memorycaches.ts';
import { Turns } from './turns.ts';

/** Deletions go one at a time; those that wait hold no worker, which may have to give a node back to its pods. */

const NEVER = new AbortController().signal;
const NAMES = Array.from({ length: 12 }, (_, index) => `node-m${index}`);
const later = (afterMs: number): number => afterMs;

t.test('while a deletion waits for its API server, others are told to come again', async (t) => {
  const world = new ConsolidationWorld();
  world.pool();
  for (const name of NAMES) world.machine(name.replace('node-', ''));
  const { caches, lagging } = memoryCaches(world.api);
  const { promise: stuck, resolve: goOn } = Promise.withResolvers<void>();
  let isStuck = false;
  let deletions = 0;
  const controller = consolidationOver(world, {
    caches,
    log: createLogger({ component: 'turns', level: 'silent' }),
    intercept: async ({ verb, resource }, serve) => {
      if (verb === 'delete' && resource.kind === 'NodeClaim') {
        deletions += 1;
        isStuck = true;
        await stuck;
      }
      return serve();
    },
  });
  const open: Promise<Action>[] = [];
  /** A look at each node that is not stuck; returns those that got no answer within two seconds. */
  const round = async (names: readonly string[]): Promise<readonly string[]> => {
    for (const cache of lagging) cache.deliver(cache.pending);
    const hung: string[] = [];
    for (const name of names) {
      const looked = controller.reconcile(name, NEVER);
      open.push(looked);
      const { promise: late, resolve } = Promise.withResolvers<'late'>();
      const timer = setTimeout(() => resolve('late'), 2_000);
      if ((await Promise.race([looked, late])) === 'late') hung.push(name);
      clearTimeout(timer);
    }
    world.now += 5_000;
    return hung;
  };
  let hung: readonly string[] = [];
  for (let n = 0; n < 20 && !isStuck; n += 1) hung = await round(NAMES);
  t.equal(isStuck, true, 'a deletion is under way');
  t.equal(hung.length, 1, `only its own look waits for it, not ${hung}`);
  const others = NAMES.filter((name) => !hung.includes(name));
  for (let n = 0; n < 4; n += 1) t.same(await round(others), []);
  t.equal(deletions, 1);
  goOn();
  await Promise.all(open);
  for (let n = 0; n < 20; n += 1) await round(others);
  t.ok(
    NAMES.every((name) => world.isDeleting(name.replace('node-', ''))),
    `${deletions} deletions`,
  );
});

t.test('the more wait the later they come again, and never later than ten seconds', async (t) => {
  const turns = new Turns();
  const { promise, resolve } = Promise.withResolvers<number>();
  const first = turns.take('a', () => promise, later);
  t.equal(await turns.take('b', async () => 0, later), 100);
  t.equal(await turns.take('b', async () => 0, later), 100, 'who asks again waits once');
  t.equal(await turns.take('c', async () => 0, later), 200);
  turns.leave('b');
  t.equal(await turns.take('c', async () => 0, later), 100);
  for (let n = 0; n < 500; n += 1) await turns.take(`n${n}`, async () => 0, later);
  t.equal(await turns.take('z', async () => 0, later), 10_000);
  resolve(-1);
  t.equal(await first, -1);
  t.equal(await turns.take('b', async () => 0, later), 0, 'then it is the next one');
});

t.test('work that fails gives its turn on', async (t) => {
  const turns = new Turns();
  await t.rejects(
    turns.take<number>('a', () => Promise.reject(new Error('no')), later),
    /no/,
  );
  t.equal(await turns.take('b', async () => 0, later), 0);
});
