import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Container, ContainerStatus, KubeObject, Pod } from '../../api/objects.ts';
import {
  DAEMON_SETS,
  NODES,
  POD_DISRUPTION_BUDGETS,
  PODS,
  REPLICA_SETS,
  type Resource,
} from '../../api/resources.ts';
import { Interner } from '../../kube/cache/intern.ts';
import { trimOf } from '../../kube/cache/trim.ts';
import { trimMeta } from '../../kube/cache/trimmeta.ts';
import { trimPod } from '../../kube/cache/trimpod.ts';
import type { Message } from '../../kube/protobuf/message.ts';
import { MESSAGES } from '../../kube/protobuf/schema.ts';
import { podRequests } from '../../planner/scheduling/noderesources.ts';
import { trimPod as trimReviewed } from '../../webhook/trimpod.ts';
import { FieldReads, type SampleValues } from './fieldreads.ts';
import { readTree } from './tree.ts';

/**
 * The caches keep every field that a decider reads. What is read is known from the compiler: each access of a field that
 * api/objects.ts declares, in any file that decides something.
 */

const ROOT = join(import.meta.dirname, '../..');
const DECIDERS = readTree(ROOT)
  .map(({ path }) => path)
  .filter(
    (path) =>
      /^(api|planner|extender|webhook|kentroller|cli|kube)\//.test(path) &&
      !/\.test\.ts$|\/testing\/|^kube\/(cache|protobuf)\/|^api\/objects\.ts$/.test(path),
  );
const compiler = new FieldReads(ROOT, 'api/objects.ts');
const reads = compiler.reads(DECIDERS);
t.teardown(() => compiler.close());

/** Samples are pods in the middle of a resize, with conditions that are not met: then nothing may be left out. */
const VALUES: SampleValues = {
  'metadata.annotations': { 'karpenter.sh/do-not-disrupt': 'true' },
  'status.conditions[].status': 'False',
  'status.containerStatuses[].resources.requests': { cpu: '2' },
  'status.initContainerStatuses[].resources.requests': { cpu: '2' },
  'status.resources.requests': { cpu: '2' },
};

/** Fields that other kinds, or objects from elsewhere than the cache, share a declaration with. */
const NOT_FROM_CACHE: Readonly<Record<string, RegExp>> = {
  'managedFields are read in objects that were just fetched': /(^|\.)metadata\.managedFields/,
  'only a list names the kind of its items': /^(apiVersion|kind)$/,
  "a template's metadata has labels and annotations": /^spec\.template\.metadata\.(?!labels|annotations)/,
};
const OF_NODES = {
  "only pods' conditions are shown with their message": /^status\.conditions\[\]\.message$/,
};

const KINDS: readonly (readonly [Resource<KubeObject>, Readonly<Record<string, RegExp>>])[] = [
  [PODS, {}],
  [NODES, OF_NODES],
  [REPLICA_SETS, {}],
  [DAEMON_SETS, {}],
  [POD_DISRUPTION_BUDGETS, {}],
];

/** Whether an object has something at a path. */
const hasPath = (object: unknown, path: string): boolean => {
  let at = object;
  for (const part of path.split('.')) {
    const [name = '', isList] = part.endsWith('[]') ? [part.slice(0, -2), true] : [part, false];
    at = (at as Record<string, unknown> | undefined)?.[name];
    if (isList) at = (at as readonly unknown[] | undefined)?.[0];
    if (at === undefined) return false;
  }
  return true;
};

for (const [resource, others] of KINDS) {
  const { fields, sample } = compiler.kind(resource.kind, VALUES);
  const exceptions = Object.values({ ...NOT_FROM_CACHE, ...others });
  const trim = trimOf(resource);
  const trimmed = trim(structuredClone(sample) as KubeObject, new Interner());
  const due = fields.filter(({ path }) => !exceptions.some((exception) => exception.test(path)));

  t.test(`the cache of ${resource.plural} keeps the fields that are read`, async (t) => {
    const dropped = due.flatMap(({ path, declaration }) => {
      const reader = reads.get(declaration);
      return reader !== undefined && !hasPath(trimmed, path) ? [`${path}, read in ${reader}`] : [];
    });
    t.same(dropped, [], 'keep them in kube/cache, or say above why they are not from the cache');
    t.ok(due.filter(({ path }) => hasPath(trimmed, path)).length > 20, 'the sample is full');
  });

  const message = MESSAGES[`${resource.group}/${resource.kind}`];
  if (!message) continue;
  t.test(`a watch of ${resource.plural} in protobuf reads the fields that the cache keeps`, async (t) => {
    const known = new Set(pathsOf(message, ''));
    const unread = due.filter(({ path }) => hasPath(trimmed, path) && !known.has(path));
    t.same(
      unread.map(({ path }) => path),
      [],
      'add them to kube/protobuf/schema.ts',
    );
  });
}

