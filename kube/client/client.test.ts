import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ConfigMap, KubeObject, Pod } from '../../api/objects.ts';
import { CONFIG_MAPS, NAMESPACES, NODES, PODS, type Resource } from '../../api/resources.ts';
import { FencedError, KubeError } from '../errors.ts';
import { ApiProxy } from '../testing/apiproxy.ts';
import { upstreamOf, writeKubeconfig } from '../testing/kubeconfig.ts';
import { scratch } from '../testing/scratch.ts';
import { connect, type KubeClient } from './client.ts';

const directory = mkdtempSync(join(tmpdir(), 'client-test-'));

const { client, kubeconfig, namespace } = scratch(t, 'client');
t.teardown(() => rmSync(directory, { recursive: true }));

const SERVICE_ACCOUNTS: Resource = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  namespaced: true,
};

const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace },
  data,
});

const caught = async (work: Promise<unknown>): Promise<KubeError> => {
  try {
    await work;
  } catch (e) {
    if (e instanceof KubeError) return e;
    throw e;
  }
  throw new Error('nothing was thrown');
};

t.test('an object is made, read, changed with preconditions, and deleted', async (t) => {
  const made = await client.create(CONFIG_MAPS, configMap('a', { x: '1' }));
  t.equal((await client.get(CONFIG_MAPS, { name: 'a', namespace })).metadata.uid, made.metadata.uid);
  const replaced = await client.replace(CONFIG_MAPS, { ...made, data: { x: '2' } });
  t.same(replaced.data, { x: '2' });
  t.equal((await caught(client.replace(CONFIG_MAPS, { ...made, data: {} }))).kind, 'conflict');
  const stale = { metadata: { resourceVersion: made.metadata.resourceVersion }, data: { x: '3' } };
  t.equal((await caught(client.patch(CONFIG_MAPS, { name: 'a', namespace }, stale))).kind, 'conflict');
  const applied = await client.apply(
    CONFIG_MAPS,
    { metadata: { name: 'a', namespace }, data: { y: '1' } },
    { fieldManager: 'test' },
  );
  t.same(applied.data, { x: '2', y: '1' });
  t.equal(
    (await caught(client.delete(CONFIG_MAPS, { name: 'a', namespace }, { uid: 'other' }))).kind,
    'conflict',
  );
  await client.delete(CONFIG_MAPS, { name: 'a', namespace }, { uid: made.metadata.uid ?? '' });
  t.equal((await caught(client.get(CONFIG_MAPS, { name: 'a', namespace }))).kind, 'not-found');
});

t.test('a dry run changes nothing', async (t) => {
  await client.create(CONFIG_MAPS, configMap('dry'), { dryRun: true });
  t.equal((await caught(client.get(CONFIG_MAPS, { name: 'dry', namespace }))).kind, 'not-found');
});

t.test('each refusal has its kind', async (t) => {
  await client.create(CONFIG_MAPS, configMap('twice'));
  t.equal((await caught(client.create(CONFIG_MAPS, configMap('twice')))).kind, 'already-exists');
  t.equal((await caught(client.create(CONFIG_MAPS, configMap('Not_A_Name')))).kind, 'terminal');
  t.equal((await caught(client.get(CONFIG_MAPS, { name: 'no-namespace' }))).kind, 'terminal');
});

