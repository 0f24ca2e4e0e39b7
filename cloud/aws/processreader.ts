import { type ChildProcess, fork } from 'node:child_process';
import type { AwsReader, ReaderOptions } from './reader.ts';

export type ReaderCall =
  | { readonly what: 'types' | 'zones' | 'zoneIds' | 'onDemandPrices' | 'reservations' | 'credentials' }
  | { readonly what: 'spotPrices'; readonly now: number }
  | { readonly what: 'placementScores'; readonly types: readonly string[] }
  | { readonly what: 'nodeNames' | 'clusterArn'; readonly providerIDs: readonly string[] };

export type ReaderAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string; readonly name: string };

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

const PROGRAM = new URL('./reader.process.ts', import.meta.url);
const IDLE_MS = 20_000;

/** The child process: started by a call, ended after `idleMs` without one. */
class ReaderProcess {
  readonly #argv: readonly string[];
  readonly #idleMs: number;
  readonly #pending = new Map<number, PendingCall>();
  #child: ChildProcess | undefined;
  #idle: NodeJS.Timeout | undefined;
  #lastId = 0;

  constructor(argv: readonly string[], idleMs: number) {
    this.#argv = argv;
    this.#idleMs = idleMs;
  }

  async ask<T>(call: ReaderCall, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    clearTimeout(this.#idle);
    this.#child ??= this.#start();
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const stop = (): void => reject(signal.reason);
    this.#pending.set(id, { resolve, reject });
    signal.addEventListener('abort', stop, { once: true });
    this.#child.send({ id, ...call });
    try {
      return (await promise) as T;
    } finally {
      this.#pending.delete(id);
      signal.removeEventListener('abort', stop);
      if (this.#pending.size === 0) this.#idle = setTimeout(() => this.end(), this.#idleMs).unref();
    }
  }

  /** Ends the process; the next call starts another one. */
  end(): void {
    clearTimeout(this.#idle);
    if (this.#child?.connected) this.#child.disconnect();
    this.#child = undefined;
  }

  #start(): ChildProcess {
    const child = fork(PROGRAM, this.#argv, { serialization: 'advanced' });
    const fail = (reason: string): void => {
      if (this.#child === child) this.#child = undefined;
      for (const { reject } of this.#pending.values()) reject(new Error(reason));
    };
    child.on('message', (message: ReaderAnswer) => {
      const call = this.#pending.get(message.id);
      if ('error' in message) call?.reject(Object.assign(new Error(message.error), { name: message.name }));
      else call?.resolve(message.value);
    });
    child.on('error', ({ message }) => fail(`the AWS reader process failed: ${message}`));
    child.on('exit', (code, killedBy) => {
      if (this.#child === child) fail(`the AWS reader process exited with ${killedBy ?? code}`);
    });
    return child;
  }
}

/**
 * Reads in a child process that ends when idle: the AWS SDK takes 95 MB, more than the rest of kentroller, and is used
 * for a few seconds every five minutes.
 */
export const processReader = (o: ReaderOptions & { readonly idleMs?: number }): AwsReader => {
  const reader = new ReaderProcess([o.region, String(o.vmMemoryOverhead)], o.idleMs ?? IDLE_MS);
  return {
    types: (signal) => reader.ask({ what: 'types' }, signal),
    zones: (signal) => reader.ask({ what: 'zones' }, signal),
    zoneIds: (signal) => reader.ask({ what: 'zoneIds' }, signal),
    onDemandPrices: (signal) => reader.ask({ what: 'onDemandPrices' }, signal),
    spotPrices: (now, signal) => reader.ask({ what: 'spotPrices', now }, signal),
    placementScores: (types, signal) => reader.ask({ what: 'placementScores', types }, signal),
    reservations: (signal) => reader.ask({ what: 'reservations' }, signal),
    nodeNames: (providerIDs, signal) => reader.ask({ what: 'nodeNames', providerIDs }, signal),
    clusterArn: (providerIDs, signal) => reader.ask({ what: 'clusterArn', providerIDs }, signal),
    credentials: (signal) => reader.ask({ what: 'credentials' }, signal),
    close: () => reader.end(),
  };
};
