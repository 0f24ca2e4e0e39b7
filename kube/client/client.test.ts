import t from 'tap';
import type { ConfigMap, KubeObject } from '../../api/objects.ts';
import { CONFIG_MAPS, NODES, PODS, type Resource } from '../../api/resources.ts';
import { kubeErrorOf } from '../testing/kubeerror.ts';
import { paced } from '../testing/pace.ts';
import { scratch } from '../testing/scratch.ts';
import { createUnscheduledPod } from '../testing/unscheduledpod.ts';

const { client, namespace } = scratch(t, 'client');

const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace },
  data,
});

t.test('an object is created, read, changed with preconditions, and deleted', async (t) => {
  const created = await client.create(CONFIG_MAPS, configMap('a', { x: '1' }));
  t.equal((await client.get(CONFIG_MAPS, { name: 'a', namespace })).metadata.uid, created.metadata.uid);
  const replaced = await client.replace(CONFIG_MAPS, { ...created, data: { x: '2' } });
  t.same(replaced.data, { x: '2' });
  t.equal((await kubeErrorOf(client.replace(CONFIG_MAPS, { ...created, data: {} }))).kind, 'conflict');
  const stale = { metadata: { resourceVersion: created.metadata.resourceVersion }, data: { x: '3' } };
  t.equal((await kubeErrorOf(client.patch(CONFIG_MAPS, { name: 'a', namespace }, stale))).kind, 'conflict');
  const applied = await client.apply(
    CONFIG_MAPS,
    { metadata: { name: 'a', namespace }, data: { y: '1' } },
    { fieldManager: 'test' },
  );
  t.same(applied.data, { x: '2', y: '1' });
  t.equal(
    (await kubeErrorOf(client.delete(CONFIG_MAPS, { name: 'a', namespace }, { uid: 'other' }))).kind,
    'conflict',
  );
  await client.delete(CONFIG_MAPS, { name: 'a', namespace }, { uid: created.metadata.uid ?? '' });
  t.equal((await kubeErrorOf(client.get(CONFIG_MAPS, { name: 'a', namespace }))).kind, 'not-found');
});

t.test('a dry run changes nothing', async (t) => {
  await client.create(CONFIG_MAPS, configMap('dry'), { dryRun: true });
  t.equal((await kubeErrorOf(client.get(CONFIG_MAPS, { name: 'dry', namespace }))).kind, 'not-found');
});

t.test('each refused request has its error kind', async (t) => {
  await client.create(CONFIG_MAPS, configMap('twice'));
  t.equal((await kubeErrorOf(client.create(CONFIG_MAPS, configMap('twice')))).kind, 'already-exists');
  t.equal((await kubeErrorOf(client.create(CONFIG_MAPS, configMap('Not_A_Name')))).kind, 'terminal');
  t.equal((await kubeErrorOf(client.get(CONFIG_MAPS, { name: 'no-namespace' }))).kind, 'terminal');
});

t.test('a list of several pages is complete', async (t) => {
  const names = Array.from({ length: 1100 }, (_, i) => `many-${i}`);
  const labels = { many: 'yes' };
  for (let i = 0; i < names.length; i += 50)
    await Promise.all(
      names
        .slice(i, i + 50)
        .map((name) => client.create(CONFIG_MAPS, { metadata: { name, namespace, labels } })),
    );
  const { items, resourceVersion } = await client.list(CONFIG_MAPS, { namespace, labelSelector: 'many=yes' });
  t.equal(new Set(items.map((i) => i.metadata.name)).size, 1100);
  t.match(resourceVersion, /^\d+$/);
});

t.test('an eviction that a budget forbids fails at once as retryable', async (t) => {
  const pod = await createUnscheduledPod(client, { name: 'guarded', namespace });
  const ref = { name: 'guarded', namespace, uid: pod.metadata.uid ?? '' };
  const budgets: Resource = {
    ...PODS,
    group: 'policy',
    kind: 'PodDisruptionBudget',
    plural: 'poddisruptionbudgets',
  };
  await client.patch(PODS, ref, { metadata: { labels: { app: 'guarded' } }, status: {} });
  await client.create(budgets, {
    metadata: { name: 'all', namespace },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'guarded' } } },
  } as KubeObject);
  // A pod that never ran may go unless the budget says otherwise.
  await client.patch(
    PODS,
    ref,
    { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
    { subresource: 'status' },
  );
  const since = performance.now();
  const refused = await kubeErrorOf(client.evict(ref));
  t.equal(refused.kind, 'retryable');
  t.equal(refused.status, 429);
  t.ok(performance.now() - since < paced(3_000));
  await client.delete(PODS, ref, { gracePeriodSeconds: 0 });
});

t.test('a patch of an object that was replaced under its name conflicts', async (t) => {
  const pod = await createUnscheduledPod(client, { name: 'replaced', namespace });
  const ref = { name: 'replaced', namespace };
  for (const options of [{}, { subresource: 'status' }]) {
    const refused = await kubeErrorOf(client.patch(PODS, ref, { metadata: { uid: 'earlier' } }, options));
    t.equal(refused.kind, 'conflict');
  }
  const { uid } = pod.metadata;
  await client.patch(PODS, ref, { metadata: { uid, labels: { a: 'b' } } });
  await client.delete(PODS, ref, { gracePeriodSeconds: 0 });
});

t.test('a pod that changed since it was read is not evicted', async (t) => {
  const pod = await createUnscheduledPod(client, { name: 'changing', namespace });
  const { uid = '', resourceVersion = '' } = pod.metadata;
  const seen = { name: 'changing', namespace, uid, resourceVersion };
  await client.patch(PODS, seen, { metadata: { annotations: { changed: 'true' } } });
  t.equal((await kubeErrorOf(client.evict(seen))).kind, 'conflict');
  const now = await client.get(PODS, seen);
  await client.evict({ ...seen, resourceVersion: now.metadata.resourceVersion ?? '' });
  t.equal((await kubeErrorOf(client.get(PODS, seen))).kind, 'not-found');
});

t.test('an aborted signal ends a request', async (t) => {
  await t.rejects(client.list(NODES, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});
