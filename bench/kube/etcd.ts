import http from 'node:http';
import type { Stored } from './objects.ts';

const BATCH = 100;
const LANES = 4;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Writes objects into etcd, past the API server, which reads JSON as well as its own encoding. */
export class EtcdLoader {
  readonly #url: URL;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: LANES });

  constructor(url: string) {
    this.#url = new URL('/v3/kv/txn', url);
  }

  async put(objects: readonly Stored[]): Promise<void> {
    const body = JSON.stringify({
      success: objects.map(({ key, object }) => ({
        requestPut: { key: base64(`/registry/${key}`), value: base64(JSON.stringify(object)) },
      })),
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request = http.request(this.#url, { method: 'POST', agent: this.#agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`etcd answers ${text.slice(0, 300)}`)),
      );
    });
    request.once('error', reject);
    request.end(body);
    await promise;
  }

  /** Writes many objects, several batches at a time. */
  async putAll(objects: Iterable<Stored>): Promise<void> {
    const iterator = objects[Symbol.iterator]();
    const lane = async (): Promise<void> => {
      for (;;) {
        const batch: Stored[] = [];
        while (batch.length < BATCH) {
          const { value, done } = iterator.next();
          if (done) break;
          batch.push(value);
        }
        if (batch.length === 0) return;
        await this.put(batch);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }

  close(): void {
    this.#agent.destroy();
  }
}
