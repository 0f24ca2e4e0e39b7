/** The spans of JSON values that follow each other, and the lines between them that are none. */
export interface Spans {
  /** Begin and end of each array and object, in bytes. */
  readonly values: readonly (readonly [number, number])[];
  /** Lines with text that stands outside. */
  readonly strangers: readonly string[];
  /** Whether the last value ends. */
  readonly isWhole: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const isOpening = (byte: number | undefined): boolean => byte === 0x7b || byte === 0x5b;
const isClosing = (byte: number | undefined): boolean => byte === 0x7d || byte === 0x5d;
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0d;

/** The end of the value that begins at `from`; undefined when it never ends. */
const endOf = (bytes: Buffer, from: number): number | undefined => {
  let depth = 0;
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      for (at += 1; at < bytes.length && bytes[at] !== QUOTE; at += 1) if (bytes[at] === BACKSLASH) at += 1;
    } else if (isOpening(byte)) depth += 1;
    else if (isClosing(byte)) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
};

/** Characters of a stranger that are kept. */
const MAX_LINE = 200;

/** Finds the values of a text; one begins where a line does, or right after another value. */
export const spansOf = (bytes: Buffer): Spans => {
  const values: [number, number][] = [];
  const strangers: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (isSpace(byte) || byte === NEWLINE) {
      at += 1;
    } else if (isOpening(byte)) {
      const end = endOf(bytes, at);
      if (end === undefined) return { values, strangers, isWhole: false };
      values.push([at, end]);
      at = end;
    } else {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      strangers.push(
        bytes
          .subarray(at, Math.min(end, at + MAX_LINE))
          .toString('utf8')
          .trim(),
      );
      at = end;
    }
  }
  return { values, strangers, isWhole: true };
};
