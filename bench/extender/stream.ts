import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  type ClientMessage,
  type Intent,
  loadPinningServices,
  type ServerMessage,
} from '../../api/pinning.ts';
import { Child } from '../support/child.ts';
import { median, pairedRatio } from '../support/figures.ts';
import { formatNumber, formatRatio, type Row } from '../support/table.ts';

/** Pin intents over a plain connection: the time to receive, compare and acknowledge them. */

type Stream = ServerDuplexStream<ClientMessage, ServerMessage>;

interface Round {
  readonly aSecond: number;
  readonly aCpuSecond: number;
}

const intentOf = (i: number): Intent => ({
  id: `pin/pod-${i}`,
  plan: 'plan',
  nodeClaim: `claim-${i % 100}`,
  nodeName: `node-${i % 100}`,
  pin: { namespace: 'default', pod: { name: `pod-${i}`, uid: `uid-${i}` } },
});

/** A server of the pin stream that counts acknowledgements. */
class Counting {
  readonly #server = new Server();
  readonly #streams = new Map<string, Stream>();
  #version = 1;
  #onResult: (version: number) => void = () => {};
  address = '';

  async start(): Promise<void> {
    this.#server.addService(loadPinningServices().pinning, {
      Stream: (stream: Stream) => this.#serve(stream),
    });
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    this.address = `127.0.0.1:${port}`;
  }

  async connected(clientId: string): Promise<void> {
    const deadline = Date.now() + 30_000;
    while (!this.#streams.has(clientId)) {
      if (Date.now() > deadline) throw new Error(`the client ${clientId} does not come`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Sends every intent twice, the second time with only its version changed; milliseconds until the last answer. */
  async send(clientId: string, intents: readonly Intent[]): Promise<number> {
    const stream = this.#streams.get(clientId);
    if (!stream) throw new Error(`the client ${clientId} is gone`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error('not all intents were acknowledged')), 120_000);
    const last = this.#version + 2 * intents.length;
    this.#onResult = (version) => version === last && resolve();
    const started = performance.now();
    for (let again = 0; again < 2; again++) {
      for (const upsert of intents) {
        if (!stream.write({ version: ++this.#version, upsert }))
          await new Promise<void>((go) => void stream.once('drain', () => go()));
      }
    }
    await promise;
    clearTimeout(timer);
    return performance.now() - started;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #serve(stream: Stream): void {
    stream.on('data', ({ hello, result }: ClientMessage) => {
      if (hello) {
        stream.write({ version: this.#version, synced: {} });
        this.#streams.set(hello.clientId, stream);
      }
      if (result) this.#onResult(result.version);
    });
    stream.on('error', () => {});
  }
}

export const streamRows = async (o: {
  readonly intents: number;
  readonly rounds: number;
}): Promise<readonly Row[]> => {
  const server = new Counting();
  await server.start();
  const intents = Array.from({ length: o.intents }, (_, i) => intentOf(i));
  const clients = ['echo', 'ours'].map((mode) => ({
    mode,
    child: Child.ofOurs('bench/extender/streamclient.ts', {}, [server.address, mode]),
    rounds: [] as Round[],
  }));
  try {
    for (const { mode } of clients) {
      await server.connected(mode);
      await server.send(mode, intents);
    }
    for (let at = 0; at < o.rounds; at++) {
      for (const { mode, child, rounds } of clients) {
        const before = child.cpuSeconds();
        const ms = await server.send(mode, intents);
        const count = 2 * intents.length;
        rounds.push({ aSecond: (count * 1000) / ms, aCpuSecond: count / (child.cpuSeconds() - before) });
      }
    }
  } finally {
    await Promise.all(clients.map(({ child }) => child.stop()));
    server.close();
  }
  const of = (mode: string, key: keyof Round): readonly number[] =>
    clients.find((client) => client.mode === mode)?.rounds.map((round) => round[key]) ?? [];
  const rows: readonly [string, keyof Round][] = [
    ['a second', 'aSecond'],
    ['a CPU second', 'aCpuSecond'],
  ];
  return rows.map(([name, key]) => {
    const ours = median(of('ours', key));
    const ratio = pairedRatio(of('ours', key), of('echo', key));
    return {
      what: `pin intents taken in and acknowledged ${name}, every other one known`,
      ours: formatNumber(ours),
      peer: `${formatNumber(median(of('echo', key)))} grpc-js echo`,
      ratio: formatRatio(ratio),
      reach: '≥ 5,000, ≥ 0.5 ×',
      isMet: ours >= 5_000 && ratio >= 0.5,
    };
  });
};
