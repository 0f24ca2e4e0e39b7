import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ClientMessage, ServerMessage } from '../../api/pinning.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { Board } from './intentregistry.ts';
import { Outbox } from './sendqueue.ts';

type Call = ServerDuplexStream<ClientMessage, ServerMessage>;

/**
 * The Pinning service. It answers only while a board is in place: the leader puts its board there once it knows every
 * intent, since a client takes what it is not told for gone.
 */
export class PinningServer {
  #board: Board | undefined;
  readonly #calls = new Set<Call>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Serves this board until the returned function is called, which ends all streams. */
  serve(board: Board): () => void {
    this.#board = board;
    return () => {
      if (this.#board !== board) return;
      this.#board = undefined;
      for (const call of this.#calls) this.#refuse(call);
      this.#calls.clear();
    };
  }

  readonly implementation: UntypedServiceImplementation = {
    Stream: (call: Call) => this.#accept(call),
  };

  #refuse(call: Call): void {
    call.emit('error', { code: status.UNAVAILABLE, details: 'this kentroller does not lead' });
  }

  #accept(call: Call): void {
    const board = this.#board;
    if (!board) {
      this.#refuse(call);
      return;
    }
    this.#calls.add(call);
    let leave: (() => void) | undefined;
    const end = (): void => {
      this.#calls.delete(call);
      leave?.();
      leave = undefined;
    };
    call.on('data', (message: ClientMessage) => {
      if (message.hello) leave ??= this.#greet(call, board, message.hello);
      if (message.result) board.record(message.result);
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

  #greet(call: Call, board: Board, hello: NonNullable<ClientMessage['hello']>): () => void {
    const outbox = new Outbox(board, { write: (message) => call.write(message) });
    const unsubscribe = board.onChange((ids) => outbox.add(ids));
    const disconnect = board.connected();
    call.on('drain', () => outbox.drained());
    const { clientId: client, clusterId: cluster, lastVersion } = hello;
    this.#log.info({ client, cluster, lastVersion, version: board.version }, 'pinner joined the stream');
    outbox.flush();
    return () => {
      unsubscribe();
      disconnect();
      this.#log.info({ client }, 'pinner left the stream');
    };
  }
}
