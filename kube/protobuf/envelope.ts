import { Buffer } from 'node:buffer';
import { type Decoded, type Message, Reader, WireError } from './message.ts';
import { STATUS } from './schema.ts';

/** What is asked of the server in a watch: protobuf, or else JSON. */
export const ACCEPT_WATCH = 'application/vnd.kubernetes.protobuf;stream=watch,application/json';

export const isProtobuf = (contentType: string | undefined): boolean =>
  contentType?.startsWith('application/vnd.kubernetes.protobuf') ?? false;

/** Before each object that was encoded by itself. */
const MAGIC = Buffer.from('k8s\0', 'latin1');
const LENGTH_BYTES = 4;
/** etcd takes objects up to 1.5 MB by default; far above it the stream is taken for broken. */
const LONGEST = 64 * 2 ** 20;

export interface WireEvent {
  readonly type: string;
  readonly object: Decoded;
}

/** A field of bytes within a buffer. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** Where the field of bytes with this number lies in a message that has no others but fields of bytes. */
const spanOf = (bytes: Buffer, wanted: number, from: number, to: number): Span | undefined => {
  let at = from;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || at > to) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError('an envelope is broken');
  };
  while (at < to) {
    const tag = varint();
    if ((tag & 7) !== 2) throw new WireError('an envelope has a field that is not of bytes');
    const length = varint();
    if (at + length > to) throw new WireError('an envelope is shorter than what it holds');
    if (tag >>> 3 === wanted) return { from: at, to: at + length };
    at += length;
  }
  return undefined;
};

/** The object within the envelope that says what it is: runtime.Unknown, whose field 2 has the bytes. */
const readUnknown = (reader: Reader, schema: Message, bytes: Buffer, { from, to }: Span): Decoded => {
  if (bytes.compare(MAGIC, 0, MAGIC.length, from, from + MAGIC.length) !== 0)
    throw new WireError('an object does not begin as objects do');
  const raw = spanOf(bytes, 2, from + MAGIC.length, to);
  return raw ? reader.read(schema, bytes, raw.from, raw.to) : {};
};

/** The Status in the body of an answer. Throws WireError. */
export const readStatus = (body: Buffer): Decoded =>
  readUnknown(new Reader(), STATUS, body, { from: 0, to: body.length });

/** Cuts a watch into its frames, wherever the chunks of the network end, and reads the event of each. */
export class EventReader {
  readonly #reader = new Reader();
  readonly #schema: Message;
  #rest: Buffer[] = [];
  #held = 0;
  /** Bytes of the frame that is being gathered, its length included; 0 while that is not known. */
  #needed = 0;

  constructor(schema: Message) {
    this.#schema = schema;
  }

  /** The events that this chunk completes. Throws WireError when the bytes are not those of a watch. */
  *push(chunk: Buffer): Iterable<WireEvent> {
    let bytes = chunk;
    if (this.#held > 0) {
      this.#rest.push(chunk);
      this.#held += chunk.length;
      if (this.#held < Math.max(this.#needed, LENGTH_BYTES)) return;
      bytes = Buffer.concat(this.#rest, this.#held);
    }
    let at = 0;
    let needed = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readUInt32BE(at);
      if (length > LONGEST) throw new WireError(`an event of ${length} bytes is too long`);
      needed = LENGTH_BYTES + length;
      if (bytes.length - at < needed) break;
      yield this.#event(bytes, at + LENGTH_BYTES, at + needed);
      at += needed;
      needed = 0;
    }
    this.#needed = needed;
    this.#held = bytes.length - at;
    // A copy: a slice would keep the socket's whole read buffer alive.
    this.#rest = this.#held > 0 ? [Buffer.from(bytes.subarray(at))] : [];
  }

  #event(bytes: Buffer, from: number, to: number): WireEvent {
    const kind = spanOf(bytes, 1, from, to);
    const extension = spanOf(bytes, 2, from, to);
    const raw = extension && spanOf(bytes, 1, extension.from, extension.to);
    if (!kind || !raw) throw new WireError('an event without a type or an object');
    const type = bytes.toString('latin1', kind.from, kind.to);
    return {
      type,
      object: readUnknown(this.#reader, type === 'ERROR' ? STATUS : this.#schema, bytes, raw),
    };
  }
}
