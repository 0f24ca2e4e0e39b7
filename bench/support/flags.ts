import { parseArgs } from 'node:util';

/**
 * Flags of a benchmark: numbers by name with their defaults, and `--only` with groups of the table. Throws with one
 * sentence when a value is no positive number or a group is unknown.
 */
export const readFlags = <N extends string, G extends string>(
  argv: readonly string[],
  o: { readonly numbers: Readonly<Record<N, number>>; readonly groups: readonly G[] },
): { readonly numbers: Readonly<Record<N, number>>; readonly groups: ReadonlySet<G> } => {
  const names = Object.keys(o.numbers) as N[];
  const text = { type: 'string' } as const;
  const options = Object.fromEntries([...names, 'only'].map((name) => [name, text]));
  const { values } = parseArgs({ args: [...argv], options });
  const numberOf = (name: N): number => {
    const value = values[name];
    const number = value === undefined ? o.numbers[name] : Number(value);
    if (!(number > 0)) throw new Error(`--${name} has to be a positive number, not ${String(value)}`);
    return number;
  };
  const asked = typeof values.only === 'string' ? values.only.split(',') : o.groups;
  const unknown = asked.find((group) => !(o.groups as readonly string[]).includes(group));
  if (unknown !== undefined) throw new Error(`--only knows ${o.groups.join(', ')}, not ${unknown}`);
  return {
    numbers: Object.fromEntries(names.map((name) => [name, numberOf(name)])) as Record<N, number>,
    groups: new Set(asked as readonly G[]),
  };
};
