const MAX_FREE = 4;
const MIN_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

/**
 * Reusable buffers for request bodies. Memory outside the heap counts towards V8's next collection: a fresh buffer for
 * each body of thousands of names forced a full collection every hundred pods.
 */
export class BufferPool {
  readonly #free: Buffer[] = [];
  readonly #backing = new WeakMap<Buffer, Buffer>();

  /**
   * Gathers a body in a pooled buffer as `receive` passes its pieces on; `declared` is its length, if it was sent. Throws
   * what `receive` throws.
   */
  async gather(
    declared: number | undefined,
    receive: (onChunk: (chunk: Buffer) => void) => Promise<void>,
  ): Promise<Buffer> {
    let backing: Buffer | undefined;
    let length = 0;
    try {
      await receive((chunk) => {
        // No room is taken before the first bytes, when the declared length has been judged.
        backing ??= this.#acquire(Math.max(declared ?? MIN_BYTES, chunk.length));
        if (length + chunk.length > backing.length) {
          const larger = this.#acquire(2 * (length + chunk.length));
          backing.copy(larger, 0, 0, length);
          backing = larger;
        }
        chunk.copy(backing, length);
        length += chunk.length;
      });
    } catch (error) {
      if (backing) this.#giveBack(backing);
      throw error;
    }
    if (!backing) return EMPTY;
    const body = backing.subarray(0, length);
    this.#backing.set(body, backing);
    return body;
  }

  /** Returns a body's buffer to the pool; the body must not be used afterwards. */
  release(body: Buffer): void {
    const backing = this.#backing.get(body);
    if (!backing) return;
    this.#backing.delete(body);
    this.#giveBack(backing);
  }

  #giveBack(backing: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(backing);
  }

  #acquire(minBytes: number): Buffer {
    const at = this.#free.findIndex(({ length }) => length >= minBytes);
    const [buffer] = at < 0 ? [] : this.#free.splice(at, 1);
    return buffer ?? Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(Math.max(minBytes, MIN_BYTES))));
  }
}
