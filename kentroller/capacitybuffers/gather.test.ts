import t from 'tap';
import type { CapacityBuffer } from '../../api/objects.ts';
import { type Resource, WORKLOADS } from '../../api/resources.ts';
import { MemoryApi, typed } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { MOST_BUFFERS } from './count.ts';
import { gatherBuffers } from './gather.ts';

/** What many CapacityBuffers cost: looks at the API server, whoever makes them. */

const spec = { containers: [{ name: 'c', resources: { requests: { cpu: '100m' } } }] };
const buffer = (at: number, name: string, o: CapacityBuffer['spec'] = {}): CapacityBuffer => ({
  metadata: { name: `b-${at}`, namespace: 'shop', creationTimestamp: new Date(at * 1_000).toISOString() },
  spec: { scalableRef: { kind: 'Deployment', name }, replicas: 0, ...o },
});

const gather = async (buffers: readonly CapacityBuffer[]) => {
  const api = new MemoryApi({ now: () => 0 });
  const deployments = WORKLOADS.Deployment as Resource;
  const metadata = { name: 'app', namespace: 'shop' };
  api.create(deployments, typed(deployments, { metadata, spec: { replicas: 4, template: { spec } } }));
  let looks = 0;
  const client = memoryClient(api, async (_, serve) => {
    looks += 1;
    return serve();
  });
  const looking = { client, isScoped: false, signal: new AbortController().signal };
  return { served: await gatherBuffers(looking, buffers), looks };
};
const numbers = Array.from({ length: 10_000 }, (_, at) => at);

t.test(
  '10,000 buffers of one Deployment without replicas cost one look at it, and one at the quotas',
  async (t) => {
    const { looks } = await gather(numbers.map((at) => buffer(at, 'app')));
    t.equal(looks, 2);
  },
);

t.test(
  'of 10,000 buffers of as many Deployments the oldest are looked at, and the others are told',
  async (t) => {
    const { served, looks } = await gather(numbers.toReversed().map((at) => buffer(at, `app-${at}`)));
    t.equal(looks, MOST_BUFFERS + 1);
    t.equal(served.length, numbers.length);
    t.equal(served[0]?.buffer.metadata.name, 'b-0');
    t.match(served.at(-1), {
      buffer: { metadata: { name: 'b-9999' } },
      asked: { problem: /the oldest ones/ },
    });
  },
);

t.test('buffers that name the same Deployment are counted each by its own', async (t) => {
  const { served } = await gather([
    buffer(1, 'app', { replicas: 2 }),
    buffer(2, 'app', { replicas: 0, percentage: 50 }),
    buffer(3, 'gone', { replicas: 1 }),
  ]);
  t.same(
    served.map(({ chunks }) => chunks.length),
    [2, 2, 0],
  );
});
