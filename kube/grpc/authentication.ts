import {
  type handleBidiStreamingCall,
  type Metadata,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { valueAt } from '../../api/records/valueat.ts';
import type { Logger } from '../component/log.ts';
import { LogLimit } from '../component/loglimit.ts';
import { messageOf } from '../errors.ts';
import type { GrpcDoor } from './door.ts';
import { type Accepted, endOfToken, TokenRefused, type TokenReviewer } from './tokenreviewer.ts';

/** Milliseconds between two tries to review the token of a standing call while the API server does not answer. */
const REVIEW_RETRY_MS = 5_000;
/** Milliseconds that a call with a token of unknown end may go on while its token can't be reviewed. */
const LONGEST_UNREVIEWED_MS = 300_000;

type PeerCall = ServerDuplexStream<unknown, unknown>;

/** A service whose calls are all bidirectional streams. */
export interface PeerService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

const tokenOf = (metadata: Metadata): string =>
  String(metadata.get('authorization')[0] ?? '').replace(/^Bearer /, '');

const peerOf = (call: PeerCall): { readonly address: string; readonly port: number } => {
  const peer = call.getPeer();
  const at = peer.lastIndexOf(':');
  return { address: peer.slice(0, at), port: Number(peer.slice(at + 1)) };
};

/** Calls behind authentication: a call starts once its token was accepted, and ends when it no longer is. */
export class Authentication {
  readonly #reviewer: TokenReviewer;
  readonly #door: GrpcDoor;
  readonly #log: Logger;
  readonly #refusals = new LogLimit();

  constructor(reviewer: TokenReviewer, door: GrpcDoor, log: Logger) {
    this.#reviewer = reviewer;
    this.#door = door;
    this.#log = log;
  }

  /** The implementation with every call behind authentication. */
  guard(service: PeerService): UntypedServiceImplementation {
    const entries = Object.entries(service.definition).map(([rpc, method]) => {
      const inner = valueAt(service.implementation, rpc);
      if (!inner) throw new Error(`no implementation for ${method.path}`);
      const stream: handleBidiStreamingCall<unknown, unknown> = (call) => {
        call.pause();
        this.#accept(call, method.path).then(
          (accepted) => {
            if (!accepted || call.cancelled) return;
            (inner as handleBidiStreamingCall<unknown, unknown>)(call);
            this.#reviewAgain(call, method.path, accepted.until);
          },
          (err: unknown) => this.#log.error({ err }, 'peer call failed'),
        );
      };
      return [rpc, stream] as const;
    });
    return Object.fromEntries(entries) as UntypedServiceImplementation;
  }

  async #userOf(call: PeerCall): Promise<Accepted> {
    const { address, port } = peerOf(call);
    const connection = this.#door.callers.at(address, port);
    if (connection && !connection.hasServed && !this.#door.callers.mayOffend(connection))
      throw new TokenRefused('too many calls of this address were refused', status.RESOURCE_EXHAUSTED);
    try {
      const waiter = { address, connection: String(port) };
      const accepted = await this.#reviewer.userOf(tokenOf(call.metadata), waiter, () => !call.cancelled);
      if (connection) this.#door.callers.serve(connection);
      return accepted;
    } catch (error) {
      if (connection && error instanceof TokenRefused && error.code !== status.UNAVAILABLE)
        this.#door.callers.offend(connection);
      throw error;
    }
  }

  async #accept(call: PeerCall, rpc: string): Promise<Accepted | undefined> {
    try {
      return await this.#userOf(call);
    } catch (error) {
      this.#refuse(call, rpc, error);
      return undefined;
    }
  }

  #refuse(call: PeerCall, rpc: string, error: unknown): void {
    const details = messageOf(error);
    this.#refusals.write((more) => this.#log.warn({ rpc, error: details, ...more }, 'peer call refused'));
    const code = error instanceof TokenRefused ? error.code : status.UNAUTHENTICATED;
    if (!call.cancelled) call.emit('error', { code, details });
  }

  /** Reviews the token of a standing call when its time is over. */
  #reviewAgain(call: PeerCall, rpc: string, until: number): void {
    const end = endOfToken(tokenOf(call.metadata)) ?? Date.now() + LONGEST_UNREVIEWED_MS;
    const schedule = (at: number): void => {
      timer = setTimeout(() => void review(), Math.max(0, at - Date.now())).unref();
    };
    const review = async (): Promise<void> => {
      try {
        const { until: next } = await this.#userOf(call);
        if (!call.cancelled && !isOver) schedule(next);
      } catch (error) {
        if (call.cancelled || isOver) return;
        const isRefused = error instanceof TokenRefused && error.code === status.UNAUTHENTICATED;
        // An API server that does not answer has not refused the token.
        if (!isRefused && Date.now() < end) schedule(Date.now() + REVIEW_RETRY_MS);
        else this.#refuse(call, rpc, error);
      }
    };
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      isOver = true;
      clearTimeout(timer);
    };
    for (const event of ['close', 'cancelled', 'finish']) call.once(event, stop);
    schedule(until);
  }
}
