/** Invalid input: the command prints the message, one sentence, and exits with 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Parsed command line: `words` are the arguments that are not flags, `values` the flags by name without dashes. */
export interface Flags {
  readonly words: readonly string[];
  readonly values: ReadonlyMap<string, string>;
}

/** Parses --name value, --name=value and -o value; a flag in `switches` needs no value. Throws UsageError. */
export const parseFlags = (
  argv: readonly string[],
  known: ReadonlySet<string>,
  switches: ReadonlySet<string>,
): Flags => {
  const words: string[] = [];
  const values = new Map<string, string>();
  const rest = [...argv];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg);
      continue;
    }
    const [head = '', ...tail] = arg.split('=');
    const name = head === '-o' ? 'output' : head.replace(/^--?/, '');
    if (switches.has(name)) {
      if (tail.length > 0 && !['true', 'false'].includes(tail.join('='))) {
        throw new UsageError(`--${name} must be true or false, not '${tail.join('=')}'.`);
      }
      values.set(name, tail.length > 0 ? tail.join('=') : 'true');
      continue;
    }
    if (!known.has(name)) throw new UsageError(`Unknown flag ${head}: see --help for all flags.`);
    const value = tail.length > 0 ? tail.join('=') : rest.shift();
    if (value === undefined) throw new UsageError(`The flag ${head} needs a value.`);
    values.set(name, value);
  }
  return { words, values };
};
