import t from 'tap';
import type { CapacityBuffer, KubeObject } from '../../api/objects.ts';
import { CAPACITY_BUFFERS, POD_TEMPLATES, type Resource } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { KubeError } from '../../kube/errors.ts';
import type { Caches } from '../caches.ts';
import type { Policies } from '../policies/settings.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { BUYING } from '../testing/unscheduledworld.ts';
import { BUFFER_MANAGER, GRACE_MS } from './owner.ts';
import { BufferServer } from './serve.ts';

/** Statuses of CapacityBuffers that the API server refuses: one is told once, and keeps no other from being served. */

const NOW = Date.parse('2026-11-30T12:00:00Z');
const PASS_MS = 5_000;
const ON = {
  ...BUYING,
  unschedulablePods: { ...BUYING.unschedulablePods, capacityBuffers: true },
} as Policies;
const none = { list: () => [], get: () => undefined, by: () => [], onChange: () => () => {} };

const buffer = (name: string): CapacityBuffer =>
  ({
    metadata: {
      name,
      namespace: 'shop',
      uid: `${name}-uid`,
      creationTimestamp: new Date(NOW - 2 * GRACE_MS).toISOString(),
    },
    spec: { podTemplateRef: { name: 'app' }, replicas: 2 },
  }) as CapacityBuffer;

const TEMPLATE = {
  metadata: { name: 'app', namespace: 'shop' },
  template: { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '500m' } } }] } },
};

const scene = (error: Error, mayRead = () => true) => {
  const clock = { at: NOW };
  const buffers = new Map(['refused', 'other'].map((name) => [name, buffer(name)]));
  const tries: string[] = [];
  const lines: string[] = [];
  const client = {
    list: async ({ kind }: Resource) => {
      if (kind !== CAPACITY_BUFFERS.kind) return { items: [] };
      if (!mayRead()) throw new KubeError('you may not list them', { kind: 'forbidden', status: 403 });
      return { items: [...buffers.values()] };
    },
    get: async ({ kind }: Resource) => {
      if (kind !== POD_TEMPLATES.kind) throw new KubeError('none', { kind: 'not-found', status: 404 });
      return TEMPLATE;
    },
    apply: async (_: Resource, { metadata: { name }, status }: KubeObject & { status?: object }) => {
      tries.push(name);
      if (name === 'refused') throw error;
      const { metadata, spec } = buffer(name);
      const managedFields = [{ manager: BUFFER_MANAGER, subresource: 'status' }];
      buffers.set(name, { metadata: { ...metadata, managedFields }, spec, status } as CapacityBuffer);
    },
  } as unknown as KubeClient;
  const say = ({ object = '', reason }: Record<string, string>, message: string) =>
    void lines.push(`${object}: ${message}: ${reason}`);
  const server = new BufferServer({
    client,
    caches: Object.fromEntries(CACHE_NAMES.map((name) => [name, none])) as unknown as Caches,
    recorder: { event: () => {}, flush: async () => {} },
    log: { warn: say, info: say } as unknown as Logger,
    now: () => clock.at,
    signal: new AbortController().signal,
  });
  const passes = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1, clock.at += PASS_MS) await server.serve(ON, { chunks: new Map() });
  };
  return {
    server,
    passes,
    buffers,
    lines,
    tries: (name: string) => tries.filter((one) => one === name).length,
  };
};

for (const status of [413, 422, 403]) {
  t.test(
    `a status refused with ${status} is told once, tried once a minute, and stops nothing`,
    async (t) => {
      const o = scene(new KubeError('no room', { kind: status === 403 ? 'forbidden' : 'terminal', status }));
      await o.passes(24);
      t.equal(o.tries('refused'), 2, 'in two minutes');
      t.same(o.lines, ['shop/refused/refused-uid: the status of a CapacityBuffer is refused: no room']);
      t.match(o.buffers.get('other')?.status, { replicas: 2 });
      t.ok(o.tries('other') < 4, `the other one was written ${o.tries('other')} times`);
      t.equal(
        o.server.last().chunks.length,
        2,
        'nothing is bought for one that does not say that it is served',
      );
    },
  );
}

t.test('that CapacityBuffers may not be read is told once, and again after they could', async (t) => {
  let may = false;
  const o = scene(new Error('not reached'), () => may);
  o.buffers.clear();
  await o.passes(10);
  t.equal(o.lines.length, 1);
  t.match(o.lines, [/may not be read/]);
  may = true;
  await o.passes(1);
  may = false;
  await o.passes(10);
  t.equal(o.lines.length, 2);
});
