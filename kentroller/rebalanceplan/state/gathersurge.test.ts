import t from 'tap';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { POD_TEMPLATE_HASH, SURGE, SURGED } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import * as resources from '../../../api/resources.ts';
import { createCache } from '../../../kube/cache/cache.ts';
import { POD_INDEXES } from '../../../kube/cache/trim.ts';
import { connect } from '../../../kube/client/client.ts';
import { createLogger } from '../../../kube/component/log.ts';
import { until } from '../../../kube/testing/until.ts';
import { gatherSurge } from './gathersurge.ts';
import { DETACHED_BY, detachedBy, surgeRecordOf } from './surgerecord.ts';

/** Surge facts of Deployments and ReplicaSets that Kubernetes' own controllers run. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'surge-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'surge-test', level: 'silent' });
const namespace = `surge-${process.pid}`;
const stopping = new AbortController();
const { signal } = stopping;
const caches = {
  pods: createCache({
    client,
    log,
    resource: resources.PODS,
    namespace,
    indexes: { ...POD_INDEXES, [DETACHED_BY]: detachedBy },
  }),
  replicaSets: createCache({ client, log, resource: resources.REPLICA_SETS, namespace }),
  persistentVolumeClaims: createCache({
    client,
    log,
    resource: resources.PERSISTENT_VOLUME_CLAIMS,
    namespace,
  }),
};
const SOON = { timeoutMs: 30_000, everyMs: 50 };

interface Wish {
  readonly annotations?: Record<string, string>;
  readonly replicas?: number;
  readonly strategy?: string;
  readonly volume?: string;
}

const deploy = (name: string, wish: Wish): Promise<unknown> =>
  client.create(resources.DEPLOYMENTS, {
    metadata: { name, namespace, ...(wish.annotations && { annotations: wish.annotations }) },
    spec: {
      replicas: wish.replicas ?? 1,
      selector: { matchLabels: { app: name } },
      ...(wish.strategy && { strategy: { type: wish.strategy } }),
      template: {
        metadata: { labels: { app: name } },
        spec: {
          nodeSelector: { nowhere: 'true' },
          containers: [{ name: 'app', image: 'pause:local' }],
          ...(wish.volume && {
            volumes: [{ name: 'data', persistentVolumeClaim: { claimName: wish.volume } }],
          }),
        },
      },
    } as object,
  });

const claimVolume = (name: string, mode: string): Promise<unknown> =>
  client.create(resources.PERSISTENT_VOLUME_CLAIMS, {
    metadata: { name, namespace },
    spec: {
      accessModes: [mode],
      storageClassName: 'none',
      resources: { requests: { storage: '1Gi' } },
    } as object,
  });

const podOf = (app: string): Promise<Pod> =>
  until(`pod of ${app}`, () => caches.pods.list().find((pod) => pod.metadata.labels?.app === app), SOON);

/** A plan whose status says that it detached these pods. */
const planOf = (name: string, detached: readonly Pod[]): RebalancePlan => ({
  metadata: { name },
  spec: { execute: true },
  status: {
    detachedPods: detached.map((pod) => {
      const record = surgeRecordOf(pod);
      const { namespace = '', name = '', uid = '' } = pod.metadata;
      const { hash = '', replicaSet = { name: '', uid: '' } } = record ?? {};
      return { namespace, name, uid, hash, replicaSet };
    }),
  },
});

const gather = (pods: readonly Pod[], byDefault = false) =>
  gatherSurge({ client, caches, byDefault }, planOf('p', pods), pods, signal);

const YES = { [SURGE]: 'true' };
const WISHES: Readonly<Record<string, readonly [Wish, boolean, boolean]>> = {
  asks: [{ annotations: YES }, true, true],
  'says-nothing': [{}, false, true],
  refuses: [{ annotations: { [SURGE]: 'false' } }, false, false],
  'has-two': [{ annotations: YES, replicas: 2 }, false, false],
  recreates: [{ annotations: YES, strategy: 'Recreate' }, false, false],
  'has-a-disk': [{ annotations: YES, volume: 'disk' }, false, false],
  'has-a-share': [{ annotations: YES, volume: 'share' }, true, true],
};

