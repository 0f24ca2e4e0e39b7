import { Registry } from 'prom-client';
import t from 'tap';
import { PODS } from '../../api/resources.ts';
import { createLogger } from '../../kube/component/log.ts';
import { ConsolidationWorld } from '../testing/consolidationworld.ts';
import { memoryCaches } from '../testing/memorycaches.ts';
import { createExpiryWarningController, noticeTime } from './expirywarning.ts';

const HOUR = 3_600_000;
const NEVER = new AbortController().signal;
const DO_NOT_DISRUPT = { 'karpenter.sh/do-not-disrupt': 'true' };

const scene = () => {
  const world = new ConsolidationWorld();
  world.pool();
  const { claim } = world.machine('old', { expireAfter: '720h' });
  world.machine('short', { expireAfter: '10h' });
  world.machine('eternal');
  return { world, claim };
};

/** What is said about the nodes at a time after their creation, and when each is looked at again. */
const lookAt = async (world: ConsolidationWorld, afterMs: number) => {
  const { caches } = memoryCaches(world.api);
  const metrics = new Registry();
  const events: string[] = [];
  const now = world.now + afterMs;
  const controller = createExpiryWarningController({
    caches,
    noticeMs: 24 * HOUR,
    recorder: {
      event: (_, about, type, reason, message) =>
        void events.push(`${type} ${about.metadata.name} ${reason}: ${message}`),
      flush: async () => {},
    },
    log: createLogger({ component: 'expiry-test', level: 'silent' }),
    clock: { now: () => now },
    metrics,
  });
  const actions = new Map<string, unknown>();
  for (const name of ['node-old', 'node-short', 'node-eternal'])
    actions.set(name, await controller.reconcile(name, NEVER));
  return { events, actions, metrics: await metrics.metrics() };
};

t.test(
  'a node whose pods can not be evicted is told so a day before it expires, and not earlier',
  async (t) => {
    const { world } = scene();
    world.pod('free', { spec: { nodeName: 'node-old' } });
    const pod = world.pod('kept', { spec: { nodeName: 'node-old' } });
    world.api.patch(
      PODS,
      { name: pod.metadata.name, namespace: 'shop' },
      { metadata: { annotations: DO_NOT_DISRUPT } },
    );
    t.same((await lookAt(world, 4 * HOUR)).events, []);
    t.same((await lookAt(world, 695 * HOUR)).events, []);
    const { events, actions, metrics } = await lookAt(world, 697 * HOUR);
    t.match(events, [
      /^Warning node-old ExpiryBlocked: It expires at 2026-12-22T12:00:00.000Z.*shop\/kept is marked/,
    ]);
    t.equal(events.length, 1);
    t.match(metrics, /kentroller_expiring_nodes\{blocked="true"\} 1/);
    t.match(metrics, /kentroller_expiring_nodes\{blocked="false"\} 1/, 'the one that lives for ten hours');
    t.match(actions.get('node-old'), { kind: 'requeue', afterMs: HOUR });
    t.match(actions.get('node-eternal'), { kind: 'await-change' });
  },
);

t.test('a mark on the node alone is no reason to tell: expiry does not heed it', async (t) => {
  const world = new ConsolidationWorld();
  world.pool();
  world.machine('old', { expireAfter: '720h', node: { metadata: { annotations: DO_NOT_DISRUPT } } });
  t.same((await lookAt(world, 697 * HOUR)).events, []);
});

t.test('a node that lives for less than two days is looked at from half of its life on', async (t) => {
  const { claim, world } = scene();
  t.equal(noticeTime(claim, 24 * HOUR), world.now + 696 * HOUR);
  const short = { ...claim, spec: { ...claim.spec, expireAfter: '10h' } };
  t.equal(noticeTime(short, 24 * HOUR), world.now + 5 * HOUR);
  t.equal(noticeTime({ ...claim, spec: { ...claim.spec, expireAfter: 'Never' } }, HOUR), undefined);
});
