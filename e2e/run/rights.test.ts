import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { EXCEPTIONS } from '../rights/exceptions.ts';
import { textOf } from '../rights/grants.ts';
import type { Request } from '../rights/requests.ts';
import { COMPARED, comparedGrants, judgeRights, MANIFESTS, NOT_COMPARED, requestsOn } from './rights.ts';

/** What becomes of a run whose components asked for more than they may, or may more than they asked for. */

const all: readonly Request[] = comparedGrants().map((grant) => ({ ...grant, isAllowed: true }));

const judge = (requests: readonly Request[], isWhole: boolean) => {
  let text = '';
  const tally = judgeRights(requests, isWhole, (more) => {
    text += more;
  });
  return { tally, text };
};
const GOOD = { passed: 1, failed: 0, skipped: 0 };
const BAD = { passed: 0, failed: 1, skipped: 0 };

t.test('a run passes whose requests are those that are granted', async (t) => {
  t.same(judge(all, true).tally, GOOD);
  t.same(judge(all.slice(0, 1), false).tally, GOOD, 'a part of the suites shows a part of them');
});

t.test('a request that is not granted fails the run, whole or not', async (t) => {
  const stranger: Request = {
    account: 'castai-agent:castai-pod-pinner',
    verb: 'list',
    resource: 'secrets',
    isAllowed: false,
  };
  for (const isWhole of [true, false]) {
    const { tally, text } = judge([...all, stranger], isWhole);
    t.same(tally, BAD);
    t.match(text, /used but not granted: castai-agent:castai-pod-pinner list secrets/);
  }
});

t.test('a right without use fails the whole run, and a part of it does not know', async (t) => {
  const excepted = new Set(
    EXCEPTIONS.flatMap(({ verbs, reason: _, ...rest }) => verbs.map((verb) => textOf({ ...rest, verb }))),
  );
  const unused = all.find((each) => !excepted.has(textOf(each)) && each.verb === 'create');
  const others = all.filter((each) => each !== unused);
  t.ok(unused, 'a right that is not excepted');
  const { tally, text } = judge(others, true);
  t.same(tally, BAD);
  t.ok(text.includes(`granted but not used: ${unused && textOf(unused)}`), text);
  t.same(judge(others, false).tally, GOOD);
});

t.test('audit logs without a request of ours fail the run', async (t) => {
  for (const isWhole of [true, false]) t.same(judge([], isWhole).tally, BAD);
});

t.test('a ground that writes an audit log and has none shows no request, which fails', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'rights-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  t.same(await requestsOn({ dir, backend: 'modules' }), []);
  t.equal(await requestsOn({ dir, backend: 'kind' }), undefined);
});

t.test('every folder with rights of a ServiceAccount is compared, or says why it is not', async (t) => {
  const folders = globSync('{base,components}/**/*.yaml', { cwd: MANIFESTS })
    .filter((file) => /^kind: (Cluster)?RoleBinding$/m.test(readFileSync(join(MANIFESTS, file), 'utf8')))
    .map((file) => dirname(file).split('/'))
    .map(([first = '', second = '']) => (first === 'base' ? first : `${first}/${second}`));
  t.same([...new Set(folders)].sort(), [...COMPARED, ...NOT_COMPARED.keys()].sort());
});
