import t from 'tap';
import type { KubeClient } from '../../kube/client/client.ts';
import { KubeError } from '../../kube/errors.ts';
import * as make from '../testing/builders.ts';
import { apply, LEFT, type Writer } from './apply.ts';
import type { Step } from './state/step.ts';

/** Evictions that were decided, at the moment that their turn comes. */

const EVICTION: Step = {
  kind: 'evict',
  name: 'web-1',
  namespace: 'shop',
  uid: 'uid-1',
  reason: 'PodEvicted',
  message: 'Evicting pod shop/web-1',
};
const PLAN = { nodeClaimsToAdd: [make.toAdd('green')], nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] };
const RESERVED = make.node('green', {
  spec: { taints: [{ key: 'scheduling.cast.ai/pod-pinning-preparing', effect: 'NoSchedule' }] },
});
const world = make.world(make.plan(PLAN, {}, 'NodesCreated'), {
  nodeClaims: new Map([['green', make.nodeClaim('green')]]),
  nodes: new Map([['green', RESERVED]]),
});
const THERE = { connected: true, goneForMs: 0, acknowledged: true };
const AWAY = { connected: false, goneForMs: 100, acknowledged: true };
const LOST = { connected: false, goneForMs: 3_600_000, acknowledged: true };

const writing = (pins: Writer['pins'], evict: () => Promise<void> = async () => {}) => {
  const told = { evicted: 0, held: [] as string[] };
  const client = {
    evict: async () => {
      told.evicted++;
      await evict();
    },
  } as unknown as KubeClient;
  const writer = {
    client,
    pins,
    held: (uid: string) => void told.held.push(uid),
    signal: new AbortController().signal,
  } as unknown as Writer;
  return { told, writer };
};

t.test('the pinner died since the eviction was decided: it is left for the next pass', async (t) => {
  const { told, writer } = writing(() => AWAY);
  t.equal(await apply(writer, world, EVICTION), LEFT);
  t.equal(told.evicted, 0);
});

t.test('the pinner is there, or stays away for good: the pod is evicted', async (t) => {
  for (const pins of [THERE, LOST]) {
    const { told, writer } = writing(() => pins);
    t.equal(await apply(writer, world, EVICTION), undefined);
    t.equal(told.evicted, 1);
  }
});

t.test(
  'no new node is reserved any more: whoever makes the pod anew finds a place without the pinner',
  async (t) => {
    const open = { ...world, nodes: new Map([['green', make.node('green')]]) };
    const { told, writer } = writing(() => AWAY);
    t.equal(await apply(writer, open, EVICTION), undefined);
    t.equal(told.evicted, 1);
  },
);

t.test('a budget that forbids it holds the pod back', async (t) => {
  const refused = new KubeError('not now', { kind: 'retryable', status: 429 });
  const { told, writer } = writing(
    () => THERE,
    async () => {
      throw refused;
    },
  );
  t.equal(await apply(writer, world, EVICTION), undefined);
  t.same(told.held, ['uid-1']);
});
