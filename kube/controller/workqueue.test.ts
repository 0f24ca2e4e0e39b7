import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { WorkQueue } from './workqueue.ts';

t.test('a key added several times before it is taken is returned once', async (t) => {
  const queue = new WorkQueue();
  for (let i = 0; i < 3; i++) queue.add('a');
  queue.add('b');
  t.equal(await queue.get(), 'a');
  t.equal(await queue.get(), 'b');
  t.equal(queue.depth, 0);
});

t.test('a key added during its work comes again when that is done, and not before', async (t) => {
  const queue = new WorkQueue();
  queue.add('a');
  await queue.get();
  queue.add('a');
  t.equal(queue.depth, 0);
  const next = queue.get();
  queue.done('a');
  t.equal(await next, 'a');
});

t.test('a worker that waits gets the key that is added', async (t) => {
  const queue = new WorkQueue();
  const waiting = queue.get();
  queue.add('a');
  t.equal(await waiting, 'a');
});

t.test('an aborted signal ends the wait of one worker only', async (t) => {
  const queue = new WorkQueue();
  const stop = new AbortController();
  const one = queue.get(stop.signal);
  const other = queue.get();
  stop.abort();
  t.equal(await one, undefined);
  queue.add('a');
  t.equal(await other, 'a');
});

t.test('of two delays for one key the shorter counts', async (t) => {
  const queue = new WorkQueue();
  const since = performance.now();
  queue.addAfter('a', 60_000);
  queue.addAfter('a', 20);
  queue.addAfter('a', 40_000);
  t.equal(await queue.get(), 'a');
  t.ok(performance.now() - since < 10_000);
  queue.shutDown();
});

t.test('a key that fails again and again waits longer each time, until it is forgotten', async (t) => {
  const queue = new WorkQueue({ baseDelayMs: 10, maxDelayMs: 50 });
  const waits: number[] = [];
  for (let i = 0; i < 5; i++) {
    const since = performance.now();
    queue.addRateLimited('a');
    await queue.get();
    waits.push(performance.now() - since);
    queue.done('a');
  }
  for (const [i, least] of [10, 20, 40, 50, 50].entries())
    t.ok((waits[i] ?? 0) >= least - 1.5, `${waits[i]} ms`);
  t.equal(queue.failures('a'), 5);
  queue.forget('a');
  t.equal(queue.failures('a'), 0);
});

t.test('many keys that fail at once are limited to the overall rate', async (t) => {
  const queue = new WorkQueue({ baseDelayMs: 1, qps: 100, burst: 5 });
  const since = performance.now();
  for (let i = 0; i < 15; i++) queue.addRateLimited(`k${i}`);
  for (let i = 0; i < 15; i++) await queue.get();
  t.ok(performance.now() - since >= 95, 'ten beyond the burst at a hundred a second');
});

t.test('an aborted signal hands out nothing, though keys wait', async (t) => {
  const queue = new WorkQueue();
  queue.add('a');
  t.equal(await queue.get(AbortSignal.abort()), undefined);
  t.equal(await queue.get(), 'a');
});

t.test('after shutDown waiting keys are still returned, and no new ones accepted', async (t) => {
  const queue = new WorkQueue();
  queue.add('a');
  queue.shutDown();
  queue.add('b');
  t.equal(await queue.get(), 'a');
  t.equal(await queue.get(), undefined);
});

t.test('drain resolves when the keys under work are done, and drops the others', async (t) => {
  const queue = new WorkQueue();
  queue.add('a');
  queue.add('b');
  await queue.get();
  let isDrained = false;
  const draining = queue.drain().then(() => {
    isDrained = true;
  });
  await turn();
  t.equal(isDrained, false);
  queue.done('a');
  await draining;
  t.equal(await queue.get(), undefined);
});

t.test('no key is lost, and none is held by two workers, whatever the order of calls', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), pause: fc.boolean() }), {
        maxLength: 60,
      }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, workers) => {
        const queue = new WorkQueue();
        const held = new Set<string>();
        const version = new Map<string, number>();
        const seen = new Map<string, number>();
        const work = async (): Promise<void> => {
          for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
            if (held.has(key)) throw new Error(`${key} is held twice`);
            held.add(key);
            seen.set(key, version.get(key) ?? 0);
            await turn();
            held.delete(key);
            queue.done(key);
          }
        };
        const all = Array.from({ length: workers }, work);
        for (const { key, pause } of steps) {
          version.set(key, (version.get(key) ?? 0) + 1);
          queue.add(key);
          if (pause) await turn();
        }
        while (queue.depth > 0 || held.size > 0) await turn();
        queue.shutDown();
        await Promise.all(all);
        for (const [key, last] of version)
          if (seen.get(key) !== last) throw new Error(`${key} was not seen at its last`);
      },
    ),
    { numRuns: 100 },
  );
  t.pass();
  await sleep(0);
});
