import t from 'tap';
import { POD_TEMPLATE_HASH } from '../api/labels.ts';
import { DEPLOYMENTS, NAMESPACES, PODS } from '../api/resources.ts';
import { isForbidden } from '../kube/errors.ts';
import { scratch } from '../kube/testing/scratch.ts';
import { type Guards, NO_GUARDS } from '../kube/undo/guards.ts';
import { isLeavingForGood } from './leave.ts';

const { client, namespace } = scratch(t, 'leave');
const HASH = 'abc';
const container = { name: 'c', image: 'pause:local' };

const pod = async (name: string, replicaSet?: string): Promise<string> => {
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: replicaSet ?? '',
    uid: 'u',
    controller: true,
  };
  await client.create(PODS, {
    metadata: {
      name,
      namespace,
      labels: { [POD_TEMPLATE_HASH]: HASH },
      ...(replicaSet && { ownerReferences: [owner] }),
    },
    spec: { containers: [container], nodeName: 'none' },
  });
  return name;
};

const deployment = (name: string, replicas: number) =>
  client.create(DEPLOYMENTS, {
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
    },
  } as never);

const isLeaving = (podName: string, guards: Guards = NO_GUARDS, at = namespace): Promise<boolean> =>
  isLeavingForGood(client, { namespace: at, podName, guards });

t.test('a pod in a rollout has a successor', async (t) => {
  await deployment('web-x', 2);
  t.notOk(await isLeaving(await pod('rollout', `web-x-${HASH}`)));
});

t.test('with 0 replicas, or without its Deployment, nobody comes after a pod', async (t) => {
  await deployment('none', 0);
  t.ok(await isLeaving(await pod('scaled', `none-${HASH}`)));
  t.ok(await isLeaving(await pod('deleted', `gone-${HASH}`)));
});

t.test('a pod without a Deployment never leaves for good by itself', async (t) => {
  t.notOk(await isLeaving(await pod('bare')));
  t.notOk(await isLeaving('unknown'));
});

t.test('rights that are being deleted mean the end', async (t) => {
  t.ok(await isLeaving('rollout', { ...NO_GUARDS, isLeaving: async () => true }));
});

t.test('a question that can not be answered means nothing, unless the rights are gone', async (t) => {
  const failing = (message: string): Guards => ({
    ...NO_GUARDS,
    isLeaving: () => client.request('GET', message).then(() => false),
  });
  t.notOk(await isLeaving('rollout', failing('/apis/nothing')));
  const error = await client.request('GET', '/apis/nothing').catch((e: unknown) => e);
  t.notOk(isForbidden(error));
});

t.test('a namespace that is being deleted, or is gone, means the end', async (t) => {
  t.ok(await isLeaving('rollout', NO_GUARDS, `${namespace}-gone`));
  const name = `${namespace}-going`;
  // The finalizer of namespaces keeps it while nothing ends it.
  await client.create(NAMESPACES, { metadata: { name, finalizers: ['test.example/hold'] } });
  await client.delete(NAMESPACES, { name });
  t.ok(await isLeaving('rollout', NO_GUARDS, name));
  await client.patch(NAMESPACES, { name }, { metadata: { finalizers: null } });
});
