import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { listOf, makeNode, makePod, makePool, makeSnapshot } from '../planner/testing/builders.ts';

/** Names in a snapshot that try to write to the reader's terminal or page: they are shown as text. */

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const RED = '\u001b[31m\u001b]0;owned\u0007';
const NODE = `node-${RED}\u202egpj\nnode-b removed <script>alert(1)</script>`;
const TYPE = `m5"onload='x'\u009b2J\u200b`;
const POD = `pod-${RED}</title><img src=x>`;

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const node = makeNode(NODE, { type: TYPE });
const snapshot = makeSnapshot(
  [node, makeNode('other', { type: TYPE })],
  [
    makePod(POD, { cpu: 100, memory: 100, node: NODE }),
    makePod(`held-${RED}`, { cpu: 10, memory: 10, node: 'other' }),
    makePod(`pending-${RED}`, { cpu: 900_000, memory: 10 }),
  ],
);
const files = [
  '--snapshot',
  file('snapshot.json', JSON.stringify(listOf({ ...snapshot, nodePools: [makePool()] }))),
  '--catalog',
  file(
    'catalogue.json',
    JSON.stringify([
      {
        name: TYPE,
        architecture: 'amd64',
        operatingSystems: ['linux'],
        resources: { cpu: '2', memory: '4Gi', pods: '58' },
        offerings: [{ Price: 0.1, Requirements: [] }],
      },
    ]),
  ),
  '--time-budget',
  '200ms',
];

/** Where a run of tests keeps what Node has compiled; a start takes a third less with it. */
const { NODE_COMPILE_CACHE } = process.env;

const run = (command: string, ...args: string[]): Promise<{ readonly out: string; readonly err: string }> =>
  new Promise((resolve) => {
    const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE, HOME: folder };
    execFile(process.execPath, ['cli/main.ts', command, ...files, ...args], { env }, (_, out, err) => {
      resolve({ out, err });
    });
  });

const obeyed = (text: string): string[] => text.match(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu) ?? [];

const COMMANDS = [
  ['report'],
  ['report', '-o', 'json'],
  ['report', '-o', 'yaml'],
  ['plan', 'rebalance'],
  ['plan', 'provision'],
  ['explain', 'pod', `default/${POD}`],
  ['explain', 'node', NODE],
  ['explain', 'node', `no-${RED}`],
  [`what-${RED}`],
  ['report', `--${RED}`],
];

for (const command of COMMANDS) {
  t.test(`a terminal obeys no name: ${JSON.stringify(command.join(' '))}`, async (t) => {
    const { out, err } = await run(command[0] ?? '', ...command.slice(1));
    t.ok(out + err, 'it says something');
    t.strictSame(obeyed(out), []);
    t.strictSame(obeyed(err), []);
    t.notMatch(out, /^node-b removed/m, 'no name makes a line of its own');
  });
}

const deep = '['.repeat(100_000) + ']'.repeat(100_000);
const list = (cpu: string, more = '[]'): string =>
  `{"items":[{"kind":"Pod","metadata":{"name":"p","namespace":"d"},"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":${cpu}}}}],"tolerations":${more}}}]}`;

const SNAPSHOTS: readonly [string, string, RegExp][] = [
  [
    'lists within lists',
    list('"1"', deep),
    /^The snapshot .* is not JSON: .*nested more than 100 deep.*\.\n$/,
  ],
  ['lists for a quantity', list('[[1]]'), /has object, which is not a quantity/],
  ['a quantity of a million letters', list(`"${'x'.repeat(1_000_000)}"`), /has "x{40}", which is not/],
  ['brackets that never close', '['.repeat(1_000_000), /is not JSON/],
];

for (const [name, text, message] of SNAPSHOTS) {
  t.test(`a snapshot with ${name} is refused in one sentence`, async (t) => {
    const { out, err } = await run('report', '--snapshot', file('hostile.json', text));
    t.equal(out, '');
    t.match(err, message);
    t.ok(err.length < 500, `${err.length} characters`);
  });
}

t.test('what is printed as JSON or YAML still has the names', async (t) => {
  const names = (report: { readonly lines: readonly { readonly name: string }[] }) =>
    report.lines.map((line) => line.name);
  t.match(names(JSON.parse((await run('report', '-o', 'json')).out)), [NODE]);
  t.match(names(parse((await run('report', '-o', 'yaml')).out)), [NODE]);
});

t.test('a page runs and loads nothing that a name holds', async (t) => {
  const page = join(folder, 'report.html');
  await run('report', '--html', page);
  const html = readFileSync(page, 'utf8');
  t.match(html, /node-\\u001b/, 'the node is there');
  t.strictSame(obeyed(html), []);
  t.notMatch(html, /<script|<img|onload='/);
  t.notMatch(
    html,
    /\sstyle=|\son[a-z]+=|<iframe|<link|href=(?!"#[a-z-]+")/,
    'nothing that the policy would have to allow',
  );
  const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(html)?.[1] ?? '';
  t.ok(html.indexOf('Content-Security-Policy') < html.indexOf('<style'), 'the policy comes first');
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  const parts = policy.split('; ').sort();
  t.strictSame(parts, [
    "base-uri 'none'",
    "default-src 'none'",
    "form-action 'none'",
    `style-src 'sha256-${hash}'`,
  ]);
});
