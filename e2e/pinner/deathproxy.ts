import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request as send } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentialsOf } from '../../kube/client/credentials.ts';
import { readKubeconfig } from '../../kube/client/kubeconfig.ts';

/** Before the API server sees the write, or after it has carried it out and before the caller knows. */
export type When = 'before' | 'after';

/** Counts writes down to the one whose answer the caller does not live to see. */
class Countdown {
  #armed: { readonly at: number; readonly when: When; readonly die: () => void } | undefined;
  #writes = 0;

  arm(armed: { readonly at: number; readonly when: When; readonly die: () => void } | undefined): void {
    this.#writes = 0;
    this.#armed = armed;
  }

  /** The moment at which this request kills the caller; undefined when it survives. */
  fateOf({ method, url = '' }: IncomingMessage): When | undefined {
    const isWrite = method !== 'GET' && /\/(nodes|pods|kube-node-lease\/leases)/.test(url);
    if (!this.#armed || !isWrite) return undefined;
    return ++this.#writes === this.#armed.at ? this.#armed.when : undefined;
  }

  kill(outgoing: ServerResponse): void {
    this.#armed?.die();
    outgoing.destroy();
  }
}

/** A proxy in front of the API server that has its caller killed at the nth write. */
export class DeathProxy {
  readonly kubeconfig: string;
  readonly #folder: string;
  readonly #server: Server;
  readonly #countdown: Countdown;

  private constructor(o: {
    readonly folder: string;
    readonly server: Server;
    readonly kubeconfig: string;
    readonly countdown: Countdown;
  }) {
    this.#countdown = o.countdown;
    this.#folder = o.folder;
    this.#server = o.server;
    this.kubeconfig = o.kubeconfig;
  }

  /** Starts on loopback; with `userAgent`, the API server records the caller's writes under that field manager. */
  static async start(kubeconfig: string, userAgent?: string): Promise<DeathProxy> {
    const target = readKubeconfig(kubeconfig);
    const { headers, cert, key } = await credentialsOf(target).identity();
    const { caFile, caData } = target.cluster;
    const ca = caData ? Buffer.from(caData, 'base64') : caFile ? await readFile(caFile) : undefined;
    const agent = new Agent({
      keepAlive: true,
      ...(ca ? { ca } : {}),
      ...(cert && key ? { cert, key } : {}),
    });
    const countdown = new Countdown();
    const server = createServer((incoming, outgoing) => {
      const fate = countdown.fateOf(incoming);
      if (fate === 'before') return countdown.kill(outgoing);
      const { host: _, ...own } = incoming.headers;
      const forward = send(
        new URL(incoming.url ?? '/', target.cluster.server),
        {
          method: incoming.method,
          agent,
          headers: { ...own, ...headers, ...(userAgent !== undefined && { 'user-agent': userAgent }) },
        },
        (answer) => {
          if (fate === 'after') {
            answer.resume();
            return countdown.kill(outgoing);
          }
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(outgoing);
        },
      );
      forward.on('error', () => outgoing.destroy());
      outgoing.on('close', () => forward.destroy());
      incoming.pipe(forward);
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const folder = await mkdtemp(join(tmpdir(), 'death-proxy-'));
    const path = join(folder, 'kubeconfig');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'proxy', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'caller', user: {} }],
      contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'caller' } }],
      'current-context': 'proxy',
    };
    await writeFile(path, JSON.stringify(config));
    return new DeathProxy({ folder, server, kubeconfig: path, countdown });
  }

  /** Arms the nth write of Nodes, Pods and heartbeats from now on; `die` ends the caller. */
  arm(at: number, when: When, die: () => void): void {
    this.#countdown.arm({ at, when, die });
  }

  disarm(): void {
    this.#countdown.arm(undefined);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true });
  }
}
