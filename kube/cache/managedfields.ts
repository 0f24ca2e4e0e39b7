const KEY = Buffer.from('"managedFields":[');
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const COMMA = 0x2c;

/** The index of the bracket that closes the array opened before `at`; -1 without one. */
const endOfArray = (json: Buffer, at: number): number => {
  let depth = 1;
  for (let i = at; i < json.length; i++) {
    const c = json[i];
    if (c === QUOTE) {
      do {
        i = json.indexOf(QUOTE, i + 1);
        if (i < 0) return -1;
      } while (isEscaped(json, i));
    } else if (c === OPEN) depth++;
    else if (c === CLOSE && --depth === 0) return i + 1;
  }
  return -1;
};

const isEscaped = (json: Buffer, at: number): boolean => {
  let slashes = 0;
  while (json[at - 1 - slashes] === BACKSLASH) slashes++;
  return slashes % 2 === 1;
};

/**
 * Removes managedFields, a third of most objects and never read, from JSON before it is parsed. Inside a JSON string
 * the key's quotes would be escaped, so only real keys are found.
 */
export const withoutManagedFields = (json: Buffer): Buffer => {
  let at = json.indexOf(KEY);
  if (at < 0) return json;
  const parts: Buffer[] = [];
  let from = 0;
  while (at >= 0) {
    const end = endOfArray(json, at + KEY.length);
    if (end < 0) break;
    const hasComma = json[at - 1] === COMMA;
    parts.push(json.subarray(from, hasComma ? at - 1 : at));
    from = !hasComma && json[end] === COMMA ? end + 1 : end;
    at = json.indexOf(KEY, from);
  }
  parts.push(json.subarray(from));
  return Buffer.concat(parts);
};
