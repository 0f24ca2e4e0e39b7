import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { titlesIn } from './titles.ts';

/** Every fact of the policies that ours are modelled on has a test, or a row of docs/differences.md that says why not. */

const root = join(import.meta.dirname, '..', '..');
const read = (...path: readonly string[]): string => readFileSync(join(root, ...path), 'utf8');

const facts = z
  .array(
    z.strictObject({
      fact: z.string(),
      file: z.string().endsWith('.test.ts').exactOptional(),
      title: z.string().exactOptional(),
      row: z.string().exactOptional(),
    }),
  )
  .parse(parse(read('e2e/structure/policyfacts.yaml')));

/** First cells of the rows of a document's table, below its head. */
const rowsOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .flatMap((line) => (line.startsWith('| ') ? [(line.split(' | ')[0] ?? '').slice(2)] : []))
    .slice(1);

t.test('every fact has a test that is run, or a row', async (t) => {
  t.ok(facts.length > 50, `${facts.length} facts`);
  t.same(
    facts.filter(({ fact }, at) => facts.findIndex((other) => other.fact === fact) !== at),
    [],
    'each is there once',
  );
  for (const { fact, file, title, row } of facts) {
    t.ok((file === undefined) === (title === undefined) && (title ?? row) !== undefined, fact);
    if (file !== undefined && title !== undefined) t.ok(titlesIn(read(file)).has(title), `${file}: ${title}`);
  }
});

t.test('every row of docs/differences.md is of a fact, and every row that is named is there', async (t) => {
  const rows = rowsOf(read('docs/differences.md'));
  t.ok(rows.length > 10, `${rows.length} rows`);
  t.same([...new Set(facts.flatMap(({ row }) => row ?? []))].sort(), [...rows].sort());
});

t.test('a test that is skipped, to be written or gone is none', async (t) => {
  const text = `
    t.test('runs', async (t) => {});
    tap.test(
      "it's long",
      (t) => {},
    );
    t.test('skipped', { skip: 'why' }, async (t) => {});
    t.test('to be written', { todo: true }, async (t) => {});
    // t.test is not called with 'gone'
    const cases = [['of no table', 1]];
  `;
  t.same([...titlesIn(text)], ['runs', "it's long"]);
  t.same(
    [...titlesIn(`const T = [['row', 1], { says: 'field', x }]; t.test(sentence, async (t) => {});`)],
    ['row', 'field'],
  );
});
