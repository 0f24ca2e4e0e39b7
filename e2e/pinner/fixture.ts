import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { PREPARING_TAINT } from '../../api/labels.ts';
import type { Namespace, Node, Pod, ReplicaSet } from '../../api/objects.ts';
import {
  type ClientMessage,
  type Intent,
  loadPinningServices,
  type Result,
  type ServerMessage,
} from '../../api/pinning.ts';
import { LEASES, NAMESPACES, NODES, PODS, REPLICA_SETS } from '../../api/resources.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { isNotFound } from '../../kube/errors.ts';
import { servePeers } from '../../kube/grpc/peer.ts';

/** Helpers of suites that run components as processes against the API server of KUBECONFIG. */

export const kubeconfig = process.env.KUBECONFIG ?? '';
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');

/** The address at which the API server reaches this process: it may have its own network. */
export const ownHost = process.env.SUITE_HOST ?? '127.0.0.1';

/** Asks until the answer is neither undefined nor false. Throws with the last error after the deadline. */
export const eventually = async <T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 20_000,
): Promise<T> => {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const found = await ask();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await sleep(20);
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last });
};

type Stream = ServerDuplexStream<ClientMessage, ServerMessage>;

/** An autoscaler that sends whatever a suite wants. */
export class Autoscaler {
  readonly intents = new Map<string, Intent>();
  readonly results = new Map<string, Result>();
  readonly hellos: string[] = [];
  readonly #streams = new Set<Stream>();
  #version = 0;
  #close: () => Promise<void> = async () => {};

  get streams(): number {
    return this.#streams.size;
  }

  /** Serves and publishes itself on the Lease castai-kentroller of the namespace, as the real one does. */
  static async start(client: KubeClient, namespace: string): Promise<Autoscaler> {
    const made = new Autoscaler();
    const server = await servePeers({
      client,
      host: '127.0.0.1',
      advertise: '127.0.0.1',
      port: 0,
      callers: [],
      services: [
        {
          definition: loadPinningServices().pinning,
          implementation: { Stream: (stream: Stream) => made.#serve(stream) },
        },
      ],
      log: createLogger({ component: 'autoscaler', level: 'silent' }),
    });
    const metadata = { name: 'castai-kentroller', namespace, annotations: server.annotations };
    const spec = { holderIdentity: 'suite', leaseDurationSeconds: 3600 };
    await client.apply(LEASES, { metadata, spec }, { fieldManager: 'suite', force: true });
    made.#close = () => server.close();
    return made;
  }

  upsert(...intents: readonly Intent[]): void {
    for (const intent of intents) {
      this.intents.set(intent.id, intent);
      this.#tell({ version: ++this.#version, upsert: intent });
    }
  }

  remove(id: string): void {
    this.intents.delete(id);
    this.#tell({ version: ++this.#version, removed: id });
  }

  /** Breaks every stream; the clients come back. */
  cut(): void {
    for (const stream of this.#streams) stream.emit('error', { code: 14, details: 'cut by the suite' });
    this.#streams.clear();
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.end();
    await this.#close();
  }

  #tell(message: ServerMessage): void {
    for (const stream of this.#streams) stream.write(message);
  }

  #serve(stream: Stream): void {
    stream.on('data', ({ hello, result }: ClientMessage) => {
      if (hello) {
        this.hellos.push(hello.clientId);
        for (const intent of this.intents.values()) stream.write({ version: this.#version, upsert: intent });
        stream.write({ version: this.#version, synced: {} });
        this.#streams.add(stream);
      }
      if (result) this.results.set(result.intentId, result);
    });
    for (const event of ['end', 'error', 'cancelled']) stream.on(event, () => this.#streams.delete(stream));
    stream.resume();
  }
}

export interface Line {
  readonly msg?: string;
  readonly level?: string;
  readonly [field: string]: unknown;
}

/** Components start often: keeping Node's compiled code halves the work of a start. */
const COMPILED = join(tmpdir(), 'precision-packer-compiled');

/** A component of ours as a process. */
export class Component {
  readonly lines: Line[] = [];
  readonly process: ChildProcess;

  /** `main` is the path from the repository's root. */
  constructor(main: string, env: Readonly<Record<string, string>>, args: readonly string[] = []) {
    const path = fileURLToPath(new URL(`../../${main}`, import.meta.url));
    this.process = spawn(process.execPath, [path, ...args], {
      env: { PATH: process.env.PATH, KUBECONFIG: kubeconfig, NODE_COMPILE_CACHE: COMPILED, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (this.process.stdout) {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        try {
          this.lines.push(JSON.parse(line) as Line);
        } catch {
          this.lines.push({ msg: line });
        }
      });
    }
  }

  said(msg: string, fields: Readonly<Record<string, unknown>> = {}): Line | undefined {
    return this.lines.find(
      (line) => line.msg === msg && Object.entries(fields).every(([key, value]) => line[key] === value),
    );
  }

  /** Ends the process and waits for its end; the exit code, or the signal's name. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    if (process.env.SHOW_LOGS)
      for (const line of this.lines) process.stderr.write(`${JSON.stringify(line)}\n`);
    const { exitCode, signalCode } = this.process;
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode;
    const end = once(this.process, 'exit');
    this.process.kill(signal);
    const [code, by] = (await end) as [number | null, string | null];
    return code ?? by;
  }
}

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
    for (const name of ['castai-pod-pinner', 'castai-pod-pinner-webhook']) await this.account(name);
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
  LEASE_DURATION: '3s',
  RENEW_DEADLINE: '2s',
  RETRY_PERIOD: '300ms',
  LOG_LEVEL: 'debug',
});

const PLAN = 'plan-1';

/** A machine on its way under this name; its Node carries the label place=<name>. */
export const nodeIntent = (
  nodeName: string,
  o: {
    readonly cpu?: string;
    readonly pods?: string;
    readonly deadline?: number;
    readonly plan?: string;
  } = {},
): Intent => {
  const { cpu = '2', pods = '29' } = o;
  return {
    id: `node/${nodeName}`,
    plan: o.plan ?? PLAN,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    node: {
      providerId: `fake:///${nodeName}`,
      labels: { 'node.kubernetes.io/instance-type': 'm5.large', place: nodeName },
      annotations: {},
      taints: [{ key: PREPARING_TAINT, value: '', effect: 'NoSchedule' }],
      capacity: { cpu, memory: '8Gi', pods, 'nvidia.com/gpu': '1' },
      allocatable: { cpu, memory: '7Gi', pods, 'nvidia.com/gpu': '1' },
      joinDeadlineMs: o.deadline ?? Date.now() + 600_000,
      nodeClaimUid: '',
    },
  };
};

/** An intent for `count` pods of a ReplicaSet on the node. */
export const ownerIntent = (nodeName: string, owner: ReplicaSet, count: number, plan = PLAN): Intent => {
  const { name, uid = '', namespace = '' } = owner.metadata;
  return {
    id: `pin/${namespace}/${name}/${nodeName}`,
    plan,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    pin: { namespace, owner: { kind: 'ReplicaSet', name, uid, count } },
  };
};

/** An intent for this pod on the node. */
export const podIntent = (nodeName: string, { metadata }: Pod): Intent => {
  const { name, uid = '', namespace = '' } = metadata;
  return {
    id: `pin/${uid}`,
    plan: PLAN,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    pin: { namespace, pod: { name, uid } },
  };
};

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
