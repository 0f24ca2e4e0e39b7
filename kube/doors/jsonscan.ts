/**
 * A bound on JSON that is looked at before it is parsed: a few bytes can ask the parser for many times their size, such
 * as a million brackets.
 */
export interface JsonLimits {
  /** Arrays and objects inside each other. */
  readonly depth: number;
  /** Values and keys, roughly: brackets and commas. */
  readonly values: number;
}

/** A review of a pod is about 20 deep, managed fields included. */
export const JSON_LIMITS: JsonLimits = { depth: 64, values: 100_000 };

/** JSON that is nested too deeply, or that has too many values; answered with 400. */
export class JsonBoundError extends Error {
  override readonly name = 'JsonBoundError';
  readonly statusCode = 400;
}

const QUOTE = 1;
const BACKSLASH = 2;
const OPENING = 3;
const CLOSING = 4;
const COMMA = 5;

/** The class of each byte; 0 for those that change nothing. */
const CLASSES = new Uint8Array(256);
CLASSES[0x22] = QUOTE;
CLASSES[0x5c] = BACKSLASH;
for (const byte of [0x5b, 0x7b]) CLASSES[byte] = OPENING;
for (const byte of [0x5d, 0x7d]) CLASSES[byte] = CLOSING;
CLASSES[0x2c] = COMMA;

/** Looks at JSON as it arrives, in pieces. */
export class JsonScan {
  readonly #limits: JsonLimits;
  #depth = 0;
  #values = 0;
  #isInString = false;
  #isEscaped = false;

  constructor(limits: JsonLimits = JSON_LIMITS) {
    this.#limits = limits;
  }

  /** Looks at the next bytes. Throws JsonBoundError as soon as a limit is passed. */
  push(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const { depth: maxDepth, values: maxValues } = this.#limits;
    let at = from;
    let depth = this.#depth;
    let values = this.#values;
    let isInString = this.#isInString;
    if (this.#isEscaped && at < to) {
      at++;
      this.#isEscaped = false;
    }
    for (; at < to; at++) {
      const kind = CLASSES[bytes[at] as number] as number;
      if (kind === 0) continue;
      if (kind === QUOTE) isInString = !isInString;
      else if (isInString) {
        if (kind !== BACKSLASH) continue;
        if (at + 1 < to) at++;
        else this.#isEscaped = true;
      } else if (kind === OPENING) {
        values++;
        if (++depth > maxDepth) throw new JsonBoundError(`the JSON is nested more than ${maxDepth} deep`);
      } else if (kind === CLOSING) depth--;
      else if (kind === COMMA && ++values > maxValues)
        throw new JsonBoundError(`the JSON has more than ${maxValues} values`);
    }
    this.#depth = depth;
    this.#values = values;
    this.#isInString = isInString;
  }
}

/** Parses the bytes between two offsets once they are within the limits. Throws JsonBoundError and SyntaxError. */
export const parseJson = (bytes: Buffer, limits: JsonLimits = JSON_LIMITS): unknown => {
  new JsonScan(limits).push(bytes);
  return JSON.parse(bytes.toString('utf8'));
};
