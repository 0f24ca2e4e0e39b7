import t from 'tap';
import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import type { CapacityBuffer, Node, NodeClaim } from '../../api/objects.ts';
import {
  CAPACITY_BUFFERS,
  EVENTS,
  NAMESPACES,
  POD_TEMPLATES,
  RESOURCE_QUOTAS,
  type Resource,
  WORKLOADS,
} from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import type { Caches } from '../caches.ts';
import type { Policies } from '../policies/settings.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { BUYING } from '../testing/unscheduledworld.ts';
import { BUFFER_MANAGER, GRACE_MS } from './owner.ts';
import { BufferServer, type Unbought } from './serve.ts';

/** Statuses of CapacityBuffers on a real API server with the real CRD, beside others that write them. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'buffers-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'buffers-test', level: 'silent' });
const signal = new AbortController().signal;
const NAMESPACE = `buffers-${process.pid}`;
const ON = {
  ...BUYING,
  unschedulablePods: { ...BUYING.unschedulablePods, capacityBuffers: true },
} as Policies;
const NOTHING: Unbought = { chunks: new Map() };
const listOf = <T>(items: readonly T[]) => ({
  list: () => items,
  get: () => undefined,
  by: () => items,
  onChange: () => () => {},
});
/** Caches with these nodes alone; guards are not this suite's. */
const cachesWith = (nodes: readonly Node[] = [], nodeClaims: readonly NodeClaim[] = []): Caches =>
  ({
    ...Object.fromEntries(CACHE_NAMES.map((name) => [name, listOf([])])),
    nodes: listOf(nodes),
    nodeClaims: listOf(nodeClaims),
  }) as unknown as Caches;

/** A kentroller for which any buffer is old enough. */
const server = (caches = cachesWith(), ms = GRACE_MS + 1_000): BufferServer =>
  new BufferServer({
    // Other suites have buffers of their own on this API server.
    client: {
      ...client,
      list: (resource, o) => client.list(resource, { namespace: NAMESPACE, ...o }),
      get: client.get.bind(client),
      apply: client.apply.bind(client),
      patch: client.patch.bind(client),
    },
    caches,
    recorder: createRecorder({ client, component: 'buffers-test', log }),
    log,
    now: () => Date.now() + ms,
    signal,
  });

const containers = [
  { name: 'c', image: 'none', resources: { requests: { cpu: '500m' }, limits: { memory: '256Mi' } } },
];
const buffer = (name: string, spec: CapacityBuffer['spec']): Promise<CapacityBuffer> =>
  client.create(CAPACITY_BUFFERS, { metadata: { name, namespace: NAMESPACE }, ...(spec && { spec }) });
const found = (name: string): Promise<CapacityBuffer> =>
  client.get(CAPACITY_BUFFERS, { name, namespace: NAMESPACE });
const said = async (name: string): Promise<string> =>
  ((await found(name)).status?.conditions ?? [])
    .map(({ type, status, reason }) => `${type}=${status} ${reason}`)
    .join(', ');
const clear = async (): Promise<void> => {
  for (const { metadata } of (await client.list(CAPACITY_BUFFERS, { namespace: NAMESPACE })).items)
    await client.delete(CAPACITY_BUFFERS, { name: metadata.name, namespace: NAMESPACE });
};

t.before(async () => {
  await client.create(NAMESPACES, { metadata: { name: NAMESPACE } });
  const metadata = { name: 'app', namespace: NAMESPACE };
  const template = { metadata: { labels: { app: 'a' } }, spec: { containers } };
  await client.create(POD_TEMPLATES, { metadata, template });
  const deployments = WORKLOADS.Deployment as Resource;
  const selector = { matchLabels: { app: 'a' } };
  await client.create(deployments, { metadata, spec: { replicas: 10, selector, template } } as never);
});
t.afterEach(clear);
t.teardown(async () => {
  await client.delete(NAMESPACES, { name: NAMESPACE }).catch(ignoreNotFound);
  client.close();
});

t.test('a buffer of a template has its count, its template and its conditions', async (t) => {
  await buffer('a', { podTemplateRef: { name: 'app' }, replicas: 3 });
  await server().serve(ON, NOTHING);
  const { status, metadata } = await found('a');
  t.match(status, {
    replicas: 3,
    provisioningStrategy: 'buffer.x-k8s.io/active-capacity',
    podTemplateRef: { name: 'app' },
  });
  t.equal(
    await said('a'),
    'ReadyForProvisioning=True Resolved, Provisioning=False RequiresNewCapacity, LimitedByQuotas=False WithinQuotas',
  );
  t.ok(metadata.managedFields?.some(({ manager }) => manager === BUFFER_MANAGER));
});

