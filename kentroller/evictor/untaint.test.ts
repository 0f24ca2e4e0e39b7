import { Registry } from 'prom-client';
import t from 'tap';
import { EVICTED_TAINT } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { KubeError } from '../../kube/errors.ts';
import { until } from '../../kube/testing/until.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import type { Caches } from '../caches.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { evictorMetrics } from './metrics.ts';
import { evictContinuously } from './run.ts';

/** Soft taints of drains that failed long ago. */

const TEAM = { key: 'team', value: 'a', effect: 'NoSchedule' as const };
const tainted = (name: string): Node =>
  makeNode(name, { taints: [TEAM, { key: EVICTED_TAINT, effect: 'PreferNoSchedule' }] }).node;

t.test('a node whose write is refused keeps no other node tainted, and no search has to end', async (t) => {
  const nodes = new Map(['refused', 'other'].map((name) => [name, tainted(name)]));
  const list = () => [...nodes.values()];
  const none = { list: () => [], get: () => undefined, by: () => [] };
  const patched: (readonly [string, object])[] = [];
  const stopping = new AbortController();
  const running = evictContinuously({
    client: {
      get: async (_: unknown, { name }: { name: string }) => nodes.get(name),
      patch: async (_: unknown, { name }: { name: string }, body: { spec: object }) => {
        if (name === 'refused')
          throw new KubeError('a policy refuses it', { kind: 'forbidden', status: 403 });
        patched.push([name, body.spec]);
      },
      list: async () => ({ items: [] }),
    } as unknown as KubeClient,
    caches: {
      ...Object.fromEntries(CACHE_NAMES.map((name) => [name, none])),
      nodes: { list, get: (name: string) => nodes.get(name), by: () => [] },
    } as unknown as Caches,
    configs: { get: () => undefined, hasSynced: true, absence: undefined },
    features: () => ({ evictor: { enabled: true, cycleInterval: '24h' } }),
    isEnabled: () => true,
    // A search that never ends.
    catalogue: () => new Promise(() => {}),
    planning: () => new Promise(() => {}),
    timeBudgetMs: () => 1_000,
    surgeByDefault: false,
    recorder: { event: () => {}, flush: async () => {} },
    metrics: evictorMetrics(new Registry()),
    audit: { note: () => {} },
    log: createLogger({ component: 'test', level: 'silent' }),
    clock: { now: Date.now },
    signal: stopping.signal,
  });
  t.teardown(() => stopping.abort());
  await until('a node has lost the taint', () => patched.length > 0, { timeoutMs: 60_000, everyMs: 10 });
  t.same(patched[0], ['other', { taints: [TEAM] }]);
  void running;
});
