import { Registry } from 'prom-client';
import t from 'tap';
import { EVICTOR_CONFIG } from '../../api/kinds/evictorconfig.ts';
import { EVICTOR_CONFIGS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { KubeError } from '../../kube/errors.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { until } from '../../kube/testing/until.ts';
import type { Caches } from '../caches.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { evictorMetrics } from './metrics.ts';
import { type EvictorOptions, evictContinuously } from './run.ts';

/** The status of an EvictorConfig that the API server refuses: cycles go on, and it is told once. */

const none = { list: () => [], get: () => undefined, by: () => [] };
const CYCLES = 4;

for (const status of [413, 403]) {
  t.test(`a status refused with ${status} is told once and not tried at every cycle`, async (t) => {
    const stopping = new AbortController();
    const lines: string[] = [];
    const said = (_: object, message: string) => void lines.push(message);
    const log = { warn: said, info: () => {}, child: () => log } as unknown as Logger;
    let tries = 0;
    let cycles = 0;
    const configs = new FakeCache(EVICTOR_CONFIGS);
    configs.put({
      metadata: { name: EVICTOR_CONFIG, uid: 'u' },
      spec: { enabled: false, cycleInterval: '1s' },
    });
    // Time goes by in steps that are longer than a cycle and together shorter than a minute.
    const clock = { at: Date.parse('2026-11-30T12:00:00Z'), now: () => clock.at };
    const options = {
      client: {
        list: async () => ({ items: [] }),
        patch: async () => {
          tries += 1;
          throw new KubeError('no', { kind: status === 403 ? 'forbidden' : 'terminal', status });
        },
      } as unknown as KubeClient,
      caches: Object.fromEntries(CACHE_NAMES.map((name) => [name, none])) as unknown as Caches,
      configs,
      features: () => ({}),
      isEnabled: () => true,
      record: {
        note: () => {},
        did: () => {},
        forget: () => {
          cycles += 1;
          clock.at += 5_000;
        },
      },
      recorder: { event: () => {}, flush: async () => {} },
      metrics: evictorMetrics(new Registry()),
      audit: { note: () => {} },
      log,
      clock,
      signal: stopping.signal,
    } as unknown as EvictorOptions;
    const ended = evictContinuously(options);
    await until('some cycles', () => cycles >= CYCLES, { timeoutMs: 30_000, everyMs: 20 });
    stopping.abort();
    await ended;
    t.equal(tries, 1);
    t.same(lines, ['the status of the EvictorConfig is refused']);
  });
}