t.test('a second pass writes nothing, and a change of the spec is followed', async (t) => {
  await buffer('a', { scalableRef: { kind: 'Deployment', name: 'app' }, percentage: 25 });
  const one = server();
  await one.serve(ON, NOTHING);
  const first = await found('a');
  t.equal(first.status?.replicas, 3);
  t.equal(first.status?.podTemplateRef, undefined);
  await one.serve(ON, NOTHING);
  t.equal((await found('a')).metadata.resourceVersion, first.metadata.resourceVersion);
  const body = { spec: { limits: { cpu: '1', memory: '10Gi' } } };
  await client.patch(CAPACITY_BUFFERS, { name: 'a', namespace: NAMESPACE }, body);
  await one.serve(ON, NOTHING);
  t.equal((await found('a')).status?.replicas, 2);
});

t.test('chunks on nodes that stand need no new capacity', async (t) => {
  await buffer('a', { podTemplateRef: { name: 'app' }, replicas: 3 });
  const { node, claim } = makeNode('room', { cpu: 2_000 });
  // A do-not-disrupt of its users, so that nothing is written to a node that is not on this API server.
  const annotations = { [KARPENTER_DO_NOT_DISRUPT]: 'true' };
  const standing = { ...node, metadata: { ...node.metadata, annotations } };
  const one = server(cachesWith([standing], [claim]));
  await one.serve(ON, NOTHING);
  t.match(await said('a'), /Provisioning=True FitsExistingCapacity/);
  t.same([one.last().chunks.length, one.last().missing.length], [3, 0]);
});

t.test('the quotas of a namespace limit its youngest buffer first', async (t) => {
  const metadata = { name: 'small', namespace: NAMESPACE };
  await client.create(RESOURCE_QUOTAS, { metadata, spec: { hard: { 'requests.cpu': '7' } } } as never);
  t.teardown(() => client.delete(RESOURCE_QUOTAS, metadata));
  await until(
    'the quota counts the pods of the Deployment',
    async () => {
      const { status } = await client.get(RESOURCE_QUOTAS, metadata);
      if (status?.used?.['requests.cpu'] !== '5') throw new Error(JSON.stringify(status));
      return true;
    },
    { timeoutMs: 30_000, everyMs: 100 },
  );
  await buffer('a', { podTemplateRef: { name: 'app' }, replicas: 3 });
  await buffer('b', { podTemplateRef: { name: 'app' }, replicas: 3 });
  await server().serve(ON, NOTHING);
  t.same([(await found('a')).status?.replicas, (await found('b')).status?.replicas], [3, 1]);
  t.match(await said('a'), /LimitedByQuotas=False/);
  const limited = (await found('b')).status?.conditions?.find(({ type }) => type === 'LimitedByQuotas');
  t.match(limited, { status: 'True', message: /1 of 3 chunks/ });
});

t.test('what is not there, and what can not be told, is said', async (t) => {
  await buffer('a', { podTemplateRef: { name: 'gone' }, replicas: 1 });
  await buffer('b', { scalableRef: { kind: 'Deployment', name: 'gone' }, replicas: 1 });
  await buffer('c', { scalableRef: { apiGroup: 'batch', kind: 'Job', name: 'app' }, replicas: 1 });
  await buffer('d', { podTemplateRef: { name: 'app' }, limits: { 'nvidia.com/gpu': '2' } });
  await buffer('e', { podTemplateRef: { name: 'app' }, replicas: 2_000_000_000 });
  const one = server();
  await one.serve(ON, NOTHING);
  const READY = 'ReadyForProvisioning=False';
  t.match(await said('a'), `${READY} PodTemplateNotFound`);
  t.match(await said('b'), `${READY} ScalableRefNotFound`);
  for (const name of ['c', 'd', 'e']) t.match(await said(name), `${READY} ResolutionFailed`, name);
  t.same(one.last().chunks, []);
});

t.test('a new buffer is left to others for a while', async (t) => {
  await buffer('a', { podTemplateRef: { name: 'app' }, replicas: 3 });
  await server(cachesWith(), 0).serve(ON, NOTHING);
  t.equal((await found('a')).status, undefined);
});

