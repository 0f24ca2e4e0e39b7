import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER } from '../../api/labels.ts';
import type { Namespace, Node, Pod, ReplicaSet } from '../../api/objects.ts';
import { NAMESPACES, NODES, PODS, REPLICA_SETS } from '../../api/resources.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { pacedSeconds } from '../../kube/testing/pace.ts';
import { until } from '../../kube/testing/until.ts';
import { grantAll, removeKubeconfigs, revokeAll, writeKubeconfig } from '../support/account.ts';

/** Helpers of suites that run components as processes against the API server of KUBECONFIG. */

export const kubeconfig = process.env.KUBECONFIG ?? '';
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');

/** The address at which the API server reaches this process: it may have its own network. */
export const ownHost = process.env.SUITE_HOST ?? '127.0.0.1';

/** Accounts that components of a scene act as, see component.ts. */
const ACCOUNTS = [KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER];

/** Asks until the answer is neither undefined nor false. Throws with the last error after the deadline. */
export const eventually = <T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 20_000,
): Promise<T> => until(what, ask, { timeoutMs, everyMs: 20 });

/** A namespace of a suite with what it needs to create pods; all of it is deleted at the end. */
export class Scene {
  readonly client = connect({ kubeconfig, userAgent: 'suite', qps: 1_000, burst: 2_000 });
  readonly #nodes: string[] = [];
  readonly namespace: string;

  constructor(name: string) {
    this.namespace = `${name}-${process.pid}`;
  }

  async open(): Promise<void> {
    await this.client.create<Namespace>(NAMESPACES, { metadata: { name: this.namespace } });
    for (const name of ACCOUNTS) {
      await this.account(name);
      await writeKubeconfig(this.client, kubeconfig, { namespace: this.namespace, name });
    }
    await grantAll(this.client, this.namespace);
    await eventually('the default ServiceAccount', async () => {
      await this.client.request('GET', `/api/v1/namespaces/${this.namespace}/serviceaccounts/default`);
      return true;
    });
  }

  async account(name: string): Promise<void> {
    await this.client.request('POST', `/api/v1/namespaces/${this.namespace}/serviceaccounts`, {
      body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
    });
  }

  /** A node name of this suite alone; a Node of that name is deleted at the end. */
  nodeName(suffix: string): string {
    const name = `${this.namespace}-${suffix}`;
    if (!this.#nodes.includes(name)) this.#nodes.push(name);
    return name;
  }

  /** A ReplicaSet that makes `replicas` pods of this size. */
  async replicaSet(
    name: string,
    replicas: number,
    o: { readonly requests?: Readonly<Record<string, string>>; readonly spec?: object } = {},
  ): Promise<ReplicaSet> {
    const labels = { app: name };
    const spec = {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            { name: 'main', image: 'main', resources: { requests: o.requests ?? { cpu: '100m' } } },
          ],
          ...o.spec,
        },
      },
    };
    const metadata = { name, namespace: this.namespace };
    return this.client.create<ReplicaSet>(REPLICA_SETS, { metadata, spec } as ReplicaSet);
  }

  async scale(name: string, replicas: number): Promise<void> {
    await this.client.patch(REPLICA_SETS, { name, namespace: this.namespace }, { spec: { replicas } });
  }

  async podsOf(name: string): Promise<Pod[]> {
    const { namespace } = this;
    const { items } = await this.client.list(PODS, { namespace, labelSelector: `app=${name}` });
    return items;
  }

  async node(name: string): Promise<Node | undefined> {
    try {
      return await this.client.get(NODES, { name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const { client, namespace } = this;
    await client.request('DELETE', `/apis/apps/v1/namespaces/${namespace}/replicasets`);
    await client.request('DELETE', `/api/v1/namespaces/${namespace}/pods`, {
      body: { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 },
    });
    for (const name of this.#nodes) await client.delete(NODES, { name }).catch(() => {});
    await client.delete(NAMESPACES, { name: namespace }).catch(() => {});
    await revokeAll(client, namespace);
    removeKubeconfigs(kubeconfig, namespace);
    client.close();
  }
}

/** A port of loopback that nobody listens on at the moment. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** Environment of the pod pinner as a process that finds its peers in this namespace. */
export const pinnerEnv = (namespace: string, name: string): Record<string, string> => ({
  POD_NAMESPACE: namespace,
  POD_NAME: name,
  HOST: '127.0.0.1',
  PEER_HOST: '127.0.0.1',
  PEER_CALLERS: `system:serviceaccount:${namespace}:castai-pod-pinner-webhook`,
  PORT: '0',
  HEALTH_PORT: '0',
  PEER_PORT: '0',
  LEASE_DURATION: pacedSeconds(3, 0),
  RENEW_DEADLINE: pacedSeconds(2, 0),
  RETRY_PERIOD: '300ms',
  LOG_LEVEL: 'debug',
});

/** Joins as a kubelet does: it writes who it is, what it has, and that it is ready. */
export const joinAs = async (client: KubeClient, name: string): Promise<void> => {
  const now = new Date().toISOString();
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
  const nodeInfo = { kubeletVersion: 'v1.36.3', operatingSystem: 'linux', architecture: 'amd64' };
  await client.patch(
    NODES,
    { name },
    { status: { nodeInfo, conditions: [ready] } },
    { subresource: 'status' },
  );
};
