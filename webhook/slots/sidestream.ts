import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { SideReply, SideRequest } from '../../api/pinning.ts';
import type { GrpcSlotsClient } from './stream.ts';

interface Pending {
  readonly resolve: (reply: SideReply) => void;
  readonly reject: (error: Error) => void;
}

/** Pods that wait for an answer, at most: as many connections as the API server opens. */
const MAX_PENDING = 2_000;

/** One stream of questions to one leader, opened by the first of them, and again by the next one after it has ended. */
export class SideStream {
  readonly #client: Pick<GrpcSlotsClient, 'ChooseSides'>;
  readonly #pending = new Map<string, Pending>();
  #call: ClientDuplexStream<SideRequest, SideReply> | undefined;
  #isClosed = false;

  constructor(client: Pick<GrpcSlotsClient, 'ChooseSides'>) {
    this.#client = client;
  }

  /** Asks for a pod's side. Throws when the stream ends first, or no answer comes within the timeout. */
  choose(request: SideRequest, timeoutMs: number): Promise<SideReply> {
    const { requestUid } = request;
    if (this.#isClosed)
      return Promise.reject(new Error("the connection to the pod pinner's leader is closed"));
    if (this.#pending.size >= MAX_PENDING || this.#pending.has(requestUid))
      return Promise.reject(new Error('too many pods wait for their side'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(requestUid);
        // Its pod is created without a side, and must not count as one that has it.
        this.#call?.write({ ...request, givenBack: true });
        reject(new Error(`no side within ${timeoutMs} ms from the pod pinner's leader`));
      }, timeoutMs);
      const settle =
        <T>(end: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          end(value);
        };
      this.#pending.set(requestUid, { resolve: settle(resolve), reject: settle(reject) });
      this.#call ??= this.#open();
      this.#call.write(request);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#call?.cancel();
  }

  #open(): ClientDuplexStream<SideRequest, SideReply> {
    const call = this.#client.ChooseSides();
    const end = (error: Error): void => {
      if (this.#call !== call) return;
      this.#call = undefined;
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    };
    call.on('data', (reply: SideReply) => {
      this.#pending.get(reply.requestUid)?.resolve(reply);
      this.#pending.delete(reply.requestUid);
    });
    call.on('error', end);
    call.on('end', () => end(new Error("the pod pinner's leader ended the stream of sides")));
    return call;
  }
}
