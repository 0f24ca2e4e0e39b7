import { putAt } from '../../api/records/valueat.ts';

/**
 * Reads Kubernetes' protobuf into the objects that its JSON would give, limited to the fields of a schema. Other
 * fields, managedFields and images above all, are skipped unread.
 */

/** Bytes that do not match the schema. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

type Kind =
  | 'text'
  | 'int'
  | 'flag'
  | 'time'
  | 'quantity'
  | 'message'
  | 'inline'
  | 'bytes'
  | 'texts'
  | 'messages'
  | 'textMap'
  | 'quantityMap';

export interface Field {
  readonly name: string;
  readonly kind: Kind;
  /** True when '', 0 and false are kept, as JSON keeps them for pointers and for fields without omitempty. */
  readonly keepsZero: boolean;
  readonly of?: Message;
}

/** Fields by their number. */
export type Message = readonly (Field | undefined)[];

export type Decoded = { [name: string]: unknown };

export const message = (fields: Readonly<Record<number, Field>>): Message => {
  const byNumber: (Field | undefined)[] = [];
  for (const [number, field] of Object.entries(fields)) byNumber[Number(number)] = field;
  return Array.from(byNumber);
};

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Longest text that is looked up before it is created; most are repeated labels and names. */
const SHORT = 48;
const SLOTS = 1 << 14;

const isSame = (text: string, bytes: Buffer, from: number, to: number): boolean => {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
};

const TIMES_KEPT = 4_096;

/** Reads messages one after the other, and creates repeated texts only once. */
export class Reader {
  readonly #texts: (string | undefined)[] = new Array(SLOTS);
  readonly #times = new Map<number, string>();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Reads the message in these bytes. Throws WireError. */
  read(schema: Message, bytes: Buffer, from = 0, to = bytes.length): Decoded {
    this.#bytes = bytes;
    this.#at = from;
    const into: Decoded = {};
    this.#readInto(into, schema, to);
    return into;
  }

  #readInto(into: Decoded, schema: Message, end: number): void {
    while (this.#at < end) {
      const tag = this.#varint();
      const field = schema[tag >>> 3];
      const wire = tag & 7;
      if (field === undefined) this.#skip(wire);
      else if (wire === BYTES) this.#readBytes(into, field);
      else if (wire === VARINT) this.#readNumber(into, field);
      else throw new WireError(`field ${field.name} has wire type ${wire}`);
    }
    if (this.#at !== end) throw new WireError('a field is longer than its message');
  }

