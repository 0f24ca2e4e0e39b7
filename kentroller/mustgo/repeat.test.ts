import { Registry } from 'prom-client';
import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { counter } from '../../kube/component/metrics.ts';
import { until } from '../../kube/testing/until.ts';
import { repeatRounds } from './repeat.ts';
import { NOTHING, type RoundOptions } from './round.ts';

/** What one look tells the next. */

t.test(
  'what the planner refused is known to the next look, which comes soon, until settings change',
  async (t) => {
    const stopping = new AbortController();
    const looks: string[] = [];
    let settings = 'a';
    const o = {
      caches: { nodes: { get: () => undefined }, plans: { get: () => undefined } },
      log: createLogger({ component: 'repeat-test', level: 'silent' }),
      clock: { now: Date.now },
      signal: stopping.signal,
    } as unknown as RoundOptions;
    const left = [{ name: 'stuck', reasons: ['no place'] }];
    const running = repeatRounds(o, {
      maker: 'test',
      total: counter(new Registry(), 'test_total', 'For a test', ['result']),
      settings: () => settings,
      blocked: 'It stays',
      look: async (refusals) => {
        looks.push([...refusals.keys()].join());
        if (looks.length === 2) settings = 'b';
        return looks.length === 1 ? { ...NOTHING, left, refused: ['claim-stuck'] } : NOTHING;
      },
    });
    const isEnough = (): boolean => {
      if (looks.length < 3) throw new Error(`${looks.length} looks so far`);
      return true;
    };
    await until('three looks', isEnough, { timeoutMs: 50_000, everyMs: 100 });
    stopping.abort();
    await running;
    t.same(looks.slice(0, 3), ['', 'claim-stuck', '']);
  },
);
