import type { ServerDuplexStream } from '@grpc/grpc-js';
import {
  type ClientMessage,
  type Intent,
  loadPinningServices,
  type Result,
  type ServerMessage,
} from '../../api/pinning.ts';
import { LEASES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { servePeers } from '../../kube/grpc/peer.ts';

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
      callers: [`system:serviceaccount:${namespace}:castai-pod-pinner`],
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
