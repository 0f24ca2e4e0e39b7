import t from 'tap';
import type { KubeClient } from '../../kube/client/client.ts';
import { KubeError } from '../../kube/errors.ts';
import * as make from '../testing/builders.ts';
import { apply } from './apply.ts';
import type { Step } from './state/step.ts';
import { SKIPPED, type Writer } from './writes/writer.ts';

/** Evictions at the moment of their write, which may be later than the decision. */

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
const state = make.executionState(make.plan(PLAN, {}, 'NodesCreated'), {
  nodeClaims: new Map([['green', make.nodeClaim('green')]]),
  nodes: new Map([['green', RESERVED]]),
});
const CONNECTED = { connected: true, goneForMs: 0, acknowledged: true };
const DISCONNECTED = { connected: false, goneForMs: 100, acknowledged: true };
const LOST = { connected: false, goneForMs: 3_600_000, acknowledged: true };

const writing = (pins: Writer['pins'], evict: () => Promise<void> = async () => {}) => {
  const calls = { evicted: 0, refused: [] as string[] };
  const client = {
    get: async () => ({ ...make.pod('web-1'), metadata: { ...make.pod('web-1').metadata, uid: 'uid-1' } }),
    evict: async () => {
      calls.evicted++;
      await evict();
    },
  } as unknown as KubeClient;
  const writer = {
    client,
    pins,
    onEvictionRefused: (uid: string) => void calls.refused.push(uid),
    signal: new AbortController().signal,
  } as unknown as Writer;
  return { calls, writer };
};

t.test('an eviction is left to the next pass when the pinner left after the decision', async (t) => {
  const { calls, writer } = writing(() => DISCONNECTED);
  t.equal(await apply(writer, state, EVICTION), SKIPPED);
  t.equal(calls.evicted, 0);
});

t.test('an eviction is left to the next pass when the pinner left during the last look', async (t) => {
  const views = [CONNECTED, DISCONNECTED];
  const { calls, writer } = writing(() => views.shift() ?? DISCONNECTED);
  t.equal(await apply(writer, state, EVICTION), SKIPPED);
  t.equal(calls.evicted, 0);
});

t.test('a pod is evicted while the pinner is connected, and once it is lost', async (t) => {
  for (const pins of [CONNECTED, LOST]) {
    const { calls, writer } = writing(() => pins);
    t.equal(await apply(writer, state, EVICTION), undefined);
    t.equal(calls.evicted, 1);
  }
});

t.test('a pod is evicted without the pinner when no added node is reserved', async (t) => {
  const open = { ...state, nodes: new Map([['green', make.node('green')]]) };
  const { calls, writer } = writing(() => DISCONNECTED);
  t.equal(await apply(writer, open, EVICTION), undefined);
  t.equal(calls.evicted, 1);
});

t.test('a refused eviction is backed off', async (t) => {
  const refused = new KubeError('not now', { kind: 'retryable', status: 429 });
  const { calls, writer } = writing(
    () => CONNECTED,
    async () => {
      throw refused;
    },
  );
  t.equal(await apply(writer, state, EVICTION), undefined);
  t.same(calls.refused, ['uid-1']);
});