  #readNumber(into: Decoded, { name, kind, keepsZero }: Field): void {
    const value = this.#int64();
    if (value === 0 && !keepsZero) return;
    if (kind === 'int') into[name] = value;
    else if (kind === 'flag') into[name] = value !== 0;
    else throw new WireError(`field ${name} is a number`);
  }

  #readBytes(into: Decoded, field: Field): void {
    const { name, kind } = field;
    const length = this.#varint();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new WireError(`field ${name} ends beyond its message`);
    switch (kind) {
      case 'text':
        if (length > 0 || field.keepsZero) into[name] = this.#text(end);
        break;
      case 'bytes':
        // Shares the reader's memory: read it before the next message.
        into[name] = this.#bytes.subarray(this.#at, end);
        this.#at = end;
        break;
      case 'texts':
        this.#listOf(into, name).push(this.#text(end));
        break;
      case 'message':
        into[name] = this.#message(field.of ?? [], end);
        break;
      case 'inline':
        this.#readInto(into, field.of ?? [], end);
        break;
      case 'messages':
        this.#listOf(into, name).push(this.#message(field.of ?? [], end));
        break;
      case 'textMap':
      case 'quantityMap':
        this.#readEntry(this.#mapOf(into, name), kind === 'quantityMap', end);
        break;
      case 'quantity':
        into[name] = this.#quantity(end);
        break;
      case 'time': {
        const time = this.#time(end);
        if (time !== undefined) into[name] = time;
        break;
      }
      default:
        throw new WireError(`field ${name} is not a number`);
    }
    if (this.#at !== end) throw new WireError(`field ${name} does not end where it should`);
  }

  #listOf(into: Decoded, name: string): unknown[] {
    const there = into[name];
    if (Array.isArray(there)) return there;
    const byNumber: unknown[] = [];
    into[name] = byNumber;
    return byNumber;
  }

  #mapOf(into: Decoded, name: string): Record<string, string> {
    const there = into[name];
    if (there !== undefined) return there as Record<string, string>;
    const byNumber: Record<string, string> = {};
    into[name] = byNumber;
    return byNumber;
  }

  #message(schema: Message, end: number): Decoded {
    const byNumber: Decoded = {};
    this.#readInto(byNumber, schema, end);
    return byNumber;
  }

  #readEntry(map: Record<string, string>, isQuantity: boolean, end: number): void {
    let key = '';
    let value = '';
    while (this.#at < end) {
      const tag = this.#varint();
      const length = this.#varint();
      if ((tag & 7) !== BYTES || this.#at + length > end) throw new WireError('an entry of a map is broken');
      if (tag >>> 3 === 1) key = this.#text(this.#at + length);
      else if (isQuantity) value = this.#quantity(this.#at + length);
      else value = this.#text(this.#at + length);
    }
    putAt(map, key, value);
  }

  #quantity(end: number): string {
    let value = '0';
    while (this.#at < end) {
      const tag = this.#varint();
      if (tag === ((1 << 3) | BYTES)) {
        const length = this.#varint();
        if (this.#at + length > end) throw new WireError('a quantity is longer than its field');
        value = this.#text(this.#at + length);
      } else this.#skip(tag & 7);
    }
    return value;
  }

  /** RFC 3339 in whole seconds, as metav1.Time is written; undefined for the zero time. */
  #time(end: number): string | undefined {
    let seconds: number | undefined;
    while (this.#at < end) {
      const tag = this.#varint();
      if (tag === ((1 << 3) | VARINT)) seconds = this.#int64();
      else this.#skip(tag & 7);
    }
    if (seconds === undefined) return undefined;
    const known = this.#times.get(seconds);
    if (known !== undefined) return known;
    const text = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
    if (this.#times.size >= TIMES_KEPT) this.#times.clear();
    this.#times.set(seconds, text);
    return text;
  }

  #text(end: number): string {
    const bytes = this.#bytes;
    const from = this.#at;
    if (end > bytes.length) throw new WireError('a text ends beyond the message');
    this.#at = end;
    if (end - from > SHORT) return bytes.toString('utf8', from, end);
    let hash = 0x811c9dc5;
    let isAscii = true;
    for (let i = from; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte > 0x7f) isAscii = false;
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    if (!isAscii) return bytes.toString('utf8', from, end);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#texts[slot];
    if (known !== undefined && isSame(known, bytes, from, end)) return known;
    const text = bytes.toString('latin1', from, end);
    this.#texts[slot] = text;
    return text;
  }

  /** An unsigned number below 2^32, as tags and lengths are. */
  #varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[this.#at++];
      if (byte === undefined) throw new WireError('the bytes end within a number');
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError('a length is too large');
  }

  /** A signed number of 64 bits; beyond 2^53 it loses its last digits, as in JSON. */
  #int64(): number {
    const bytes = this.#bytes;
    let low = 0;
    let high = 0;
    for (let n = 0; n < 10; n++) {
      const byte = bytes[this.#at++];
      if (byte === undefined) throw new WireError('the bytes end within a number');
      const part = byte & 0x7f;
      if (n < 4) low |= part << (7 * n);
      else if (n === 4) {
        low |= part << 28;
        high = part >>> 4;
      } else if (n < 10) high |= part << (7 * n - 32);
      if (byte < 0x80) return (high | 0) * 2 ** 32 + (low >>> 0);
    }
    throw new WireError('a number is too long');
  }

  #skip(wire: number): void {
    if (wire === BYTES) {
      // Reading the length first moves the position.
      const length = this.#varint();
      this.#at += length;
    } else if (wire === VARINT) this.#int64();
    else if (wire === FIXED64) this.#at += 8;
    else if (wire === FIXED32) this.#at += 4;
    else throw new WireError(`wire type ${wire} is not known`);
    if (this.#at > this.#bytes.length) throw new WireError('a field ends beyond the message');
  }
}
