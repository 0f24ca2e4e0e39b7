import type { IncomingMessage } from 'node:http';

/** Who waits: an address, and one connection of it. */
export interface Waiter {
  readonly address: string;
  readonly connection: string;
}

/** The work was given up because too many others wait. */
export class CrowdedError extends Error {
  override readonly name = 'CrowdedError';
  /** The answer over HTTP. */
  readonly statusCode = 503;
}

interface Job {
  readonly start: () => void;
  readonly isWanted: () => boolean;
  readonly giveUp: (error: Error) => void;
}

export interface FairQueueOptions {
  readonly perSecond: number;
  readonly burst: number;
  readonly inFlight: number;
  /** Jobs that wait at most; then the connection with the most loses its newest one. */
  readonly waiting: number;
  /** True for work that keeps the thread: sockets are looked at between two jobs, so that others can take their turn. */
  readonly isBusyWork?: boolean;
  readonly now?: () => number;
}

/** Who sent a request. */
export const waiterOf = ({ socket }: Pick<IncomingMessage, 'socket'>): Waiter => {
  const { remoteAddress: address = '', remotePort } = socket;
  return { address, connection: `${address} ${remotePort}` };
};

/** Work at a bounded rate, in turn for each address and for each connection of it. */
export class FairQueue {
  readonly #o: FairQueueOptions;
  readonly #now: () => number;
  /** Jobs by address and connection; the one whose turn is next comes first. */
  readonly #addresses = new Map<string, Map<string, Job[]>>();
  #tokens: number;
  #at: number;
  #running = 0;
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(o: FairQueueOptions) {
    this.#o = o;
    this.#now = o.now ?? performance.now.bind(performance);
    this.#tokens = o.burst;
    this.#at = this.#now();
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Does the work when its turn comes. Throws CrowdedError, and what the work throws. */
  run<T>(waiter: Waiter, work: () => Promise<T>, isWanted: () => boolean = () => true): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const start = (): void => {
      this.#running++;
      const end = (): void => {
        this.#running--;
        this.#turn();
      };
      work()
        .then(resolve, reject)
        .finally(() => (this.#o.isBusyWork ? void setImmediate(end) : end()));
    };
    const connections = this.#addresses.get(waiter.address) ?? new Map<string, Job[]>();
    const jobs = connections.get(waiter.connection) ?? [];
    jobs.push({ start, isWanted, giveUp: reject });
    connections.set(waiter.connection, jobs);
    this.#addresses.set(waiter.address, connections);
    this.#waiting++;
    if (this.#waiting > this.#o.waiting) this.#giveUpOne();
    this.#turn();
    return promise;
  }

  #turn(): void {
    while (this.#waiting > 0 && this.#running < this.#o.inFlight) {
      const waitMs = this.#untilToken();
      if (waitMs > 0) {
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined;
          this.#turn();
        }, waitMs);
        return;
      }
      const job = this.#next();
      if (!job?.isWanted()) {
        job?.giveUp(new CrowdedError('the call has ended'));
        continue;
      }
      this.#tokens -= 1;
      job.start();
    }
  }

  #untilToken(): number {
    const { perSecond, burst } = this.#o;
    const now = this.#now();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / perSecond) * 1000);
  }

  /** Takes the next job of the next connection of the next address; each goes to the end of its line. */
  #next(): Job | undefined {
    const [address, connections] = this.#addresses.entries().next().value ?? [];
    if (address === undefined || !connections) return undefined;
    const [connection, jobs] = connections.entries().next().value ?? [];
    if (connection === undefined || !jobs) return undefined;
    const job = jobs.shift();
    this.#waiting--;
    connections.delete(connection);
    if (jobs.length > 0) connections.set(connection, jobs);
    this.#addresses.delete(address);
    if (connections.size > 0) this.#addresses.set(address, connections);
    return job;
  }

  #giveUpOne(): void {
    const sizeOf = (connections: Map<string, Job[]>): number =>
      [...connections.values()].reduce((sum, { length }) => sum + length, 0);
    const largest = <V>(all: Map<string, V>, size: (value: V) => number): [string, V] | undefined =>
      [...all].reduce<[string, V] | undefined>(
        (most, each) => (!most || size(each[1]) > size(most[1]) ? each : most),
        undefined,
      );
    const [address, connections] = largest(this.#addresses, sizeOf) ?? [];
    const [connection, jobs] = (connections && largest(connections, ({ length }) => length)) ?? [];
    const job = jobs?.pop();
    if (!job || address === undefined || connection === undefined) return;
    this.#waiting--;
    if (jobs?.length === 0) connections?.delete(connection);
    if (connections?.size === 0) this.#addresses.delete(address);
    job.giveUp(new CrowdedError('too many requests wait for their turn: try again later'));
  }
}
