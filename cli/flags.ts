/** Input that a person has to mend; the message is one sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Flags {
  readonly words: readonly string[];
  readonly values: ReadonlyMap<string, string>;
}

/** Splits arguments into words and flags: --name value, --name=value, -o value; those in `switches` take no value. */
export const readFlags = (
  argv: readonly string[],
  known: ReadonlySet<string>,
  switches: ReadonlySet<string>,
): Flags => {
  const words: string[] = [];
  const values = new Map<string, string>();
  for (let at = 0; at < argv.length; at += 1) {
    const arg = argv[at] ?? '';
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg);
      continue;
    }
    const [head = '', ...tail] = arg.split('=');
    const name = head === '-o' ? 'output' : head.replace(/^--?/, '');
    if (switches.has(name)) {
      if (tail.length > 0 && !['true', 'false'].includes(tail.join('='))) {
        throw new UsageError(`--${name} takes true or false, not '${tail.join('=')}'.`);
      }
      values.set(name, tail.length > 0 ? tail.join('=') : 'true');
      continue;
    }
    if (!known.has(name)) throw new UsageError(`The flag ${head} is not known; --help lists those that are.`);
    const value = tail.length > 0 ? tail.join('=') : argv[++at];
    if (value === undefined) throw new UsageError(`The flag ${head} needs a value.`);
    values.set(name, value);
  }
  return { words, values };
};
