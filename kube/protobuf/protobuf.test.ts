import { once } from 'node:events';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { KubeObject, Node, Pod } from '../../api/objects.ts';
import { NODES, PODS, type Resource } from '../../api/resources.ts';
import { createCache } from '../cache/cache.ts';
import { Interner } from '../cache/intern.ts';
import { trimOf } from '../cache/trim.ts';
import { paced } from '../testing/pace.ts';
import { podSpecsOn } from '../testing/podspecs.ts';
import { scratch, soon } from '../testing/scratch.ts';
import { ACCEPT_WATCH, EventReader, isProtobuf, type WireEvent } from './envelope.ts';
import { WireError } from './message.ts';
import { MESSAGES } from './schema.ts';

/** A watch in protobuf gives what a watch in JSON gives, for every field that is read. */

const { client, namespace, log } = scratch(t, 'protobuf');
const nodeName = `${namespace}-node`;
const priorityClass = `${namespace}-low`;
const PRIORITY_CLASSES = '/apis/scheduling.k8s.io/v1/priorityclasses';

const SPECS = podSpecsOn({ nodeName, priorityClass });

const createPod = async (name: string, spec: object): Promise<void> => {
  const metadata = {
    name: name.toLowerCase(),
    namespace,
    labels: { app: name, empty: '' },
    annotations: { 'autoscaling.cast.ai/note': 'größer als \u{1f4a1}', 'example.com/other': 'x' },
    finalizers: ['example.com/keep'],
    ownerReferences: [
      { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'u-1', controller: true },
      { apiVersion: 'v1', kind: 'ConfigMap', name: 'other', uid: 'u-2', blockOwnerDeletion: false },
    ],
  };
  await client.create<Pod>(PODS, { metadata, spec } as unknown as Pod);
};

t.before(async () => {
  await client.request('POST', PRIORITY_CLASSES, {
    body: {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: priorityClass },
      value: -10,
      preemptionPolicy: 'Never',
    },
  });
  await client.create<Node>(NODES, {
    metadata: { name: nodeName, labels: { zone: 'a' } },
    spec: {
      providerID: 'aws:///zone/i-1',
      unschedulable: true,
      taints: [
        { key: 'a', effect: 'NoSchedule' },
        { key: 'b', value: 'c', effect: 'NoExecute', timeAdded: '2026-01-02T03:04:05Z' },
      ],
    },
  });
  const status = {
    capacity: { cpu: '4', memory: '16Gi', pods: '58' },
    allocatable: { cpu: '3920m', memory: '15Gi', pods: '58' },
    conditions: [
      { type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: '2026-01-02T03:04:05Z' },
    ],
    addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
    nodeInfo: { kubeletVersion: 'v1.36.3' },
  };
  await client.patch(NODES, { name: nodeName }, { status }, { subresource: 'status' });
  const account = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
  await soon('the ServiceAccount', () =>
    client.request('GET', account).then(
      () => true,
      () => false,
    ),
  );
  for (const [name, spec] of Object.entries(SPECS)) await createPod(name, spec);
  const podStatus = {
    phase: 'Failed',
    reason: 'OutOfcpu',
    message: 'no room',
    nominatedNodeName: nodeName,
    startTime: '2026-01-02T03:04:05Z',
    conditions: [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message: 'none',
        lastTransitionTime: '2026-01-02T03:04:05Z',
      },
      { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-02T03:04:05Z' },
    ],
    containerStatuses: [
      {
        name: 'main',
        ready: false,
        restartCount: 0,
        image: 'main',
        imageID: '',
        resources: { requests: { cpu: '300m', memory: '1536Mi' } },
        allocatedResources: { cpu: '250m' },
      },
    ],
    initContainerStatuses: [
      {
        name: 'sidecar',
        ready: false,
        restartCount: 0,
        image: 'main',
        imageID: '',
        resources: { requests: { cpu: '2' } },
        allocatedResources: { cpu: '3' },
      },
    ],
    extendedResourceClaimStatus: {
      resourceClaimName: 'resources-extended',
      requestMappings: [
        { containerName: 'main', resourceName: 'example.com/device', requestName: 'container-0-request-0' },
      ],
    },
  };
  const statuses = {
    resources: podStatus,
    podlevel: { resources: { requests: { cpu: '4' } }, allocatedResources: { cpu: '5' } },
    claims: { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'claims-gpu' }] },
  };
  for (const [name, status] of Object.entries(statuses)) {
    await client.patch(PODS, { name, namespace }, { status }, { subresource: 'status' });
  }
  // A terminating pod, kept by its finalizer.
  await client.delete(PODS, { name: 'plain', namespace }, { gracePeriodSeconds: 7 });
});

