import t from 'tap';
import type { CapacityBuffer } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { CAPACITY_BUFFERS, POD_TEMPLATES, WORKLOADS } from '../../api/resources.ts';
import { createLogger } from '../../kube/component/log.ts';
import { KubeError } from '../../kube/errors.ts';
import { MemoryApi, typed } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { unserved } from '../../kube/testing/memory/errors.ts';
import { gatherForPlans } from '../snapshot.ts';
import { memoryCaches } from '../testing/memorycaches.ts';
import { readBufferPods } from './pods.ts';

const READY = [{ type: 'ReadyForProvisioning', status: 'True' }];
const spec = {
  nodeName: 'somewhere',
  containers: [{ name: 'c', resources: { requests: { cpu: '2' } } }],
  volumes: [
    { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
    { name: 'tmp', emptyDir: {} },
  ],
};

const read = (
  buffers: readonly { readonly spec: CapacityBuffer['spec']; readonly status: object }[],
  isServed = true,
) => {
  const api = new MemoryApi({ now: () => 0 });
  const meta = { name: 'app', namespace: 'shop' };
  const template = { metadata: { labels: { app: 'a' } }, spec };
  api.create(POD_TEMPLATES, typed(POD_TEMPLATES, { metadata: meta, template }));
  for (const kind of ['Deployment', 'StatefulSet', 'ReplicaSet']) {
    const resource = valueAt(WORKLOADS, kind);
    if (resource) api.create(resource, typed(resource, { metadata: meta, spec: { template } }));
  }
  for (const [index, buffer] of buffers.entries()) {
    const metadata = { name: `buffer-${index}`, namespace: 'shop' };
    api.create(CAPACITY_BUFFERS, typed(CAPACITY_BUFFERS, { metadata, ...buffer }));
  }
  const client = memoryClient(api, async (call, serve) => {
    if (!isServed && call.resource.kind === 'CapacityBuffer') throw unserved();
    return serve();
  });
  return readBufferPods({ client, signal: new AbortController().signal });
};

t.test('where the kind is not served there are no buffers', async (t) => {
  t.same(await read([], false), { pods: [] });
});

t.test('a chunk is a pod of the template that nothing binds to a node', async (t) => {
  const { pods } = await read([
    { spec: { podTemplateRef: { name: 'app' } }, status: { replicas: 2, conditions: READY } },
  ]);
  t.match(pods, [
    {
      metadata: { name: 'capacity-buffer-buffer-0:1', namespace: 'shop', labels: { app: 'a' } },
      spec: { containers: [{ resources: { requests: { cpu: '2' } } }], volumes: [{ name: 'tmp' }] },
    },
    { metadata: { name: 'capacity-buffer-buffer-0:2' } },
  ]);
  t.equal(pods[0]?.spec.nodeName, undefined);
  t.equal(pods[0]?.spec.volumes?.length, 1);
});

t.test('Deployments, StatefulSets and ReplicaSets are templates too', async (t) => {
  for (const kind of ['Deployment', 'StatefulSet', 'ReplicaSet']) {
    const scalableRef = { apiGroup: 'apps', kind, name: 'app' };
    const { pods } = await read([{ spec: { scalableRef }, status: { replicas: 1, conditions: READY } }]);
    t.equal(pods.length, 1, kind);
  }
});

t.test('buffers that are not ready, empty, or of no known template stand for no pods', async (t) => {
  const podTemplateRef = { name: 'app' };
  const { pods } = await read([
    { spec: { podTemplateRef }, status: { replicas: 1 } },
    { spec: { podTemplateRef }, status: { replicas: 0, conditions: READY } },
    { spec: { podTemplateRef: { name: 'gone' } }, status: { replicas: 1, conditions: READY } },
    {
      spec: { scalableRef: { kind: 'constructor', name: 'app' } },
      status: { replicas: 1, conditions: READY },
    },
  ]);
  t.same(pods, []);
});

t.test('more chunks than can be placed are not counted out: all nodes stay', async (t) => {
  const status = { replicas: 1_000_000_000, conditions: READY };
  const { problem } = await read([{ spec: { podTemplateRef: { name: 'app' } }, status }]);
  t.match(problem, /more than 5000/);
});

t.test(
  'plans are made from a snapshot with those pods, and without the right to read them from the rest',
  async (t) => {
    const api = new MemoryApi({ now: () => 0 });
    const meta = { namespace: 'shop' };
    api.create(
      POD_TEMPLATES,
      typed(POD_TEMPLATES, { metadata: { ...meta, name: 'app' }, template: { spec } }),
    );
    const status = { replicas: 1, conditions: READY };
    const buffer = {
      metadata: { ...meta, name: 'buffer' },
      spec: { podTemplateRef: { name: 'app' } },
      status,
    };
    api.create(CAPACITY_BUFFERS, typed(CAPACITY_BUFFERS, buffer));
    const log = createLogger({ component: 'buffers-test', level: 'silent' });
    const { caches } = memoryCaches(api);
    const gather = (refuse: () => void) =>
      gatherForPlans({
        client: memoryClient(api, async (_, serve) => {
          refuse();
          return serve();
        }),
        caches,
        log,
        signal: new AbortController().signal,
      });
    const { pods } = await gather(() => {});
    t.same(pods.map(podName), ['shop/capacity-buffer-buffer:1']);
    const without = await gather(() => {
      throw new KubeError('no', { kind: 'forbidden', status: 403 });
    });
    t.same(without.pods, []);
  },
);
