import { Buffer } from 'node:buffer';
import { type Decoded, type Field, type Message, message, Reader, WireError } from './message.ts';
import { STATUS } from './schema.ts';

/** Accept header of a watch: protobuf, or else JSON. */
export const ACCEPT_WATCH = 'application/vnd.kubernetes.protobuf;stream=watch,application/json';

export const isProtobuf = (contentType: string | undefined): boolean =>
  contentType?.startsWith('application/vnd.kubernetes.protobuf') ?? false;

/** Magic bytes before each object that is encoded by itself. */
const MAGIC = Buffer.from('k8s\0', 'latin1');
const LENGTH_BYTES = 4;
/** Longest plausible frame: etcd takes objects up to 1.5 MB by default, so a longer one means a broken stream. */
const LONGEST = 64 * 2 ** 20;

export interface WireEvent {
  readonly type: string;
  readonly object: Decoded;
}

const RAW: Field = { name: 'raw', kind: 'bytes', keepsZero: true };

/** runtime.Unknown, whose type meta is known here. */
const UNKNOWN = message({ 2: RAW });

/** meta.WatchEvent with its runtime.RawExtension. */
const EVENT = message({
  1: { name: 'type', kind: 'text', keepsZero: true },
  2: { name: 'object', kind: 'message', keepsZero: true, of: message({ 1: RAW }) },
});

interface Raw {
  readonly raw?: Buffer;
}

/** The object in its envelope. */
const readUnknown = (reader: Reader, schema: Message, envelope: Buffer): Decoded => {
  if (!envelope.subarray(0, MAGIC.length).equals(MAGIC))
    throw new WireError('an object does not start with the magic bytes of protobuf objects');
  const { raw } = reader.read(UNKNOWN, envelope, MAGIC.length) as Raw;
  return raw ? reader.read(schema, raw) : {};
};

/** Reads the Status in the body of an answer. Throws WireError. */
export const readStatus = (body: Buffer): Decoded => readUnknown(new Reader(), STATUS, body);

/** Splits a watch into frames, wherever the network's chunks end, and reads the event of each. */
export class EventReader {
  readonly #reader = new Reader();
  readonly #schema: Message;
  #rest: Buffer[] = [];
  #held = 0;
  /** Bytes of the current frame, its length prefix included; 0 while that is unknown. */
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
    const { type, object } = this.#reader.read(EVENT, bytes, from, to) as { type?: string; object?: Raw };
    if (!type || !object?.raw) throw new WireError('an event without a type or an object');
    const schema = type === 'ERROR' ? STATUS : this.#schema;
    return { type, object: readUnknown(this.#reader, schema, object.raw) };
  }
}