t.teardown(async () => {
  for (const name of Object.keys(SPECS)) {
    const ref = { name: name.toLowerCase(), namespace };
    await client.patch(PODS, ref, { metadata: { finalizers: null } }).catch(() => {});
  }
  await client.delete(NODES, { name: nodeName }).catch(() => {});
  await client.request('DELETE', `${PRIORITY_CLASSES}/${priorityClass}`).catch(() => {});
});

/** The same values in any order of fields. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, part]) => [name, sorted(part)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
};

const compare = async <K extends KubeObject>(
  t: Test,
  resource: Resource<K>,
  scope: { readonly namespace?: string; readonly fieldSelector?: string },
): Promise<number> => {
  const stopping = new AbortController();
  const cache = createCache<K>({ client, log, resource, ...scope });
  cache.start(stopping.signal);
  await cache.synced();
  const { items } = await client.list<K>(resource, scope);
  const trim = trimOf(resource);
  for (const raw of items) {
    const { name } = raw.metadata;
    const key = raw.metadata.namespace ? `${raw.metadata.namespace}/${name}` : name;
    t.same(sorted(cache.get(key)), sorted(trim(raw, new Interner())), name);
  }
  stopping.abort();
  return items.length;
};

t.test('pods are the same in protobuf and in JSON', async (t) => {
  t.equal(await compare(t, PODS, { namespace }), Object.keys(SPECS).length);
});

t.test('the pods above have what is rarely there', async (t) => {
  const podNamed = (name: string) => client.get(PODS, { name, namespace });
  t.match((await podNamed('resources')).status, {
    initContainerStatuses: [{ name: 'sidecar', allocatedResources: { cpu: '3' } }],
    extendedResourceClaimStatus: { resourceClaimName: 'resources-extended' },
  });
  t.match((await podNamed('podlevel')).status, { resources: {}, allocatedResources: { cpu: '5' } });
  t.match((await podNamed('claims')).status, { resourceClaimStatuses: [{ name: 'gpu' }] });
});

t.test('nodes are the same in protobuf and in JSON', async (t) => {
  t.equal(await compare(t, NODES, { fieldSelector: `metadata.name=${nodeName}` }), 1);
});

const INITIAL = {
  sendInitialEvents: 'true',
  resourceVersionMatch: 'NotOlderThan',
  allowWatchBookmarks: 'true',
};

/** The bytes of a watch of our pods, up to the end of the initial events. */
const bytesOf = async (query: Readonly<Record<string, string>> = INITIAL): Promise<Buffer> => {
  const stopping = new AbortController();
  const response = await client.stream(`/api/v1/namespaces/${namespace}/pods`, {
    query: { watch: 'true', timeoutSeconds: '60', ...query },
    signal: stopping.signal,
    inactivityMs: 20_000,
    accept: ACCEPT_WATCH,
  });
  const chunks: Buffer[] = [];
  const seen = new EventReader(MESSAGES['/Pod'] ?? []);
  let isDone = false;
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    for (const { type } of seen.push(chunk)) isDone ||= type === 'BOOKMARK' || type === 'ERROR';
  });
  await soon('the end of the initial events', () => isDone);
  t.ok(isProtobuf(response.headers['content-type']));
  response.on('error', () => {});
  const closed = once(response, 'close');
  response.destroy();
  await closed;
  return Buffer.concat(chunks);
};

const eventsOf = (chunks: readonly Buffer[]): WireEvent[] => {
  const reader = new EventReader(MESSAGES['/Pod'] ?? []);
  return chunks.flatMap((chunk) => [...reader.push(chunk)]);
};

t.test('events are the same wherever the chunks end', async (t) => {
  const bytes = await bytesOf();
  const whole = eventsOf([bytes]);
  t.equal(whole.filter(({ type }) => type === 'ADDED').length, Object.keys(SPECS).length);
  const cut = fc.uniqueArray(fc.nat(bytes.length), { maxLength: 60 });
  fc.assert(
    fc.property(cut, (at) => {
      const ends = [0, ...at.sort((a, b) => a - b), bytes.length];
      const chunks = ends.slice(1).map((end, i) => bytes.subarray(ends[i], end));
      t.same(eventsOf(chunks), whole);
    }),
    { numRuns: 50, seed: 4 },
  );
});

t.test('broken bytes end in a WireError, if in an error at all', async (t) => {
  const bytes = await bytesOf();
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const broken = Buffer.from(bytes);
      for (const [at, byte] of changes) broken[at] = byte;
      try {
        eventsOf([broken]);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    }),
    { numRuns: 3_000, seed: 4 },
  );
  t.pass();
});

t.test('a refusal before the watch begins is read, too', async (t) => {
  const refused = client.stream('/api/v1/namespaces/none/podz', {
    query: { watch: 'true' },
    signal: AbortSignal.timeout(paced(10_000)),
    inactivityMs: 10_000,
    accept: ACCEPT_WATCH,
  });
  await t.rejects(refused, { kind: 'unserved', message: /could not find the requested resource/ });
});