t.test('a list of more than a page is whole', async (t) => {
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

const podOn = async (client: KubeClient, name: string): Promise<Pod> => {
  await client
    .create(SERVICE_ACCOUNTS, { metadata: { name: 'default', namespace } } as KubeObject)
    .catch(() => {});
  return await client.create<Pod>(PODS, {
    metadata: { name, namespace },
    spec: {
      schedulerName: 'nobody',
      containers: [{ name: 'c', image: 'none' } as Pod['spec']['containers'][0]],
    },
  });
};

t.test(
  'a bind that is done again counts as done, one to another node or of another pod does not',
  async (t) => {
    const pod = await podOn(client, 'bound');
    const ref = { name: 'bound', namespace, uid: pod.metadata.uid ?? '' };
    t.equal((await caught(client.bind({ ...ref, uid: 'other' }, 'n1'))).kind, 'conflict');
    await client.bind(ref, 'n1');
    await client.bind(ref, 'n1');
    t.equal((await caught(client.bind(ref, 'n2'))).kind, 'conflict');
    t.equal((await client.get(PODS, ref)).spec.nodeName, 'n1');
    await client.delete(PODS, ref, { gracePeriodSeconds: 0 });
  },
);

t.test('an eviction that a budget forbids comes back at once as retryable', async (t) => {
  const pod = await podOn(client, 'guarded');
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
  const refused = await caught(client.evict(ref));
  t.equal(refused.kind, 'retryable');
  t.equal(refused.status, 429);
  t.ok(performance.now() - since < 3000);
  await client.delete(PODS, ref, { gracePeriodSeconds: 0 });
});

t.test('a guard is asked before each write and never before a read', async (t) => {
  let asked = 0;
  let isOpen = true;
  const fenced = client.guarded(() => {
    asked++;
    if (!isOpen) throw new FencedError('closed');
  });
  await fenced.create(CONFIG_MAPS, configMap('fenced'));
  await fenced.get(CONFIG_MAPS, { name: 'fenced', namespace });
  t.equal(asked, 1);
  isOpen = false;
  await t.rejects(fenced.delete(CONFIG_MAPS, { name: 'fenced', namespace }), { name: 'FencedError' });
  t.ok(await client.get(CONFIG_MAPS, { name: 'fenced', namespace }), 'it is still there');
});

t.test('a guard is asked after the connection stands, also where it is a new one', async (t) => {
  const fresh = connect({ kubeconfig, userAgent: 'fresh' });
  t.teardown(() => fresh.close());
  let askedAt = 0;
  const since = performance.now();
  await fresh
    .guarded(() => {
      askedAt = performance.now() - since;
    })
    .create(CONFIG_MAPS, configMap('fresh'));
  t.ok(askedAt > 0.5, `asked after ${askedAt.toFixed(1)} ms, when the handshake was done`);
});

t.test('the rate limit holds requests back on our side', async (t) => {
  const slow = connect({ kubeconfig, userAgent: 'slow', qps: 50, burst: 5 });
  t.teardown(() => slow.close());
  const since = performance.now();
  await Promise.all(Array.from({ length: 15 }, () => slow.get(NAMESPACES, { name: namespace })));
  t.ok(performance.now() - since >= 190, 'ten beyond the burst at fifty a second');
});

t.test('what is safe to repeat is repeated, what is not is not', async (t) => {
  const api = await ApiProxy.to(upstreamOf(kubeconfig));
  t.teardown(() => api.close());
  const through = connect({
    kubeconfig: writeKubeconfig(join(directory, 'api'), {
      server: `https://127.0.0.1:${api.port}`,
      ca: api.certificate,
    }),
    userAgent: 'through',
  });
  t.teardown(() => through.close());
  const failing = (times: number, code: number, retryAfter?: number): { readonly asked: number } => {
    const count = { asked: 0 };
    api.set(() =>
      count.asked++ < times
        ? { kind: 'status', code, ...(retryAfter === undefined ? {} : { retryAfter }) }
        : undefined,
    );
    return count;
  };
  let count = failing(2, 500);
  t.ok(await through.get(NAMESPACES, { name: namespace }));
  t.equal(count.asked, 3, 'a read');
  count = failing(2, 429);
  t.ok(await through.create(CONFIG_MAPS, configMap('refused-first')));
  t.equal(count.asked, 3, 'a create that was refused before it was done');
  count = failing(1, 500);
  t.equal((await caught(through.create(CONFIG_MAPS, configMap('in-doubt')))).kind, 'retryable');
  t.equal(count.asked, 1, 'a create that may have been done');
  count = failing(1, 429, 1);
  const since = performance.now();
  await through.get(NAMESPACES, { name: namespace });
  t.ok(performance.now() - since >= 990, 'as late as the server asked');
});

t.test('a wrong way to the server ends in one sentence that says what to do', async (t) => {
  const upstream = upstreamOf(kubeconfig);
  const free = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => free.once('listening', resolve));
  const { port } = free.address() as { port: number };
  await new Promise((resolve) => free.close(resolve));
  const via = (name: string, o: Partial<Parameters<typeof writeKubeconfig>[1]>): KubeClient => {
    const path = writeKubeconfig(join(directory, name), { ...upstream, ...o });
    const made = connect({ kubeconfig: path, userAgent: 'wrong' });
    t.teardown(() => made.close());
    return made;
  };
  const said = async (c: KubeClient): Promise<string> => (await caught(c.list(NODES))).message;
  t.match(
    await said(via('gone', { server: `https://127.0.0.1:${port}` })),
    /refused: is it running, and is the address/,
  );
  t.match(
    await said(via('name', { server: 'https://no-such-host.invalid' })),
    /name.*(check the server|check DNS)/,
  );
  const api = await ApiProxy.to(upstream);
  t.teardown(() => api.close());
  t.match(
    await said(via('ca', { server: `https://127.0.0.1:${api.port}` })),
    /certificate is not trusted: check cert/,
  );
  const path = writeKubeconfig(join(directory, 'token'), {
    server: upstream.server,
    ca: upstream.ca,
    token: 'bad',
  });
  const stranger = connect({ kubeconfig: path, userAgent: 'wrong' });
  t.teardown(() => stranger.close());
  t.match(await said(stranger), /does not accept our credentials \(401\): check the user/);
  const nobody = connect({ kubeconfig, userAgent: 'wrong' });
  t.teardown(() => nobody.close());
  const bad = join(directory, 'bad');
  writeFileSync(bad, 'clusters: [');
  t.throws(() => connect({ kubeconfig: bad, userAgent: 'x' }), {
    name: 'OptionsError',
    message: /is not valid/,
  });
  t.throws(() => connect({ kubeconfig: '/nowhere', userAgent: 'x' }), {
    message: /cannot read the kubeconfig/,
  });
  t.throws(() => connect({ userAgent: 'x', env: {} }), { message: /set KUBECONFIG or --kubeconfig/ });
});

t.test('a ServiceAccount without a right is told which, and a rotated token is picked up', async (t) => {
  await podOn(client, 'token-owner').catch(() => {});
  const token = async (): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`;
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 600 },
    };
    return (await client.request<{ status: { token: string } }>('POST', path, { body })).status.token;
  };
  const upstream = upstreamOf(kubeconfig);
  const tokenFile = join(directory, 'token-file');
  writeFileSync(tokenFile, 'not yet');
  const path = join(directory, 'with-token-file');
  const ca = upstream.ca.toString('base64');
  writeFileSync(
    path,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: upstream.server, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { tokenFile: 'token-file' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  const account = connect({ kubeconfig: path, userAgent: 'account' });
  t.teardown(() => account.close());
  t.equal((await caught(account.list(NODES))).status, 401);
  writeFileSync(tokenFile, `${await token()}\n`);
  const refused = await caught(account.list(NODES));
  t.equal(refused.kind, 'forbidden');
  t.match(refused.message, /system:serviceaccount:.*cannot list resource "nodes".*\(403\): grant it/);
});

t.test('a signal ends a request, and a retry that waits', async (t) => {
  await t.rejects(client.list(NODES, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});
