import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { snapshotFromList } from '../planner/model/snapshot.ts';
import { changed, pathsOf } from '../planner/testing/paths.ts';
import { richList } from '../planner/testing/richlist.ts';
import { explainCommand } from './explain.ts';
import { parseFlags } from './flags.ts';
import { planCommand } from './plan.ts';
import { reportCommand } from './report.ts';
import type { Input } from './request.ts';
import { writeCatalog } from './testing/catalogfile.ts';

/** What the commands make of a cluster of which any one field is missing, null or nonsense. */

const NOW = Date.parse('2026-06-01T12:00:00Z');
const folder = mkdtempSync(join(tmpdir(), 'cli-anyfield-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const catalog = writeCatalog(folder);
const html = join(folder, 'page.html');
writeFileSync(html, '');

const VALUES = new Set(['catalog', 'output', 'html', 'time-budget']);
const input = (list: unknown, words: string): Input => ({
  flags: parseFlags([...words.split(' '), '--catalog', catalog, '--time-budget', '1ms'], VALUES, new Set()),
  readSnapshot: async () => snapshotFromList(list),
  readLive: async () => undefined,
  clock: () => performance.now(),
  now: NOW,
});

const COMMANDS = [
  { words: `report --html ${html}`, run: (each: Input) => reportCommand(each) },
  { words: 'plan rebalance', run: (each: Input) => planCommand(each) },
  { words: 'plan provision', run: (each: Input) => planCommand(each) },
  { words: 'explain pod picky', run: explainCommand },
  { words: 'explain pod waits', run: explainCommand },
  { words: 'explain node n1', run: explainCommand },
] as const;

/** Errors that are told in their sentence alone. */
const TOLD = new Set(['UsageError', 'SnapshotError', 'QuantityError']);
/** What nobody wants to read. */
const NONSENSE = /\b(undefined|NaN|Infinity|null|\[object)\b/;

const list = richList();
const paths = pathsOf(list);

/** What is wrong with the commands' answers; empty when nothing is. */
const faultsOf = async (changedList: unknown, what: string): Promise<readonly string[]> => {
  const faults: string[] = [];
  for (const { words, run } of COMMANDS) {
    try {
      const { out, err } = await run(input(changedList, words));
      const odd = words.startsWith('plan') ? undefined : NONSENSE.exec([out, ...err].join('\n'));
      if (odd) faults.push(`${what}: ${words} says ${odd[0]}: ${out.slice(odd.index - 60, odd.index + 40)}`);
    } catch (error) {
      if (error instanceof Error && TOLD.has(error.name) && /^[A-Z][^\n]{5,400}\.$/.test(error.message))
        continue;
      faults.push(`${what}: ${words}: ${String(error)} ${(error as Error).stack?.split('\n')[1] ?? ''}`);
    }
  }
  return faults;
};

t.test('the cluster as it is has nothing wrong', async (t) => {
  t.same(await faultsOf(list, 'as it is'), []);
});

for (const [how, by] of [
  ['missing', undefined],
  ['null', null],
  ['a word', 'zzz'],
  ['empty', {}],
] as const) {
  t.test(`any field ${how}: an answer in words, or one sentence`, async (t) => {
    const faults: string[] = [];
    for (const path of paths)
      faults.push(...(await faultsOf(changed(list, path, by), `${path.join('.')} ${how}`)));
    t.same(faults, []);
  });
}
