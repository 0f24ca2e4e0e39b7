import t from 'tap';
import { CAPACITY_BUFFERS, NAMESPACES, POD_TEMPLATES } from '../../api/resources.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import type { Policies } from '../policies/settings.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { BUYING } from '../testing/unscheduledworld.ts';
import { GRACE_MS } from './owner.ts';
import { readBufferPods } from './pods.ts';
import { BufferServer } from './serve.ts';

/** CapacityBuffers that are deleted and that a finalizer holds, on a real API server with the real CRD. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'held-buffers-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'held-buffers-test', level: 'silent' });
const { signal } = new AbortController();
const namespace = `held-buffers-${process.pid}`;
const ref = { name: 'a', namespace };
const ON = {
  ...BUYING,
  unschedulablePods: { ...BUYING.unschedulablePods, capacityBuffers: true },
} as Policies;
const none = { list: () => [], get: () => undefined, by: () => [], onChange: () => () => {} };
/** Other suites have buffers of their own on this API server. */
const ours = {
  list: (resource: Parameters<KubeClient['list']>[0], o?: object) =>
    client.list(resource, { namespace, ...o }),
  get: client.get.bind(client),
  apply: client.apply.bind(client),
  patch: client.patch.bind(client),
} as unknown as KubeClient;

const server = (): BufferServer =>
  new BufferServer({
    client: ours,
    caches: Object.fromEntries(CACHE_NAMES.map((name) => [name, none])) as unknown as Caches,
    recorder: { event: () => {} } as never,
    log,
    now: () => Date.now() + GRACE_MS + 1_000,
    signal,
  });
const found = () => client.get(CAPACITY_BUFFERS, ref);
const chunks = async (): Promise<number> => (await readBufferPods({ client: ours, signal })).pods.length;

t.before(async () => {
  await client.create(NAMESPACES, { metadata: { name: namespace } });
  const resources = { requests: { cpu: '500m' } };
  const template = { spec: { containers: [{ name: 'c', image: 'none', resources }] } };
  await client.create(POD_TEMPLATES, { metadata: { name: 'app', namespace }, template });
});
t.teardown(async () => {
  await client.delete(NAMESPACES, { name: namespace }).catch(ignoreNotFound);
  client.close();
});

for (const [when, leave] of [
  ['while others are served', (one: BufferServer) => one.serve(ON, { chunks: new Map() })],
  ['when the feature is turned off', (one: BufferServer) => one.stop()],
] as const) {
  t.test(`such a buffer keeps no room ${when}`, async (t) => {
    const finalizers = ['example.com/hold'];
    const spec = { podTemplateRef: { name: 'app' }, replicas: 3 };
    await client.create(CAPACITY_BUFFERS, { metadata: { ...ref, finalizers }, spec });
    t.teardown(() => client.patch(CAPACITY_BUFFERS, ref, { metadata: { finalizers: null } }));
    const one = server();
    await one.serve(ON, { chunks: new Map() });
    t.equal(await chunks(), 3);
    await client.delete(CAPACITY_BUFFERS, ref);
    await leave(one);
    t.same((await found()).status ?? {}, {}, 'its status is taken back');
    t.equal(await chunks(), 0, 'plans keep no room for it');
    const { resourceVersion } = (await found()).metadata;
    await leave(one);
    t.equal((await found()).metadata.resourceVersion, resourceVersion, 'and that once');
  });
}
