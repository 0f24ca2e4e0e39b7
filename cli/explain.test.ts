import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { makeNode, makePod, makeSnapshot } from '../planner/testing/builders.ts';
import { explainCommand } from './explain.ts';
import { parseFlags } from './flags.ts';
import { writeCatalog } from './testing/catalogfile.ts';

/** What `explain` prints of many things that are alike. */

const folder = mkdtempSync(join(tmpdir(), 'cli-explain-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const catalog = writeCatalog(folder);

const explained = async (pods: readonly Pod[], nodes: number, ...words: string[]): Promise<string[]> => {
  const names = Array.from({ length: nodes }, (_, n) => makeNode(`n${n}`));
  const { out } = await explainCommand({
    flags: parseFlags(['explain', ...words, '--catalog', catalog], new Set(['catalog']), new Set()),
    readSnapshot: async () => makeSnapshot(names, pods),
    readLive: async () => undefined,
    clock: () => performance.now(),
    now: Date.parse('2026-11-30T00:00:00Z'),
  });
  return out.trim().split('\n');
};

t.test('nodes that refuse a pod for the same reason are one line with their number', async (t) => {
  const full = Array.from({ length: 143 }, (_, n) => makePod(`p${n}`, { cpu: 3900, node: `n${n}` }));
  const lines = await explained([...full, makePod('late')], 144, 'pod', 'late');
  t.match(lines, [
    'Insufficient cpu: 143 nodes (n0, n1, n2 and 140 more)',
    /^n143: it fits; it would be pinned by bind/,
  ]);
});

t.test('the node that a pod runs on is the first line', async (t) => {
  const lines = await explained([makePod('web', { node: 'n2' })], 4, 'pod', 'web');
  t.match(lines, [/^n2: it runs here/, /^it fits; it would .*: 3 nodes \(n0, n1, n3\)$/]);
});

t.test('pods that keep a node for the same reason are one line with their number', async (t) => {
  const bare = [0, 1, 2, 3].map((n) => makePod(`debug-${n}`, { node: 'n0', owner: null }));
  const lines = await explained([...bare, makePod('job', { node: 'n0', owner: 'Job' })], 1, 'node', 'n0');
  t.strictSame(lines, [
    'it may not be replaced: pods have no controller: 4 pods (default/debug-0, default/debug-1, default/debug-2 and 1 more)',
    'it may not be replaced: pod default/job belongs to a Job',
  ]);
});
