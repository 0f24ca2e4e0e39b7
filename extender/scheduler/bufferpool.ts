import type { Readable } from 'node:stream';
import { BadRequest } from './args.ts';

const KEPT = 4;
const SMALLEST = 64 * 1024;

/**
 * Bodies of requests, in memory that is used again. Memory outside the heap counts for V8 as a reason to look for
 * garbage: a buffer for each body of thousands of names made it stop the world every hundred pods.
 */
export class BufferPool {
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  readonly #whole = new WeakMap<Buffer, Buffer>();

  /** `limit` is in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The body, whose length was announced or not. Throws BadRequest when it is over the limit. */
  async read(stream: Readable, announced: number | undefined): Promise<Buffer> {
    if (announced !== undefined) this.#check(announced);
    let whole = this.#take(announced ?? SMALLEST);
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      this.#check(length + chunk.length);
      if (length + chunk.length > whole.length) {
        const larger = this.#take(2 * (length + chunk.length));
        whole.copy(larger, 0, 0, length);
        whole = larger;
      }
      chunk.copy(whole, length);
      length += chunk.length;
    }
    const body = whole.subarray(0, length);
    this.#whole.set(body, whole);
    return body;
  }

  /** The answer is out: nobody looks at this body again. */
  release(body: Buffer): void {
    const whole = this.#whole.get(body);
    if (!whole || this.#free.length >= KEPT) return;
    this.#whole.delete(body);
    this.#free.push(whole);
  }

  #check(length: number): void {
    if (length > this.#limit) throw new BadRequest(`the body is over the limit of ${this.#limit} bytes`);
  }

  #take(least: number): Buffer {
    const at = this.#free.findIndex(({ length }) => length >= least);
    const [found] = at < 0 ? [] : this.#free.splice(at, 1);
    return found ?? Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(Math.max(least, SMALLEST))));
  }
}