/** The paths of a message's fields. */
function* pathsOf(message: Message, above: string): Generator<string> {
  for (const field of message) {
    if (!field) continue;
    if (field.kind === 'inline') {
      yield* pathsOf(field.of ?? [], above);
      continue;
    }
    const path = above === '' ? field.name : `${above}.${field.name}`;
    yield path;
    if (field.of) yield* pathsOf(field.of, field.kind === 'messages' ? `${path}[]` : path);
  }
}

t.test('what deciders read is declared in api/objects.ts and widened nowhere', async (t) => {
  t.same(
    compiler.widenings(DECIDERS),
    [],
    'declare the fields in api/objects.ts, so that the caches are checked',
  );
});

t.test('the caches keep the annotations that are read', async (t) => {
  const notFromTrimmed = new Set([
    // Claims of volumes are kept whole.
    'volume.kubernetes.io/selected-node',
    // Of the bookmark that ends a streamed list.
    'k8s.io/initial-events-end',
    // Of our own Deployments, which preflight asks the API server for.
    'meta.helm.sh/release-name',
  ]);
  const keys = [...compiler.annotationsRead(DECIDERS)].filter(([key]) => !notFromTrimmed.has(key));
  t.ok(keys.length > 10);
  for (const [key, reader] of keys) {
    const { annotations } = trimMeta({ name: 'x', annotations: { [key]: 'y' } }, new Interner());
    t.same(annotations, { [key]: 'y' }, `${key}, read in ${reader}`);
  }
});

t.test('the webhook sends the pinner the fields that decide about a place', async (t) => {
  // An emptyDir fits on any node, so the webhook leaves it out.
  const { fields, sample } = compiler.kind('Pod', { ...VALUES, 'spec.volumes[].emptyDir': undefined });
  const sent: unknown = JSON.parse(trimReviewed(sample as Pod));
  const deciding = compiler.reads(DECIDERS.filter((path) => /^planner\/(scheduling|pinning)\//.test(path)));
  const dropped = fields.flatMap(({ path, declaration }) => {
    const reader = deciding.get(declaration);
    return /^spec\.(?!volumes\[\]\.emptyDir)/.test(path) && reader !== undefined && !hasPath(sent, path)
      ? [`${path}, read in ${reader}`]
      : [];
  });
  t.same(dropped, []);
});

const amount = fc.constantFrom('100m', '0.1', '1', '1000m', '2', '250m');
const requests = fc.record(
  { cpu: amount, memory: fc.constantFrom('1Gi', '1024Mi', '2Gi') },
  { requiredKeys: [] },
);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const containers = (prefix: string, max: number) =>
  fc.array(fc.record({ requests, isSidecar: fc.boolean() }), { minLength: 1, maxLength: max }).map((list) =>
    list.map(
      ({ requests, isSidecar }, n): Container => ({
        name: `${prefix}${n}`,
        resources: { requests },
        ...(isSidecar && prefix === 'init' && { restartPolicy: 'Always' }),
      }),
    ),
  );
const statuses = (prefix: string) =>
  fc.array(fc.record({ now: maybe(requests), allocated: maybe(requests) }), { maxLength: 3 }).map((list) =>
    list.map(
      ({ now, allocated }, n): ContainerStatus => ({
        name: `${prefix}${n}`,
        ...(now && { resources: { requests: now } }),
        ...(allocated && { allocatedResources: allocated }),
      }),
    ),
  );

t.test('a pod requests from the cache what it requests in full, also while it is resized', async (t) => {
  const pods = fc.record({
    main: containers('main', 3),
    init: containers('init', 3),
    ofMain: statuses('main'),
    ofInit: statuses('init'),
    whole: maybe(requests),
    wholeNow: maybe(requests),
    wholeAllocated: maybe(requests),
    isInfeasible: fc.boolean(),
  });
  fc.assert(
    fc.property(pods, (p) => {
      const condition = { type: 'PodResizePending', status: 'True', reason: 'Infeasible' } as const;
      const pod: Pod = {
        metadata: { name: 'p' },
        spec: {
          containers: p.main,
          initContainers: p.init,
          ...(p.whole && { resources: { requests: p.whole } }),
        },
        status: {
          phase: 'Running',
          containerStatuses: p.ofMain,
          initContainerStatuses: p.ofInit,
          ...(p.wholeNow && { resources: { requests: p.wholeNow } }),
          ...(p.wholeAllocated && { allocatedResources: p.wholeAllocated }),
          ...(p.isInfeasible && { conditions: [condition] }),
        },
      };
      t.same([...podRequests(trimPod(structuredClone(pod)))], [...podRequests(pod)]);
    }),
    { numRuns: 500, seed: 13 },
  );
});
