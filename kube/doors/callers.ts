import type { Server, Socket } from 'node:net';
import type { DoorLimits } from './limits.ts';
import { oldestAtRest, placeOf } from './victims.ts';

/** Why a door turned somebody away. */
export type Refusal = 'offences' | 'connections' | 'bytes' | 'request';

/** One connection of a caller. */
export interface Connection {
  readonly caller: Caller;
  /** Ends the connection at once. */
  readonly cut: () => void;
  /** True while a request is under way. */
  isBusy: boolean;
  /** True while that request waits for its turn, and may be given up for a newcomer. */
  isWaiting: boolean;
  readonly since: number;
  /** True once a request of it was answered well. */
  hasServed: boolean;
  /** An offence that was paid in advance, and whether one was paid at all. */
  hasDeposit: boolean;
  hasPaid: boolean;
  /** Bytes of the body that is held for it. */
  bytes: number;
}

/** Everyone behind one address. */
export interface Caller {
  readonly address: string;
  readonly connections: Set<Connection>;
  bytes: number;
  /** Offences that are left, at `creditAt` in milliseconds. */
  credit: number;
  creditAt: number;
}

type Limits = Pick<DoorLimits, 'connections' | 'heldBytes' | 'offences' | 'offencesPerSecond'>;

/** Callers without a connection that are remembered for their offences. */
const REMEMBERED = 4096;

/** Debt beyond which offences are forgiven, in multiples of the credit: half a minute of waiting. */
const DEEPEST_DEBT = 4;

const keyOf = (address: string | undefined, port: number | undefined): string => `${address} ${port}`;

/**
 * The callers of a door. What is scarce is taken from the caller that holds the most of it, and a caller that offends is
 * let in again as its credit comes back: strangers can't crowd out those who behave.
 */
export class Callers {
  readonly #limits: Limits;
  readonly #onRefusal: (refusal: Refusal) => void;
  readonly #now: () => number;
  readonly #byAddress = new Map<string, Caller>();
  readonly #byKey = new Map<string, Connection>();
  readonly #bySocket = new WeakMap<object, Connection>();
  #bytes = 0;

  constructor(o: {
    readonly limits: Limits;
    readonly onRefusal?: ((refusal: Refusal) => void) | undefined;
    readonly now?: () => number;
  }) {
    this.#limits = o.limits;
    this.#onRefusal = o.onRefusal ?? (() => {});
    this.#now = o.now ?? performance.now.bind(performance);
  }

  get connections(): number {
    return this.#byKey.size;
  }

  /** Bytes of all bodies that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Addresses with a connection, or with an offence on their account. */
  get remembered(): number {
    return this.#byAddress.size;
  }