t.test('a buffer that somebody else serves is left to them, and says so once', async (t) => {
  const ref = { name: 'a', namespace: NAMESPACE };
  await buffer('a', { podTemplateRef: { name: 'app' }, replicas: 3 });
  await buffer('b', { podTemplateRef: { name: 'app' }, replicas: 3 });
  const one = server();
  await one.serve(ON, NOTHING);
  t.equal(one.last().missing.length, 6);
  // As Karpenter writes it: a merge patch of the whole list.
  const conditions = [
    {
      type: 'ReadyForProvisioning',
      status: 'True',
      reason: 'Resolved',
      message: 'Pod template resolved successfully',
      lastTransitionTime: '2026-11-30T12:00:00Z',
    },
  ];
  const body = { status: { replicas: 3, conditions } };
  await client.patch(CAPACITY_BUFFERS, ref, body, { subresource: 'status', fieldManager: 'karpenter' });
  await one.serve(ON, NOTHING);
  t.same(one.last(), { chunks: [], missing: [] });
  const { status, metadata } = await found('a');
  t.same(
    status?.conditions?.map(({ message }) => message),
    ['Pod template resolved successfully'],
  );
  const other = await found('b');
  t.same(other.status ?? {}, {}, 'the other one is left to Karpenter, too');
  const { resourceVersion } = metadata;
  await one.serve(ON, NOTHING);
  await one.serve(ON, NOTHING);
  t.equal((await found('a')).metadata.resourceVersion, resourceVersion, 'nobody fights');
  const events = await until(
    'the events are there',
    async () => {
      const { items } = await client.list(EVENTS, { namespace: NAMESPACE });
      const ours = items.filter(({ reason }) => reason === 'ServedByOthers');
      if (ours.length < 2) throw new Error(`${ours.length} are`);
      return ours;
    },
    { timeoutMs: 30_000, everyMs: 100 },
  );
  t.equal(events.length, 2);
  t.match(JSON.stringify(events[0]), /karpenter has written/);
});

t.test('another strategy is nobody’s business', async (t) => {
  await buffer('a', { podTemplateRef: { name: 'app' }, replicas: 1, provisioningStrategy: 'mine' });
  await server().serve(ON, NOTHING);
  t.equal((await found('a')).status, undefined);
});

t.test('turned off, statuses are taken back, also those of an earlier process', async (t) => {
  await buffer('a', { podTemplateRef: { name: 'app' }, replicas: 3 });
  await server().serve(ON, NOTHING);
  t.equal((await found('a')).status?.replicas, 3);
  const next = server();
  await next.stop();
  t.same((await found('a')).status ?? {}, {});
  t.same(next.last(), { chunks: [], missing: [] });
  await next.serve(ON, NOTHING);
  t.equal((await found('a')).status?.replicas, 3, 'and back on, they come again');
});

t.test('a buffer whose names no object can have keeps no other from being served', async (t) => {
  const names = { up: '..', here: '.', slash: 'app/status', query: 'app?x=1', long: 'x'.repeat(40_000) };
  for (const [at, name] of Object.entries(names)) {
    await buffer(`t-${at}`, { podTemplateRef: { name }, replicas: 1 });
    await buffer(`s-${at}`, { scalableRef: { kind: 'Deployment', name }, percentage: 50 });
  }
  await buffer('kind', { scalableRef: { kind: 'x'.repeat(40_000), name: 'app' }, percentage: 50 });
  await buffer('z-good', { podTemplateRef: { name: 'app' }, replicas: 3 });
  await server().serve(ON, NOTHING);
  t.equal((await found('z-good')).status?.replicas, 3);
  for (const at of Object.keys(names)) {
    t.match(await said(`t-${at}`), /ReadyForProvisioning=False PodTemplateNotFound/, `template ${at}`);
    t.match(await said(`s-${at}`), /ReadyForProvisioning=False ScalableRefNotFound/, `workload ${at}`);
  }
  t.match(await said('kind'), /ReadyForProvisioning=False ResolutionFailed/);
});

t.test('chunks that no quota lets come take nothing of those that may be', async (t) => {
  const namespace = NAMESPACE;
  const metadata = { name: 'tight', namespace };
  await client.create(RESOURCE_QUOTAS, { metadata, spec: { hard: { 'requests.cpu': '0' } } } as never);
  t.teardown(() => client.delete(RESOURCE_QUOTAS, metadata));
  await client.create(POD_TEMPLATES, {
    metadata: { name: 'free', namespace },
    template: { spec: { containers: containers.map(({ resources: _, ...rest }) => rest) } },
  });
  t.teardown(() => client.delete(POD_TEMPLATES, { name: 'free', namespace }));
  await buffer('a-large', { podTemplateRef: { name: 'app' }, replicas: 5_000 });
  await buffer('b-small', { podTemplateRef: { name: 'free' }, replicas: 3 });
  await server().serve(ON, NOTHING);
  t.equal((await found('a-large')).status?.replicas, 0);
  t.equal((await found('b-small')).status?.replicas, 3);
});
