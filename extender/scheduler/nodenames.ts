import type { ReservedNames } from '../intents/reservednames.ts';

/**
 * Node names as the bytes between the brackets of a JSON array. Thousands come with every pod and most go back
 * unchanged, so they are not parsed.
 */
export interface NodeNames {
  readonly bytes: Buffer;
  readonly from: number;
  /** Offset of the closing bracket. */
  readonly to: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;

/**
 * 1 for each byte that a JSON string holds unescaped: ASCII without quote, backslash and control characters. A byte past
 * the end reads as 0, which is none of them.
 */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= 0x20 && byte < 0x7f && byte !== QUOTE && byte !== 0x5c),
);

/** Whether the list consists of plain strings with single commas between them and no spaces. */
export const isPlain = ({ bytes, from, to }: NodeNames): boolean => {
  if (from === to) return true;
  let at = from;
  for (;;) {
    if (at >= to || bytes[at] !== QUOTE) return false;
    at++;
    while (at < to && PLAIN[bytes[at] ?? 0] === 1) at++;
    if (at >= to || bytes[at] !== QUOTE) return false;
    at++;
    if (at === to) return true;
    if (bytes[at] !== COMMA) return false;
    at++;
  }
};

export const namesOf = ({ bytes, from, to }: NodeNames): readonly string[] =>
  JSON.parse(`[${bytes.toString('latin1', from, to)}]`);

export interface SplitNames {
  /** Pieces of the list; joined with commas they are the remaining names. */
  readonly kept: readonly Buffer[];
  /** Plans by the reserved names that were removed. */
  readonly reserved: ReadonlyMap<string, string>;
}

/** Removes the reserved names from a list; undefined when the list is not plain. */
export const splitReserved = (
  { bytes, from, to }: NodeNames,
  names: ReservedNames,
): SplitNames | undefined => {
  const kept: Buffer[] = [];
  const reserved = new Map<string, string>();
  let run = from;
  let at = from;
  while (at < to) {
    const quote = at;
    if (bytes[at] !== QUOTE) return undefined;
    at++;
    let hash = 0;
    for (let byte = bytes[at] ?? 0; at < to && PLAIN[byte] === 1; byte = bytes[at] ?? 0) {
      hash = (Math.imul(hash, 31) + byte) | 0;
      at++;
    }
    if (at >= to || bytes[at] !== QUOTE) return undefined;
    const match = names.find(hash, bytes, quote + 1, at);
    at++;
    if (at < to && (bytes[at] !== COMMA || at + 1 === to)) return undefined;
    if (match) {
      if (run < quote) kept.push(bytes.subarray(run, quote - 1));
      reserved.set(match.name, match.plan);
      run = at + 1;
    }
    at++;
  }
  if (run < to) kept.push(bytes.subarray(run, to));
  return { kept, reserved };
};
