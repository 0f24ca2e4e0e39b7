const NEWLINE = 10;

/** Splits a stream of bytes at newlines, wherever the network's chunks end. */
export class LineSplitter {
  #rest: Buffer[] = [];

  /** The lines that this chunk completes; the rest waits for the next chunk. */
  *push(chunk: Buffer): Iterable<Buffer> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield this.#complete(chunk, start, end);
      start = end + 1;
    }
    // A copy: a slice would keep the socket's whole read buffer alive.
    if (start < chunk.length) this.#rest.push(Buffer.from(chunk.subarray(start)));
  }

  #complete(chunk: Buffer, start: number, end: number): Buffer {
    if (this.#rest.length === 0) return chunk.subarray(start, end);
    const line = Buffer.concat([...this.#rest, chunk.subarray(start, end)]);
    this.#rest = [];
    return line;
  }
}
