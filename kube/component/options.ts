import { z } from 'zod';
import { formatDuration, parseDuration } from '../../api/duration.ts';
import { putAt, valueAt } from '../../api/records/valueat.ts';
import { OptionsError } from '../errors.ts';
import { withoutUserinfo } from './secrettext.ts';

/** Raised for --help; the message is the table to print. */
export class HelpRequested extends Error {
  override readonly name = 'HelpRequested';
}

/** A duration such as 250ms, 10s, 5m, 1h30m; a number of milliseconds once parsed. */
export const duration = z.union([
  z.number().nonnegative(),
  z.string().transform((text, ctx) => {
    const ms = parseDuration(text);
    if (ms !== undefined) return ms;
    ctx.addIssue({ code: 'custom', message: 'a duration such as 250ms, 10s, 5m or 1h30m is expected' });
    return z.NEVER;
  }),
]);

/** A boolean: true or false, 1 or 0, yes or no; a bare flag is true. */
export const bool = z.union([
  z.boolean(),
  z.string().transform((text, ctx) => {
    if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return true;
    if (['false', '0', 'no', 'off'].includes(text.toLowerCase())) return false;
    ctx.addIssue({ code: 'custom', message: 'true or false is expected' });
    return z.NEVER;
  }),
]);

/** Text split at commas and trimmed. */
export const commaList = z.union([
  z.array(z.string()),
  z.string().transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  ),
]);

const words = (field: string): string[] =>
  field
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .split(' ')
    .map((w) => w.toLowerCase());

export const flagOf = (field: string): string => `--${words(field).join('-')}`;
export const variableOf = (field: string): string => words(field).join('_').toUpperCase();

/** The type inside its default and optional wrappers. */
const inner = (type: z.core.$ZodType): z.core.$ZodType => {
  const { def } = type._zod;
  if (def.type === 'default' || def.type === 'optional' || def.type === 'prefault')
    return inner((def as z.core.$ZodOptionalDef).innerType);
  return type;
};

const defaultOf = (type: z.core.$ZodType): unknown => {
  const { def } = type._zod;
  if (def.type === 'default' || def.type === 'prefault') return (def as z.core.$ZodDefaultDef).defaultValue;
  return undefined;
};

const descriptionOf = (type: z.core.$ZodType): string =>
  z.globalRegistry.get(type)?.description ?? z.globalRegistry.get(inner(type))?.description ?? '';

const isSecret = (type: z.core.$ZodType): boolean => z.globalRegistry.get(type)?.isSecret === true;

const isBool = (type: z.core.$ZodType): boolean => {
  const found = inner(type);
  return found === bool || found._zod.def.type === 'boolean';
};

const allowedOf = (type: z.core.$ZodType): string => {
  const found = inner(type);
  if (found === duration) return 'duration';
  if (isBool(found)) return 'true|false';
  if (found._zod.def.type === 'enum')
    return Object.values((found._zod.def as z.core.$ZodEnumDef).entries).join('|');
  return found === commaList ? 'a,b,c' : found._zod.def.type;
};

const show = (type: z.core.$ZodType): string => {
  const value = defaultOf(type);
  if (value === undefined) return '';
  if (inner(type) === duration && typeof value === 'number') return formatDuration(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
};

type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** The table for --help. */
export const helpOf = (shape: Shape, name: string): string => {
  const rows = Object.entries(shape).map(([field, type]) => [
    flagOf(field),
    variableOf(field),
    allowedOf(type),
    show(type),
    descriptionOf(type),
  ]);
  const all = [['FLAG', 'ENVIRONMENT', 'VALUE', 'DEFAULT', 'MEANING'], ...rows];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${name} [--flag value ...]\n\n${lines.join('\n')}`;
};

const readFlags = (shape: Shape, argv: readonly string[], name: string): Map<string, string> => {
  const byFlag = new Map(Object.keys(shape).map((field) => [flagOf(field), field]));
  const given = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? '';
    if (arg === '--help' || arg === '-h') throw new HelpRequested(helpOf(shape, name));
    const at = arg.indexOf('=');
    const flag = at < 0 ? arg : arg.slice(0, at);
    const field = byFlag.get(flag);
    const type = field === undefined ? undefined : valueAt(shape, field);
    if (field === undefined || type === undefined)
      throw new OptionsError(`${name} does not know ${flag}; '${name} --help' lists all flags`);
    const next = argv[i + 1];
    if (at >= 0) given.set(field, arg.slice(at + 1));
    else if (isBool(type) && (next === undefined || next.startsWith('--'))) given.set(field, 'true');
    else if (next === undefined) throw new OptionsError(`${flag} needs a value: ${allowedOf(type)}`);
    else {
      given.set(field, next);
      i++;
    }
  }
  return given;
};

/**
 * Reads options from flags, then the environment, then the schema's defaults: batchIdleDuration is
 * --batch-idle-duration and BATCH_IDLE_DURATION. Throws OptionsError with the option, its fault and what is allowed,
 * and HelpRequested for --help.
 */
export const parse = <S extends z.ZodObject>(
  schema: S,
  o: {
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly name: string;
  },
): z.output<S> => {
  const shape: Shape = schema.shape;
  const flags = readFlags(shape, o.argv, o.name);
  const raw: Record<string, string> = {};
  for (const field of Object.keys(shape)) {
    const value = flags.get(field) ?? valueAt(o.env, variableOf(field));
    if (value !== undefined && value !== '') putAt(raw, field, value);
  }
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const field = String(issue.path[0] ?? '');
    const source = `${flagOf(field)} (${variableOf(field)})`;
    const value = valueAt(raw, field);
    const problem = issue.code === 'invalid_union' ? unionMessage(issue) : issue.message;
    if (value === undefined) return `${source} is required: ${problem}`;
    const type = valueAt(shape, field);
    return type && isSecret(type)
      ? `${source} can't be used: ${problem}`
      : `${source} is '${withoutUserinfo(value)}': ${problem}`;
  });
  throw new OptionsError(problems.join('; '), { cause: result.error });
};

/** The complaint about text among a union's complaints, since flags and environment hold text. */
const unionMessage = (issue: z.core.$ZodIssue): string => {
  if (issue.code !== 'invalid_union') return issue.message;
  return issue.errors.flat().find((e) => e.code === 'custom')?.message ?? issue.message;
};