  /** Lets the server see only the connections that are admitted. */
  guard(server: Server): void {
    const listeners = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.admit(socket)) for (const listener of listeners) listener.call(server, socket);
    });
  }

  /** Admits a connection, or resets it. */
  admit(socket: Socket): boolean {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined) {
      socket.destroy();
      return false;
    }
    const caller = this.#callerAt(remoteAddress);
    const refusal = this.#hasCredit(caller) ? this.#makeRoom(caller) : 'offences';
    if (refusal) {
      this.#onRefusal(refusal);
      this.#forget(caller);
      socket.resetAndDestroy();
      return false;
    }
    const connection: Connection = {
      caller,
      cut: () => void socket.destroy(),
      isBusy: false,
      isWaiting: false,
      since: this.#now(),
      hasServed: false,
      hasDeposit: this.#isOnProbation(caller),
      hasPaid: false,
      bytes: 0,
    };
    if (connection.hasDeposit) caller.credit -= 1;
    const key = keyOf(remoteAddress, remotePort);
    caller.connections.add(connection);
    this.#byKey.set(key, connection);
    this.#bySocket.set(socket, connection);
    socket.once('close', () => this.#remove(key, connection));
    // An error of a socket that nobody reads yet would end the process.
    socket.on('error', () => {});
    return true;
  }

  /** The connection of a socket, or of the TLS socket over it; undefined once it was closed. */
  of(socket: Socket): Connection | undefined {
    const known = this.#bySocket.get(socket);
    if (known) return known;
    const found = this.at(socket.remoteAddress, socket.remotePort);
    if (found) this.#bySocket.set(socket, found);
    return found;
  }

  at(address: string | undefined, port: number | undefined): Connection | undefined {
    return this.#byKey.get(keyOf(address, port));
  }

  /** Whether the caller has offences left. */
  mayOffend({ caller }: Connection): boolean {
    return this.#hasCredit(caller);
  }

  /** Notes an offence; a caller without credit loses the connections on which it was never served. */
  offend(connection: Connection): void {
    const { caller } = connection;
    this.#onRefusal('request');
    this.#pay(connection);
    if (caller.credit >= 1) return;
    for (const connection of caller.connections) if (!connection.hasServed) connection.cut();
  }

  /** Notes a connection that was never used: it costs a caller nothing who is served on another one. */
  excuse(connection: Connection): void {
    const { caller } = connection;
    if (![...caller.connections].some(({ hasServed }) => hasServed)) return;
    if (connection.hasDeposit) caller.credit += 1;
    connection.hasDeposit = false;
    connection.hasPaid = true;
  }

  /** Notes a request that was answered well: it pays for one offence. */
  serve(connection: Connection): void {
    connection.hasServed = true;
    const { caller } = connection;
    const refund = connection.hasDeposit ? 2 : 1;
    connection.hasDeposit = false;
    caller.credit = Math.min(this.#limits.offences, caller.credit + refund);
  }

  /**
   * Holds so many more bytes for a connection; false when there is no room for them. Room is made by cutting the
   * connection that holds the most, of the caller that holds the most.
   */
  hold(connection: Connection, bytes: number): boolean {
    const { caller } = connection;
    while (this.#bytes + bytes > this.#limits.heldBytes) {
      const biggest = this.#biggest((each) => each.bytes);
      if (!biggest || biggest === caller || biggest.bytes <= caller.bytes + bytes) {
        this.#onRefusal('bytes');
        return false;
      }
      let victim: Connection | undefined;
      for (const each of biggest.connections) if (!victim || each.bytes > victim.bytes) victim = each;
      if (!victim) return false;
      this.#onRefusal('bytes');
      this.release(victim);
      victim.cut();
    }
    this.#bytes += bytes;
    caller.bytes += bytes;
    connection.bytes += bytes;
    return true;
  }

  /** Gives back what a connection holds. */
  release(connection: Connection): void {
    this.#bytes -= connection.bytes;
    connection.caller.bytes -= connection.bytes;
    connection.bytes = 0;
  }

  #callerAt(address: string): Caller {
    const known = this.#byAddress.get(address);
    if (known) return known;
    if (this.#byAddress.size >= REMEMBERED + this.#limits.connections) this.#forgetOldest();
    const caller = {
      address,
      connections: new Set<Connection>(),
      bytes: 0,
      credit: this.#limits.offences,
      creditAt: this.#now(),
    };
    this.#byAddress.set(address, caller);
    return caller;
  }

  #refill(caller: Caller): void {
    const { offences, offencesPerSecond } = this.#limits;
    const now = this.#now();
    const refilled = caller.credit + ((now - caller.creditAt) / 1000) * offencesPerSecond;
    caller.credit = Math.max(-DEEPEST_DEBT * offences, Math.min(offences, refilled));
    caller.creditAt = now;
  }

  #hasCredit(caller: Caller): boolean {
    this.#refill(caller);
    return caller.credit >= 1;
  }

  /** Makes room for one more connection of the caller, at the cost of the caller that has the most of them. */
  #makeRoom(caller: Caller): Refusal | undefined {
    if (this.#byKey.size < this.#limits.connections) return undefined;
    const biggest = this.#biggest((each) => each.connections.size);
    const isGreedy = biggest !== undefined && biggest.connections.size > caller.connections.size + 1;
    const victim = isGreedy ? oldestAtRest([...biggest.connections]) : this.#idleFor(caller);
    if (!victim) return 'connections';
    this.#onRefusal('connections');
    victim.cut();
    return undefined;
  }

  /** Where nobody has many, a newcomer, such as the kubelet's next probe, takes the place of one at rest or that waits. */
  #idleFor(caller: Caller): Connection | undefined {
    if (caller.connections.size > 0) return undefined;
    return placeOf([...this.#byKey.values()], this.#now());
  }

  #biggest(sizeOf: (caller: Caller) => number): Caller | undefined {
    let biggest: Caller | undefined;
    for (const each of this.#byAddress.values())
      if (!biggest || sizeOf(each) > sizeOf(biggest)) biggest = each;
    return biggest;
  }

  #remove(key: string, connection: Connection): void {
    const { caller } = connection;
    this.release(connection);
    caller.connections.delete(connection);
    if (this.#byKey.get(key) === connection) this.#byKey.delete(key);
    // Connections that come and go without a request cost a handshake each.
    if (!connection.hasServed && !connection.hasPaid) this.#pay(connection);
    this.#forget(caller);
  }

  /** Takes an offence off the credit, unless it was paid when the connection was admitted. */
  #pay(connection: Connection): void {
    const { caller } = connection;
    this.#refill(caller);
    if (!connection.hasDeposit) caller.credit -= 1;
    connection.hasDeposit = false;
    connection.hasPaid = true;
  }

  /** Whether a caller has offended lately, so that each new connection has to be paid in advance. */
  #isOnProbation({ credit }: Caller): boolean {
    return credit <= this.#limits.offences - 1;
  }

  /** Forgets a caller that has no connection and no offence on its account. */
  #forget(caller: Caller): void {
    if (caller.connections.size > 0) return;
    this.#refill(caller);
    if (caller.credit >= this.#limits.offences) this.#byAddress.delete(caller.address);
  }

  #forgetOldest(): void {
    for (const caller of this.#byAddress.values()) {
      if (caller.connections.size > 0) continue;
      this.#byAddress.delete(caller.address);
      return;
    }
  }
}
