import t from 'tap';
import { CronError } from '../../api/cron/fields.ts';
import { parseCron } from '../../api/cron.ts';
import { paced } from '../../kube/testing/pace.ts';
import { buildPrograms } from '../ground/build/build.ts';
import { run } from '../ground/host/command.ts';
import { SILENT } from '../ground/host/progress.ts';
import { cacheRoot } from '../ground/paths.ts';
import { type Dice, diceFrom } from './dice.ts';

/** Cron expressions mean to us what they mean to robfig/cron, which CronJobs and Karpenter read them with. */

const CASES = Number(process.env.CRON_CASES ?? 6_000);
const SEED = Number(process.env.CRON_SEED ?? 1);
const TIMES = 4;

/** Zones whose clocks change at midnight, by half an hour, or never, and offsets that are no whole hours. */
const ZONES = [
  'UTC',
  '',
  'Local',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'America/Havana',
  'Asia/Beirut',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Etc/GMT+5',
];
const BROKEN_ZONES = ['Mars/Base', 'europe/berlin', '+02:00', 'Europe/'];
const MACROS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
const DELAYS = ['1h30m', '90s', '1.5s', '250ms', '-2h', '1d', '', '.5h', '2h3', '100us', '+5m', '0'];

interface Field {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const FIELDS: readonly Field[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: ['jan', 'FEB', 'Mar', 'dec'] },
  { min: 0, max: 6, names: ['sun', 'MON', 'Fri', 'sat'] },
];

const numberOf = (dice: Dice, field: Field): string => {
  if (dice.chance(0.15) && field.names.length > 0) return dice.pick(field.names);
  // Now and then past an end, such as Sunday as 7.
  if (dice.chance(0.02)) return dice.pick([String(field.max + 1), String(field.min - 1), 'x', '', 'L']);
  const value = field.min + dice.below(field.max - field.min + 1);
  return dice.chance(0.03) ? dice.pick([`0${value}`, `+${value}`]) : String(value);
};

const partOf = (dice: Dice, field: Field): string => {
  const range = dice.chance(0.35)
    ? dice.pick(['*', '*', '?', `*-${field.max}`])
    : dice.chance(0.5)
      ? numberOf(dice, field)
      : `${numberOf(dice, field)}-${dice.chance(0.7) ? field.max : numberOf(dice, field)}`;
  if (!dice.chance(0.35)) return range;
  return `${range}/${dice.chance(0.05) ? dice.pick(['0', '', '-2', '2/3', 'x']) : 1 + dice.below(field.max)}`;
};

const fieldOf = (dice: Dice, field: Field): string => {
  if (dice.chance(0.3)) return '*';
  const parts = Array.from({ length: dice.chance(0.2) ? 1 + dice.below(3) : 1 }, () => partOf(dice, field));
  return parts.join(dice.chance(0.03) ? ',,' : ',');
};

const bodyOf = (dice: Dice): string => {
  if (dice.chance(0.04)) return dice.pick([...MACROS, '@reboot', '@Daily', '@daily ', ' @daily']);
  if (dice.chance(0.04)) return `@every ${dice.pick(DELAYS)}`;
  const fields = FIELDS.map((field) => fieldOf(dice, field));
  if (dice.chance(0.02)) fields.splice(dice.below(5), dice.below(2), ...(dice.chance(0.5) ? ['0'] : []));
  return fields.join(dice.chance(0.03) ? '\t ' : ' ');
};

const expressionOf = (dice: Dice): string => {
  const body = bodyOf(dice);
  if (dice.chance(0.4)) return body;
  const zone = dice.chance(0.03) ? dice.pick(BROKEN_ZONES) : dice.pick(ZONES);
  const gap = dice.chance(0.03) ? dice.pick(['', '  ', '\t']) : ' ';
  return `${dice.pick(['TZ=', 'CRON_TZ='])}${zone}${gap}${body}`;
};

const START = Date.parse('2010-01-01T00:00:00Z');
const END = Date.parse('2028-01-01T00:00:00Z');
/** Moments at which a clock of the zones above changed. */
const CHANGES = [
  '2018-11-04T03:00:00Z',
  '2019-02-17T02:00:00Z',
  '2026-03-08T07:00:00Z',
  '2026-03-29T01:00:00Z',
  '2026-10-03T15:30:00Z',
  '2026-10-25T01:00:00Z',
  '2026-11-01T05:00:00Z',
].map((text) => Date.parse(text));

const instantOf = (dice: Dice): number => {
  const at = dice.chance(0.5)
    ? START + dice.below(END - START)
    : dice.pick(CHANGES) - dice.below(3 * 86_400_000);
  return dice.chance(0.3) ? Math.floor(at / 60_000) * 60_000 : at;
};

interface Question {
  readonly expression: string;
  /** Milliseconds since 1970. */
  readonly after: number;
  readonly count: number;
}

interface Answer {
  readonly times?: readonly number[];
  readonly error?: string;
}

const questions = (seed: number, count: number): readonly Question[] => {
  const dice = diceFrom(seed);
  return Array.from({ length: count }, () => ({
    expression: expressionOf(dice),
    after: instantOf(dice),
    count: TIMES,
  }));
};

const ask = async (asked: readonly Question[]): Promise<readonly Answer[]> => {
  const [program = ''] = (
    await buildPrograms(['cron'], { cache: cacheRoot(process.env), progress: SILENT })
  ).values();
  const input = asked.map((question) => JSON.stringify(question)).join('\n');
  // A schedule without a time zone is in that of the machine.
  const output = await run([program], { input, env: { TZ: 'UTC' }, timeoutMs: 120_000 });
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
};

const answerOf = ({ expression, after, count }: Question): Answer => {
  try {
    const cron = parseCron(expression);
    const times: number[] = [];
    for (let at = cron.next(after); at !== undefined && times.length < count; at = cron.next(at))
      times.push(at);
    return { times };
  } catch (error) {
    if (error instanceof CronError) return { error: error.message };
    throw error;
  }
};

const textOf = ({ times, error }: Answer): string =>
  error ?? times?.map((at) => new Date(at).toISOString()).join(' ') ?? '';

t.test('cron expressions are read as robfig/cron reads them', { timeout: paced(600_000) }, async (t) => {
  const asked = questions(SEED, CASES);
  const theirs = await ask(asked);
  t.equal(theirs.length, asked.length);
  let refused = 0;
  let different = 0;
  for (const [i, question] of asked.entries()) {
    const answer = answerOf(question);
    const expected = theirs[i] ?? {};
    if (expected.error !== undefined) refused += 1;
    const isSame =
      (answer.error === undefined) === (expected.error === undefined) &&
      JSON.stringify(answer.times) ===
        JSON.stringify(expected.error === undefined ? expected.times : undefined);
    if (isSame) continue;
    different += 1;
    if (different > 20) continue;
    t.fail(`'${question.expression}' after ${new Date(question.after).toISOString()}`, {
      ours: textOf(answer),
      theirs: textOf(expected),
    });
  }
  t.equal(different, 0, `${CASES - refused} expressions have the same times, ${refused} are refused by both`);
  t.ok(refused > CASES / 50 && refused < CASES / 2, 'most expressions are valid, and some are not');
});
