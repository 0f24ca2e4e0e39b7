import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What happens to bytes on their way. */
export type Weather =
  | { readonly kind: 'clear' }
  /** Nothing arrives any more and nothing is closed: a cable pulled, a firewall that forgot the connection. */
  | { readonly kind: 'half-open' }
  /** So many bytes at a time, so many milliseconds apart. */
  | { readonly kind: 'slow'; readonly bytes: number; readonly everyMs: number }
  /** New connections are closed as soon as they are made. */
  | { readonly kind: 'refuse' };

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Bytes from the server after which both ends are closed. */
  left: number;
}

/** A TCP proxy that can damage the connections through it; TLS passes through unchanged. */
export class FaultProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #weather: Weather = { kind: 'clear' };

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: false }, (client) => this.#accept(client));
  }

  /** Listens on a free port of the loopback interface. */
  static async to(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections from clients that are open. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Sets what happens to all connections, those that are there too. */
  set(weather: Weather): void {
    const was = this.#weather.kind;
    this.#weather = weather;
    // Swallowed bytes are missing in the middle of the TLS stream, so the connection never recovers.
    if (was === 'half-open' && weather.kind !== 'half-open') this.cut();
  }

  /** Resets every connection. */
  cut(): void {
    for (const pair of [...this.#pairs]) this.#end(pair);
  }

  /** Lets each connection receive this many more bytes, then resets it, even in the middle of a record or an object. */
  truncateAfter(bytes: number): void {
    for (const pair of this.#pairs) pair.left = bytes;
  }

  #accept(client: Socket): void {
    if (this.#weather.kind === 'refuse') {
      client.destroy();
      return;
    }
    const upstream = connect(this.#target);
    const pair: Pair = { client, upstream, left: Number.POSITIVE_INFINITY };
    this.#pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => this.#end(pair));
    }
    client.on('data', (chunk: Buffer) => this.#pass(client, upstream, chunk));
    upstream.on('data', (chunk: Buffer) => {
      const allowed = chunk.subarray(0, Math.max(0, Math.min(chunk.length, pair.left)));
      pair.left -= chunk.length;
      if (allowed.length > 0) this.#pass(upstream, client, allowed);
      if (pair.left <= 0) this.#end(pair);
    });
  }

  #pass(from: Socket, to: Socket, chunk: Buffer): void {
    const weather = this.#weather;
    if (weather.kind === 'half-open') return;
    if (weather.kind === 'slow') {
      this.#drip(from, to, chunk, weather);
      return;
    }
    if (!to.write(chunk)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  }

  #drip(from: Socket, to: Socket, chunk: Buffer, weather: Weather & { readonly kind: 'slow' }): void {
    from.pause();
    let sent = 0;
    const next = (): void => {
      if (to.destroyed) return;
      if (this.#weather.kind === 'half-open') return;
      const size = this.#weather.kind === 'slow' ? weather.bytes : chunk.length;
      to.write(chunk.subarray(sent, sent + size));
      sent += size;
      if (sent < chunk.length) setTimeout(next, weather.everyMs);
      else from.resume();
    };
    next();
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    for (const socket of [pair.client, pair.upstream]) {
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
