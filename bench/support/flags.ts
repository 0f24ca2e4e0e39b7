import { type ParseArgsConfig, parseArgs } from 'node:util';

/**
 * Flags of a benchmark: numbers by name with their defaults, switches, and `--only` with groups of the table. Throws with
 * one sentence when a value is no positive number or a group is unknown.
 */
export const readFlags = <N extends string, G extends string, S extends string = never>(
  argv: readonly string[],
  o: {
    readonly numbers: Readonly<Record<N, number>>;
    readonly groups: readonly G[];
    readonly switches?: readonly S[];
  },
): {
  readonly numbers: Readonly<Record<N, number>>;
  readonly groups: ReadonlySet<G>;
  readonly switches: ReadonlySet<S>;
} => {
  const names = Object.keys(o.numbers) as N[];
  const { switches = [] } = o;
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const name of [...names, 'only']) options[name] = { type: 'string' };
  for (const name of switches) options[name] = { type: 'boolean' };
  const values: Readonly<Record<string, unknown>> = parseArgs({ args: [...argv], options }).values;
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
    switches: new Set(switches.filter((name) => values[name] === true)),
  };
};
