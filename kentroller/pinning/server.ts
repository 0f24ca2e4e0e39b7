import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ClientMessage, ServerMessage } from '../../api/pinning.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { IntentRegistry } from './intentregistry.ts';
import { SendQueue } from './sendqueue.ts';

type Call = ServerDuplexStream<ClientMessage, ServerMessage>;

/**
 * The Pinning service. It serves only the leader's registry, and only once that is complete: a client drops every intent
 * that a snapshot does not hold.
 */
export class PinningServer {
  #intentRegistry: IntentRegistry | undefined;
  readonly #calls = new Set<Call>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Serves this registry until the returned function is called, which ends all streams. */
  serve(intentRegistry: IntentRegistry): () => void {
    this.#intentRegistry = intentRegistry;
    return () => {
      if (this.#intentRegistry !== intentRegistry) return;
      this.#intentRegistry = undefined;
      for (const call of this.#calls) this.#refuse(call);
      this.#calls.clear();
    };
  }

  readonly implementation: UntypedServiceImplementation = {
    Stream: (call: Call) => this.#accept(call),
  };

  #refuse(call: Call): void {
    call.emit('error', { code: status.UNAVAILABLE, details: 'this replica of kentroller is not the leader' });
  }

  #accept(call: Call): void {
    const intentRegistry = this.#intentRegistry;
    if (!intentRegistry) {
      this.#refuse(call);
      return;
    }
    this.#calls.add(call);
    let disconnect: (() => void) | undefined;
    const end = (): void => {
      this.#calls.delete(call);
      disconnect?.();
      disconnect = undefined;
    };
    call.on('data', (message: ClientMessage) => {
      if (message.hello) disconnect ??= this.#connect(call, intentRegistry, message.hello);
      if (message.result) intentRegistry.record(message.result);
    });
    call.on('end', () => {
      end();
      call.end();
    });
    call.on('cancelled', end);
    call.on('close', end);
    call.on('error', end);
    call.resume();
  }

  #connect(
    call: Call,
    intentRegistry: IntentRegistry,
    hello: NonNullable<ClientMessage['hello']>,
  ): () => void {
    const sendQueue = new SendQueue(intentRegistry, { write: (message) => call.write(message) });
    const unsubscribe = intentRegistry.onChange((ids) => sendQueue.add(ids));
    const disconnect = intentRegistry.connect();
    call.on('drain', () => sendQueue.resume());
    const { clientId: client, clusterId: cluster, lastVersion } = hello;
    this.#log.info(
      { client, cluster, lastVersion, version: intentRegistry.version },
      'pinner connected to the pin stream',
    );
    sendQueue.flush();
    return () => {
      unsubscribe();
      disconnect();
      this.#log.info({ client }, 'pinner disconnected from the pin stream');
    };
  }
}
