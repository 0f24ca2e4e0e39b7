import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { titlesIn } from './titles.ts';

/** What docs/security.md names as held back, bounded or refused is shown by a test that exists, each by name. */

const root = join(import.meta.dirname, '..', '..');
const read = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8');

/** By section, by how a row or a point begins: tests as file and title, or why there is none. */
const sections = z
  .record(
    z.string(),
    z.record(z.string(), z.union([z.string().min(10), z.array(z.record(z.string(), z.string())).min(1)])),
  )
  .parse(parse(read('e2e/structure/securityfacts.yaml')));

/** Rows of tables, below their heads, and points of lists, by the title of their section. */
const claimsOf = (text: string): ReadonlyMap<string, readonly string[]> => {
  const claims = new Map<string, string[]>();
  let title = '';
  const lines = text.split('\n');
  for (const [at, line] of lines.entries()) {
    const heading = /^##+ (.*)$/.exec(line)?.[1];
    if (heading !== undefined) title = heading;
    const claim = /^(?:\| |- )(.*)$/.exec(line)?.[1];
    if (claim === undefined || lines[at + 1]?.startsWith('|---')) continue;
    claims.set(title, [...(claims.get(title) ?? []), claim]);
  }
  return claims;
};

const claims = claimsOf(read('docs/security.md'));
/** What its sections say is no promise: whom one has to trust, and what nobody holds back. */
const WITHOUT = ['Who is trusted with what', 'What is left'];

t.test(
  'every row and every point of the document has a test or a reason, and nothing else has',
  async (t) => {
    t.same(
      [...claims.keys()].filter((title) => !WITHOUT.includes(title)).sort(),
      Object.keys(sections).sort(),
    );
    for (const [title, facts] of Object.entries(sections)) {
      const beginnings = Object.keys(facts);
      const said = claims.get(title) ?? [];
      t.same(
        said.filter((claim) => !beginnings.some((beginning) => claim.startsWith(beginning))),
        [],
        `${title}: without a test`,
      );
      t.same(
        beginnings.filter((beginning) => !said.some((claim) => claim.startsWith(beginning))),
        [],
        `${title}: not in the document`,
      );
    }
  },
);

t.test('every test that is named is there, and is run', async (t) => {
  let found = 0;
  for (const tests of Object.values(sections).flatMap((facts) => Object.values(facts))) {
    if (typeof tests === 'string') continue;
    for (const [file, title] of tests.flatMap((test) => Object.entries(test))) {
      const isThere = file.endsWith('.test.ts') && existsSync(join(root, file));
      t.ok(isThere && titlesIn(read(file)).has(title), `${file}: ${title}`);
      found += 1;
    }
  }
  t.ok(found > 80, `${found} tests`);
});

t.test('rows, points and heads are told apart', async (t) => {
  const text = '## One\n| a | b |\n|---|---|\n| x | y |\n- point\nand more of it\n### Two\n- other';
  t.same(
    [...claimsOf(text)],
    [
      ['One', ['x | y |', 'point']],
      ['Two', ['other']],
    ],
  );
});
