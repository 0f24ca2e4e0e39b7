import { join } from 'node:path';
import t from 'tap';
import { isTestCode, readTree } from './tree.ts';

/**
 * Notations that one module reads, for everyone: a rule that is written twice is read in two ways sooner or later. Each has
 * signs of code that reads it, which are found at its home and nowhere else.
 */

interface Notation {
  readonly home: RegExp;
  readonly signs: readonly RegExp[];
  /** Packages that read it, too. */
  readonly packages?: RegExp;
}

const NOTATIONS: Readonly<Record<string, Notation>> = {
  'schedules (cron)': {
    home: /^api\/cron(\/[a-z]+)?\.ts$/,
    signs: [
      /['"`]@(yearly|annually|monthly|weekly|daily|midnight|hourly|every)\b/,
      /CRON_\)\?TZ|CRON_TZ=?['"`]/,
      /\bday ?of ?(month|week)\b/i,
      /\btimeZone:/,
    ],
    packages: /cron/,
  },
  'durations of Go': { home: /^api\/duration\.ts$/, signs: [/µs/, /\|ms\|/] },
  quantities: { home: /^api\/quantity\.ts$/, signs: [/\bKi\b/, /\bMi\b.*\bGi\b/] },
};

/** The text without its comments. */
const codeOf = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');

const production = readTree(join(import.meta.dirname, '..', '..')).filter(({ path }) => !isTestCode(path));

for (const [name, { home, signs, packages }] of Object.entries(NOTATIONS)) {
  t.test(`${name} are read in one place`, async (t) => {
    const read = production.filter(({ text }) => signs.some((sign) => sign.test(codeOf(text))));
    t.same(
      read.map(({ path }) => path).filter((path) => !home.test(path)),
      [],
    );
    for (const sign of signs)
      t.ok(
        production.some(({ path, text }) => home.test(path) && sign.test(codeOf(text))),
        `${sign} is a sign of it`,
      );
    t.same(
      production.filter((file) => packages && file.packages.some((each) => packages.test(each))),
      [],
    );
  });
}
