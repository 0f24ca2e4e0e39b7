import {
  KENTROLLER,
  PIN,
  PIN_GATE,
  PIN_HELD,
  PIN_NODE,
  POD_PINNER,
  POD_PINNER_WEBHOOK,
  POD_TEMPLATE_HASH,
  SURGED,
} from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { eventually, Scene } from '../pinner/fixture.ts';
import { isRefused, makeNode, owner, podOf } from './attempt.ts';
import { InstalledRights } from './installed.ts';

export const REPLICA_SET = { ...owner('ReplicaSet'), name: 'web-abc' };
/** What a surge leaves on the pod, so that it goes with its Deployment. */
export const DEPLOYMENT = { apiVersion: 'example.com/v1', kind: 'Deployment', name: 'web', uid: 'd' };

/** Pods in every state that our components meet, and clients that act as our components. */
export class PodScene {
  readonly scene: Scene;
  readonly node: string;
  readonly #rights: InstalledRights;
  readonly #clients = new Map<string, KubeClient>();
  readonly #pods = new Map<string, Pod>();

  constructor(name: string) {
    this.scene = new Scene(name);
    this.node = this.scene.nodeName('n');
    this.#rights = new InstalledRights(this.scene);
  }

  async open(): Promise<void> {
    const { client } = this.scene;
    await this.scene.open();
    await this.#rights.install();
    for (const account of [KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK])
      this.#clients.set(account, await this.#rights.as(account));
    await makeNode(client, this.node);
    await this.#makePods();
    const label = { metadata: { labels: { app: 'x' } } };
    const nomination = { status: { nominatedNodeName: 'x' } };
    const running = this.ref('running');
    const kentroller = this.as(KENTROLLER);
    await eventually('the policies are in force', async () => {
      const status = { dryRun: true, subresource: 'status' };
      const attempts = [
        kentroller.patch(PODS, running, label, { dryRun: true }),
        kentroller.patch(PODS, this.ref('pending'), nomination, status),
        kentroller.create(PODS, podOf(this.scene.namespace, 'probe', {}), { dryRun: true }),
      ];
      return (await Promise.all(attempts.map(isRefused))).every(Boolean);
    });
  }

  as(account: string): KubeClient {
    const found = this.#clients.get(account);
    if (!found) throw new Error(`no client for ${account}`);
    return found;
  }

  pod(name: string): Pod {
    const found = this.#pods.get(name);
    if (!found) throw new Error(`no pod ${name}`);
    return found;
  }

  ref(name: string): { readonly name: string; readonly namespace: string } {
    return { name, namespace: this.scene.namespace };
  }

  uid(name: string): string {
    return this.pod(name).metadata.uid ?? '';
  }

  async close(): Promise<void> {
    await this.#rights.remove();
    await this.scene.close();
  }

  async #make(name: string, o: Parameters<typeof podOf>[2], status?: object): Promise<void> {
    const { client, namespace } = this.scene;
    const made = await client.create<Pod>(PODS, podOf(namespace, name, o));
    const reported =
      status && (await client.patch<Pod>(PODS, this.ref(name), { status }, { subresource: 'status' }));
    this.#pods.set(name, reported ?? made);
  }

  async #makePods(): Promise<void> {
    const held = {
      labels: { [PIN_HELD]: 'true', app: 'web' },
      annotations: { [PIN]: 'pin/1', [PIN_NODE]: 'n', 'example.com/kept': 'x' },
      ownerReferences: [REPLICA_SET],
    };
    const gate = { name: PIN_GATE };
    const bound = { nodeName: this.node, terminationGracePeriodSeconds: 20 };
    const plain = { labels: { app: 'web', [POD_TEMPLATE_HASH]: 'abc' }, ownerReferences: [REPLICA_SET] };
    const detached = {
      labels: { app: 'web' },
      annotations: { [SURGED]: '{"hash":"abc"}' },
      ownerReferences: [DEPLOYMENT],
    };
    const startTime = new Date().toISOString();
    await this.#make('held', { metadata: held, spec: { schedulingGates: [gate] } });
    const theirs = { name: 'example.com/theirs' };
    await this.#make('held-by-others-too', { metadata: held, spec: { schedulingGates: [theirs, gate] } });
    await this.#make('pending', { metadata: plain });
    await this.#make('running', { metadata: plain, spec: bound }, { phase: 'Running', startTime });
    const ofDaemonSet = { ownerReferences: [owner('DaemonSet')] };
    await this.#make('daemon', { metadata: ofDaemonSet, spec: bound }, { phase: 'Running', startTime });
    await this.#make('refused', { metadata: plain, spec: bound }, { phase: 'Failed', startTime });
    await this.#make('never-started', { metadata: plain, spec: bound });
    await this.#make('detached', { metadata: detached, spec: bound });
  }
}
