import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { stringify } from 'yaml';
import { listOf, makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { readSnapshot } from '../inputfiles.ts';

const folder = mkdtempSync(join(tmpdir(), 'forms-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

interface List {
  readonly items: readonly { readonly kind?: string; readonly metadata: { readonly name: string } }[];
}

const nodes = ['a', 'b'].map((name) => makeNode(name));
const list = listOf(makeSnapshot(nodes, [makePod('p', { node: 'a' }), makePod('q', { node: 'b' })])) as List;
const json = JSON.stringify(list, null, 2);
const swap = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
const withoutKinds = list.items.filter(({ kind }) => kind === 'Node').map(({ kind: _, ...item }) => item);
const nodeList = { kind: 'NodeList', apiVersion: 'v1', metadata: {}, items: withoutKinds };
const budgets = { kind: 'PodDisruptionBudgetList', apiVersion: 'policy/v1', metadata: {}, items: [] };
const ofKind = (kind: string) => ({ items: list.items.filter((item) => item.kind === kind) });

const READ: readonly (readonly [string, string | Buffer, number, number])[] = [
  ['a List', json, 2, 2],
  ['UTF-16 of PowerShell', Buffer.from(`\ufeff${json}`, 'utf16le'), 2, 2],
  ['UTF-16, high byte first', swap(`\ufeff${json}`), 2, 2],
  ['UTF-16 without a mark', Buffer.from(json, 'utf16le'), 2, 2],
  ['UTF-8 with a mark', `\ufeff${json}`, 2, 2],
  ['gzip', gzipSync(json), 2, 2],
  ['gzip of UTF-16', gzipSync(Buffer.from(`\ufeff${json}`, 'utf16le')), 2, 2],
  ['YAML', stringify(list), 2, 2],
  ['YAML documents', list.items.map((item) => stringify(item)).join('---\n'), 2, 2],
  ['YAML with a mark', `\ufeff${stringify(list)}`, 2, 2],
  ['an empty list among the items', JSON.stringify({ items: [...list.items, budgets] }), 2, 2],
  ['lists among the items', JSON.stringify({ items: [{ ...ofKind('Pod'), kind: 'List' }, nodeList] }), 2, 2],
  ['items without a kind', JSON.stringify(nodeList), 2, 0],
  ['two Lists', JSON.stringify(ofKind('Node')) + JSON.stringify(ofKind('Pod'), null, 2), 2, 2],
  ['one line for each object', list.items.map((item) => JSON.stringify(item)).join('\n'), 2, 2],
  ['an array', JSON.stringify(list.items), 2, 2],
  ['a warning in front', `Warning: policy/v1beta1 is deprecated\n${json}`, 2, 2],
  ['an error behind', `${json}\nError from server (Forbidden): pdb is forbidden\n`, 2, 2],
  ['null items', JSON.stringify({ kind: 'NodeList', items: null }), 0, 0],
  ['one object', JSON.stringify(list.items[0]), 1, 0],
];

for (const [name, content, expectedNodes, expectedPods] of READ) {
  t.test(`case 18, ${name}: read`, async (t) => {
    const snapshot = readSnapshot(write('file', content));
    t.equal(snapshot.nodes.length, expectedNodes);
    t.equal(snapshot.pods.length, expectedPods);
  });
}

const dump = `${JSON.stringify(nodeList)}\n==== START logs for container app of pod shop/web-1 ====\n{ log }\n==== END logs ====\n`;
const REFUSED: readonly (readonly [string, string | Buffer, RegExp])[] = [
  ['no bytes', '', /is empty/],
  ['spaces', ' \n ', /is empty/],
  ['a damaged gzip', gzipSync(json).subarray(0, 100), /gzip/],
  ['half a file', json.slice(0, -10), /ends too early/],
  ['the output of cluster-info dump, case 47', dump, /cluster-info dump/],
  ['a table', 'NAME   STATUS\nnode   Ready\n', /not JSON or YAML/],
  ['a refusal', JSON.stringify({ kind: 'Status', status: 'Failure', code: 403 }), /refusal/],
  ['null', 'null', /not JSON or YAML/],
  ['bytes', Buffer.from([0x50, 0x4b, 3, 4, 200, 201]), /not JSON or YAML/],
];

for (const [name, content, why] of REFUSED) {
  t.test(`case 18, ${name}: one sentence`, async (t) => {
    const path = write('refused', content);
    t.throws(() => readSnapshot(path), { message: why });
    try {
      readSnapshot(path);
    } catch (error) {
      t.match((error as Error).message, /^[A-Z][^\n]+: create it with kubectl get [^\n]+\.$/);
      t.notMatch((error as Error).message, /web-1|log }/, 'nothing of the file');
    }
  });
}

t.test('case 18, YAML that calls itself without end: one sentence', async (t) => {
  const path = write('loop.yaml', 'kind: List\nitems: &a\n  - *a\n  - *a\n');
  t.throws(() => readSnapshot(path), { message: /^Item 0 of the snapshot has no kind\.$/ });
});

t.test('case 18: a note for lines that were passed over', async (t) => {
  const { notes } = readSnapshot(write('warned', `Warning: old\n${json}`));
  t.match(notes, [/^1 line of .*warned beside the JSON were passed over/]);
});

t.test('case 19: an object in two files is one object, in its newest state', async (t) => {
  const [node] = list.items;
  const at = (resourceVersion: string, zone: string) =>
    JSON.stringify({
      items: [{ ...node, metadata: { ...node?.metadata, resourceVersion, labels: { zone } } }],
    });
  const files = [write('1.json', json), write('2.json', at('9', 'old')), write('3.json', at('10', 'new'))];
  for (const order of [files, [...files].reverse()]) {
    const { nodes } = readSnapshot(order.join(','));
    t.equal(nodes.length, 2);
    t.match(
      nodes.find(({ metadata }) => metadata.name === node?.metadata.name),
      { metadata: { labels: { zone: 'new' } } },
    );
  }
});

t.test('case 18: the files of a folder are read, other files passed over', async (t) => {
  const inner = join(folder, 'dump', 'kube-system');
  mkdirSync(inner, { recursive: true });
  writeFileSync(join(folder, 'dump', 'nodes.json'), JSON.stringify(nodeList));
  writeFileSync(
    join(inner, 'pods.yaml.gz'),
    gzipSync(stringify({ kind: 'PodList', items: ofKind('Pod').items })),
  );
  writeFileSync(join(inner, 'logs.txt'), 'nothing to see');
  const { nodes, pods } = readSnapshot(join(folder, 'dump'));
  t.same([nodes.length, pods.length], [2, 2]);
  mkdirSync(join(folder, 'empty'));
  t.throws(() => readSnapshot(join(folder, 'empty')), { message: /^The folder .* holds no file/ });
});

t.test('case 20: kinds that the file lacks are named', async (t) => {
  const { notes = [] } = readSnapshot(write('pods.json', JSON.stringify(ofKind('Pod'))));
  for (const kind of ['Nodes', 'NodePools', 'NodeClaims', 'DaemonSets', 'PodDisruptionBudgets']) {
    t.ok(
      notes.some((note) => note.startsWith(`The file has no ${kind}, so `)),
      kind,
    );
  }
});
