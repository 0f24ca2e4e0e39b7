import * as labels from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { PODS, type Resource } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';

/** Deployments of pods that do nothing but hold their requests. */

interface Deployment {
  readonly metadata: { readonly name: string; readonly namespace: string };
}

export const DEPLOYMENTS: Resource<Deployment> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
};

export interface DeploymentOptions {
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  readonly cpu: string;
  readonly memory: string;
  readonly pool: string;
  readonly podSpec?: object;
}

const STATEFUL_SETS: Resource<Deployment> = { ...DEPLOYMENTS, kind: 'StatefulSet', plural: 'statefulsets' };

/** What both kinds of workloads have in common. */
const specOf = (o: DeploymentOptions) => ({
  replicas: o.replicas,
  selector: { matchLabels: { app: o.name } },
  template: {
    metadata: { labels: { app: o.name } },
    spec: {
      nodeSelector: { [labels.KARPENTER_NODEPOOL]: o.pool },
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'app',
          image: 'pause:local',
          resources: { requests: { cpu: o.cpu, memory: o.memory } },
        },
      ],
      ...o.podSpec,
    },
  },
});

/** Applies a Deployment whose pods run on machines of one NodePool. */
export const applyDeployment = (client: KubeClient, o: DeploymentOptions) =>
  client.apply(
    DEPLOYMENTS,
    { metadata: { name: o.name, namespace: o.namespace }, spec: specOf(o) },
    { fieldManager: 'e2e', force: true },
  );

/** The same for a StatefulSet, whose pods come all at once. */
export const applyStatefulSet = (client: KubeClient, o: DeploymentOptions) =>
  client.apply(
    STATEFUL_SETS,
    {
      metadata: { name: o.name, namespace: o.namespace },
      spec: { ...specOf(o), serviceName: o.name, podManagementPolicy: 'Parallel' },
    },
    { fieldManager: 'e2e', force: true },
  );

export const isLive = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  pod.status?.phase !== 'Succeeded' &&
  pod.status?.phase !== 'Failed';

export const isRunning = (pod: Pod): boolean => isLive(pod) && pod.status?.phase === 'Running';

/** Waits until exactly this many pods of the namespace live, and all of them run. */
export const podsRunning = (client: KubeClient, namespace: string, count: number, timeoutMs: number) =>
  until(
    `${count} pods of ${namespace} running`,
    async () => {
      const { items } = await client.list(PODS, { namespace });
      const live = items.filter(isLive);
      return live.length === count && live.every(isRunning) ? live : undefined;
    },
    { timeoutMs, everyMs: 500 },
  );

export const createNamespace = (client: KubeClient, name: string) =>
  client.request('PATCH', `/api/v1/namespaces/${name}`, {
    query: { fieldManager: 'e2e', force: 'true' },
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
    contentType: 'application/apply-patch+yaml',
  });

export const deleteNamespace = async (client: KubeClient, name: string): Promise<void> => {
  await client.request('DELETE', `/api/v1/namespaces/${name}`).catch(() => undefined);
  await until(
    `namespace ${name} gone`,
    () =>
      client.request('GET', `/api/v1/namespaces/${name}`).then(
        () => false,
        () => true,
      ),
    { timeoutMs: 180_000, everyMs: 500 },
  );
};
