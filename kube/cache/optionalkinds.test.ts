import t from 'tap';
import type { KubeObject } from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';
import { isForbidden, isUnserved, KubeError } from '../errors.ts';
import { ignoreNotFound } from '../ignore.ts';
import { scratch, soon } from '../testing/scratch.ts';
import { createCache } from './cache.ts';

const { client, log } = scratch(t, 'optional-kinds');

const GROUP = `optional-${process.pid}.example.com`;
const WIDGETS: Resource = {
  group: GROUP,
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  namespaced: false,
};
const DEFINITIONS: Resource = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const definition = {
  metadata: { name: `widgets.${GROUP}` },
  spec: {
    group: GROUP,
    names: { kind: 'Widget', plural: 'widgets' },
    scope: 'Cluster',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};
const QUICK = { backoff: { firstMs: 20, maxMs: 100 }, patience: { refusedMs: 200, awayMs: 200 } };

t.teardown(() => client.delete(DEFINITIONS, { name: definition.metadata.name }).catch(() => {}));

t.test('an optional kind that is not served is empty, and is followed once it is there', async (t) => {
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const cache = createCache({ client, resource: WIDGETS, log, isOptional: true, ...QUICK });
  cache.start(stop.signal);
  await cache.synced();
  t.same(cache.list(), []);
  await client.create(DEFINITIONS, definition as KubeObject);
  await soon('the API server serves the kind', async () => {
    const created = await client
      .create(WIDGETS, { metadata: { name: 'one' } })
      .catch((e: unknown) => (isUnserved(e) ? undefined : Promise.reject(e)));
    return created !== undefined;
  });
  await soon('the cache has the object', () => cache.get('one') !== undefined);
  await client.delete(WIDGETS, { name: 'one' }).catch(ignoreNotFound);
  await soon('the cache is empty again', () => cache.size === 0);
});

t.test('an optional kind that we may not list holds nobody up', async (t) => {
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const refusing = {
    ...client,
    stream: () => Promise.reject(new KubeError('no right', { kind: 'forbidden', status: 403 })),
    request: () => Promise.reject(new KubeError('no right', { kind: 'forbidden', status: 403 })),
  };
  const optional = createCache({ client: refusing, resource: WIDGETS, log, isOptional: true, ...QUICK });
  optional.start(stop.signal);
  await optional.synced();
  const needed = createCache({ client: refusing, resource: WIDGETS, log, ...QUICK });
  needed.start(stop.signal);
  await t.rejects(needed.synced(), { message: /cannot list widgets/ });
  t.equal(isForbidden(await needed.synced().catch((e: unknown) => e)), true);
});
