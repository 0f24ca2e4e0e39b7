import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { ownHost } from './fixture.ts';

/** A Service's work: each new connection goes to the next ready replica. */
export class Balancer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #ready: readonly number[] = [];
  #turn = 0;

  private constructor() {
    this.#server = createServer((socket) => this.#forward(socket));
  }

  static async start(): Promise<Balancer> {
    const made = new Balancer();
    made.#server.listen(0, ownHost);
    await once(made.#server, 'listening');
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections from now on go to these ports; open ones stay. */
  send(ports: readonly number[]): void {
    this.#ready = ports;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #forward(socket: Socket): void {
    const port = this.#ready[this.#turn++ % Math.max(1, this.#ready.length)];
    if (port === undefined) return void socket.destroy();
    const backend = connect(port, ownHost);
    for (const [from, to] of [
      [socket, backend],
      [backend, socket],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}
