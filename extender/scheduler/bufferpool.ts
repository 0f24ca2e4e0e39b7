import type { Readable } from 'node:stream';
import { BadRequest } from './args.ts';

const MAX_FREE = 4;
const MIN_BYTES = 64 * 1024;

/**
 * Reusable buffers for request bodies. Memory outside the heap counts towards V8's next collection: a fresh buffer for
 * each body of thousands of names forced a full collection every hundred pods.
 */
export class BufferPool {
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  readonly #backing = new WeakMap<Buffer, Buffer>();

  /** `limit` is in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Reads a body into a pooled buffer; `contentLength` is undefined if not sent. Throws BadRequest over the limit. */
  async read(stream: Readable, contentLength: number | undefined): Promise<Buffer> {
    if (contentLength !== undefined) this.#checkLimit(contentLength);
    let backing = this.#acquire(contentLength ?? MIN_BYTES);
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      this.#checkLimit(length + chunk.length);
      if (length + chunk.length > backing.length) {
        const larger = this.#acquire(2 * (length + chunk.length));
        backing.copy(larger, 0, 0, length);
        backing = larger;
      }
      chunk.copy(backing, length);
      length += chunk.length;
    }
    const body = backing.subarray(0, length);
    this.#backing.set(body, backing);
    return body;
  }

  /** Returns a body's buffer to the pool; the body must not be used afterwards. */
  release(body: Buffer): void {
    const backing = this.#backing.get(body);
    if (!backing || this.#free.length >= MAX_FREE) return;
    this.#backing.delete(body);
    this.#free.push(backing);
  }

  #checkLimit(length: number): void {
    if (length > this.#limit) throw new BadRequest(`the body is over the limit of ${this.#limit} bytes`);
  }

  #acquire(minBytes: number): Buffer {
    const at = this.#free.findIndex(({ length }) => length >= minBytes);
    const [buffer] = at < 0 ? [] : this.#free.splice(at, 1);
    return buffer ?? Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(Math.max(minBytes, MIN_BYTES))));
  }
}