t.before(async () => {
  await client.create(resources.NAMESPACES, { metadata: { name: namespace } });
  await claimVolume('disk', 'ReadWriteOnce');
  await claimVolume('share', 'ReadWriteMany');
  for (const cache of Object.values(caches)) cache.start(signal);
  await Promise.all(Object.values(caches).map((cache) => cache.synced(signal)));
  await Promise.all(Object.entries(WISHES).map(([name, [wish]]) => deploy(name, wish)));
});
t.teardown(async () => {
  stopping.abort();
  await client.delete(resources.NAMESPACES, { name: namespace });
  client.close();
});

for (const [name, [, asked, byDefault]] of Object.entries(WISHES)) {
  t.test(`a pod whose Deployment ${name.replaceAll('-', ' ')}`, async (t) => {
    const pod = await podOf(name);
    const uid = pod.metadata.uid ?? '';
    t.equal((await gather([pod])).soleReplicas.has(uid), asked, 'with surge off by default');
    t.equal((await gather([pod], true)).soleReplicas.has(uid), byDefault, 'with surge on by default');
  });
}

/** The pod once it is detached. */
const detach = (pod: Pod): Pod => {
  const owner = pod.metadata.ownerReferences?.[0];
  const hash = pod.metadata.labels?.[POD_TEMPLATE_HASH];
  const record = { plan: 'p', hash, replicaSet: { name: owner?.name, uid: owner?.uid } };
  return {
    ...pod,
    metadata: { ...pod.metadata, ownerReferences: [], annotations: { [SURGED]: JSON.stringify(record) } },
  };
};

t.test('a detached pod waits for its successor until it is ready or not wanted any more', async (t) => {
  const pod = detach(await podOf('asks'));
  const uid = pod.metadata.uid ?? '';
  t.notOk((await gather([pod])).succeeded.has(uid), 'no successor is ready');
  const { name = '' } = pod.metadata.annotations?.[SURGED]
    ? (JSON.parse(pod.metadata.annotations[SURGED]) as { replicaSet: { name: string } }).replicaSet
    : {};
  const ref = { name: 'asks', namespace };
  await client.patch(resources.DEPLOYMENTS, ref, { spec: { replicas: 0 } });
  await until(
    'its ReplicaSet wants none',
    () => caches.replicaSets.get(`${namespace}/${name}`)?.spec?.replicas === 0,
    SOON,
  );
  const none = await gather([pod]);
  t.ok(none.succeeded.has(uid));
  t.notOk(none.orphaned.has(uid));
  await client.delete(resources.DEPLOYMENTS, ref, { propagationPolicy: 'Background' });
  await until('its ReplicaSet was deleted', () => !caches.replicaSets.get(`${namespace}/${name}`), SOON);
  t.ok((await gather([pod])).orphaned.has(uid));
});

t.test('an unreadable annotation is no surge record', async (t) => {
  const pod = await podOf('says-nothing');
  const odd = { ...pod, metadata: { ...pod.metadata, annotations: { [SURGED]: '{"plan":1}' } } };
  t.same((await gather([odd])).succeeded, new Set());
});

t.test('a pod that the plan detached is found on any node, by the plan alone', async (t) => {
  const { metadata } = await podOf('has-two');
  const owner = metadata.ownerReferences?.[0];
  const replicaSet = { name: owner?.name, uid: owner?.uid };
  const record = JSON.stringify({ plan: 'p', hash: metadata.labels?.[POD_TEMPLATE_HASH], replicaSet });
  await client.patch(
    resources.PODS,
    { name: metadata.name, namespace },
    {
      metadata: {
        labels: { [POD_TEMPLATE_HASH]: null },
        ownerReferences: null,
        annotations: { [SURGED]: record },
      },
    },
  );
  const detached = await until(
    'the cache shows it',
    () => caches.pods.by(DETACHED_BY, 'p').find((pod) => pod.metadata.uid === metadata.uid),
    SOON,
  );
  const uids = async (plan: RebalancePlan): Promise<readonly (string | undefined)[]> => {
    const state = await gatherSurge({ client, caches, byDefault: false }, plan, [], signal);
    return state.detached.map((pod) => pod.metadata.uid);
  };
  t.same(await uids(planOf('p', [detached])), [metadata.uid]);
  t.same(await uids(planOf('other', [detached])), []);
  t.same(await uids(planOf('p', [])), [], 'attack: its status does not say so');
});
