import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import t from 'tap';

const PLANNER = join(import.meta.dirname, '..', '..');
const FILES = [
  join(PLANNER, 'plan', 'verify.ts'),
  ...readdirSync(import.meta.dirname)
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => join(import.meta.dirname, file)),
];

t.test('the check shares nothing with what makes plans', async (t) => {
  for (const file of FILES) {
    for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)'/g)) {
      const imported = relative(PLANNER, join(dirname(file), path));
      t.match(
        imported,
        /^(\.\.\/api|model|scheduling|plan\/verify)\//,
        `${relative(PLANNER, file)} → ${imported}`,
      );
    }
  }
});
