import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { UNDO_FINALIZER } from '../../api/labels.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CONFIG_MAPS,
  LEASES,
  SERVICE_ACCOUNTS,
} from '../../api/resources.ts';
import { connect, type KubeClient } from '../client/client.ts';
import { isForbidden, isNotFound } from '../errors.ts';
import { getOrUndefined } from '../ignore.ts';
import { upstreamOf, writeKubeconfig } from '../testing/kubeconfig.ts';
import { paced } from '../testing/pace.ts';
import { scratch, soon } from '../testing/scratch.ts';
import { createGuards, type Guards } from './guards.ts';

const { client, kubeconfig, namespace } = scratch(t, 'guards');
const folder = mkdtempSync(join(tmpdir(), 'guards-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const signal = AbortSignal.timeout(paced(600_000));

const RULES = [
  {
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['clusterroles', 'clusterrolebindings'],
    verbs: ['get', 'patch'],
  },
  { apiGroups: [''], resources: ['serviceaccounts', 'configmaps'], verbs: ['get', 'patch', 'create'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'patch'] },
];

/** A ServiceAccount with rights like kentroller's, and a client that is nobody but it. */
const identity = async (
  name: string,
): Promise<{
  readonly own: KubeClient;
  readonly guards: Guards;
  readonly refs: Parameters<KubeClient['get']>[];
}> => {
  await client.create(SERVICE_ACCOUNTS, { metadata: { name, namespace } });
  await client.create(CLUSTER_ROLES, { metadata: { name }, rules: RULES } as never);
  await client.create(CLUSTER_ROLE_BINDINGS, {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  } as never);
  await client.create(LEASES, { metadata: { name, namespace } });
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const { status } = await client.request<{ status: { token: string } }>('POST', path, { body });
  const { server, ca } = upstreamOf(kubeconfig);
  const file = writeKubeconfig(join(folder, name), { server, ca, token: status.token });
  const own = connect({ kubeconfig: file, userAgent: name });
  t.teardown(() => own.close());
  await soon('the rights are there', () =>
    own.get(CLUSTER_ROLES, { name }, { signal }).then(
      () => true,
      () => false,
    ),
  );
  return {
    own,
    guards: createGuards(own, { namespace, name, lease: name }),
    refs: [
      [LEASES, { namespace, name }],
      [SERVICE_ACCOUNTS, { namespace, name }],
      [CLUSTER_ROLE_BINDINGS, { name }],
      [CLUSTER_ROLES, { name }],
    ],
  };
};

const present = async (refs: Parameters<KubeClient['get']>[]): Promise<readonly string[]> =>
  (
    await Promise.all(
      refs.map(async ([resource, ref]) =>
        (await getOrUndefined(client.get(resource, ref))) ? [resource.kind] : [],
      ),
    )
  ).flat();

t.test('an identity that is being deleted keeps its rights, and can let all of itself go', async (t) => {
  // Without the wait of all requests for each other, the second one is refused now and then.
  for (let round = 0; round < 10; round++) {
    const name = `${namespace}-${round}`;
    const { own, guards, refs } = await identity(name);
    await guards.raise(signal);
    t.equal((await guards.raised(signal)).length, 4);
    t.notOk(await guards.isLeaving(signal));
    for (const [resource, ref] of refs) await client.delete(resource, ref);
    t.strictSame(
      await present(refs),
      refs.map(([{ kind }]) => kind),
      'all are still there',
    );
    t.ok(await guards.isLeaving(signal));
    await own.create(CONFIG_MAPS, { metadata: { name, namespace } });
    await guards.lower(signal);
    t.strictSame(await present(refs), [], 'nothing is left');
    await t.rejects(own.get(CLUSTER_ROLES, { name }), 'and nobody has the rights');
  }
});

t.test('guards are raised twice without harm, and other finalizers stay', async (t) => {
  const name = `${namespace}-twice`;
  const { guards, refs } = await identity(name);
  const ref = { name };
  await client.patch(CLUSTER_ROLES, ref, { metadata: { finalizers: ['test.example/other'] } });
  await guards.raise(signal);
  await guards.raise(signal);
  t.strictSame((await client.get(CLUSTER_ROLES, ref)).metadata.finalizers, [
    'test.example/other',
    UNDO_FINALIZER,
  ]);
  await guards.lower(signal);
  t.strictSame(await guards.raised(signal), []);
  t.strictSame((await client.get(CLUSTER_ROLES, ref)).metadata.finalizers, ['test.example/other']);
  await client.patch(CLUSTER_ROLES, ref, { metadata: { finalizers: null } });
  for (const [resource, each] of refs) await client.delete(resource, each);
});

t.test('where one of them is being deleted, the guards are not raised', async (t) => {
  const name = `${namespace}-late`;
  const { guards, refs } = await identity(name);
  await client.patch(
    SERVICE_ACCOUNTS,
    { name, namespace },
    { metadata: { finalizers: ['test.example/other'] } },
  );
  await client.delete(SERVICE_ACCOUNTS, { name, namespace });
  await t.rejects(guards.raise(signal), /ServiceAccount .* is being deleted/);
  await client.patch(SERVICE_ACCOUNTS, { name, namespace }, { metadata: { finalizers: null } });
  for (const [resource, ref] of refs) {
    await client.patch(resource, ref, { metadata: { finalizers: null } }).catch((error: unknown) => {
      if (!isNotFound(error) && !isForbidden(error)) throw error;
    });
    await client.delete(resource, ref).catch(() => {});
  }
});
