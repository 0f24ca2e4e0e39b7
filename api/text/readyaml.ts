import { parseDocument } from 'yaml';

/** A document that is refused; the message says why, in words that follow the document's name. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError';
}

/** Deepest nesting that is read; our own documents go down to 3. */
const MAX_DEPTH = 16;
const MAX_PROBLEM = 200;

const isDeeperThan = (value: unknown, most: number): boolean => {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const inner = level.filter((each) => typeof each === 'object' && each !== null);
    if (inner.length > 0 && depth >= most) return true;
    level = inner.flatMap((each) => Object.values(each as object));
  }
  return false;
};

const isTooDeep = (message: string): boolean => /call stack/i.test(message);

const firstLine = (message: string): string =>
  (message.split('\n')[0] ?? '').replace(/:$/, '').slice(0, MAX_PROBLEM);

const refusal = (error: Error): DocumentError => {
  if (isTooDeep(error.message)) return new DocumentError(`nests deeper than ${MAX_DEPTH} levels`);
  if (/alias count/i.test(error.message)) return new DocumentError('has aliases that stand for too much');
  return new DocumentError(`is not YAML: ${firstLine(error.message)}`);
};

/**
 * Reads a YAML document of bounded size, nesting and expansion. Names that occur twice in a map are refused. Throws
 * DocumentError.
 */
export const readYaml = (text: string, maxBytes: number): unknown => {
  const size = Buffer.byteLength(text);
  if (size > maxBytes) throw new DocumentError(`has ${size} bytes; at most ${maxBytes} are read`);
  let value: unknown;
  try {
    // Warnings would be printed with the text that they are about.
    const document = parseDocument(text, { logLevel: 'error' });
    const [problem] = document.errors;
    if (problem) throw problem;
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw refusal(error as Error);
  }
  if (isDeeperThan(value, MAX_DEPTH)) throw new DocumentError(`nests deeper than ${MAX_DEPTH} levels`);
  return value;
};
