import t from 'tap';
import { NODES } from '../../api/resources.ts';
import { createLogger } from '../component/log.ts';
import { MemoryApi, typed } from '../testing/memory/api.ts';
import { LaggingCache } from '../testing/memory/laggingcache.ts';
import { awaitChange, runControllers, watches } from './controller.ts';

t.test('a flood of keys that await no I/O does not starve timers and requests', async (t) => {
  const KEYS = 200;
  const api = new MemoryApi({ now: () => 0 });
  for (let i = 0; i < KEYS; i += 1) api.create(NODES, typed(NODES, { metadata: { name: `n-${i}` } }));
  const cache = new LaggingCache(api, NODES, {});
  const stop = new AbortController();
  let turn = 0;
  const turns: number[] = [];
  const count = (): void => {
    turn += 1;
    if (!stop.signal.aborted) setImmediate(count);
  };
  setImmediate(count);
  await runControllers({
    controllers: [
      {
        name: 'busy',
        sources: [watches(cache, ({ metadata }) => [metadata.name])],
        reconcile: async () => {
          turns.push(turn);
          if (turns.length === KEYS) stop.abort();
          return awaitChange;
        },
      },
    ],
    concurrency: 10,
    signal: stop.signal,
    log: createLogger({ component: 'turns', level: 'silent' }),
  });
  t.equal(turns.length, KEYS);
  t.equal(new Set(turns).size, KEYS, `${KEYS} keys were reconciled in ${new Set(turns).size} turns`);
});
