import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../ground/host/command.ts';
import { readTree } from '../structure/tree.ts';
import { program, ROOT } from './tools.ts';

/** What we ship for AWS: the policy is what our code calls, and Terraform's files are files of Terraform. */

const MINUTES = { timeout: 540_000 };

const sourcesOf = (folder: string): string =>
  globSync(`${folder}/**/*.ts`, { cwd: ROOT })
    .filter((path) => !path.endsWith('.test.ts') && !path.includes('/testing/'))
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    .join('\n');

/** The files of cloud/aws that kentroller runs; its reader is a program of its own. What only reports read is not there. */
const kentrollersAwsCode = (): string => {
  const files = new Map(readTree(ROOT).map((file) => [file.path, file]));
  const open = ['kentroller/main.ts', 'cloud/aws/reader.process.ts'];
  const reached = new Set(open);
  for (const path of open) {
    for (const next of files.get(path)?.imports ?? []) {
      if (reached.has(next) || !files.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  const paths = [...reached].filter((path) => path.startsWith('cloud/aws/'));
  return paths.map((path) => files.get(path)?.text ?? '').join('\n');
};

t.test('the IAM policy allows what kentroller calls, and nothing else', async (t) => {
  const text = readFileSync(join(ROOT, 'manifests/aws/iam-policy.json'), 'utf8');
  const { Statement } = JSON.parse(text) as { Statement: { Effect: string; Action: string[] }[] };
  const allowed = Statement.flatMap(({ Action }) => Action);
  const called = [...kentrollersAwsCode().matchAll(/new (\w+)Command\(/g)].map(([, name]) =>
    name === 'GetProducts' ? `pricing:${name}` : `ec2:${name}`,
  );
  t.same(allowed.toSorted(), [...new Set(called)].sort());
  t.ok(Statement.every(({ Effect }) => Effect === 'Allow'));
  t.notMatch(sourcesOf('kentroller') + sourcesOf('cli'), /@aws-sdk/, 'nobody else calls AWS');
  const readme =
    readFileSync(join(ROOT, 'README.md'), 'utf8') + readFileSync(join(ROOT, 'docs/eks.md'), 'utf8');
  t.match(readme, 'manifests/aws/iam-policy.json');
});

t.test('the Terraform example is HCL, formatted as its tools format it', MINUTES, async (t) => {
  const files = globSync('manifests/aws/terraform/*.tf', { cwd: ROOT });
  t.ok(files.length > 0);
  for (const file of files) await run([await program('hclfmt'), '-check', file], { cwd: ROOT });
  const text = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
  for (const chart of ['precision-packer-crds', 'precision-packer'])
    t.match(text, `chart            = "${chart}"`.slice(-chart.length - 2));
  const dir = t.testdir({ 'broken.tf': 'resource "a" {\n' });
  await t.rejects(run([await program('hclfmt'), '-check', join(dir, 'broken.tf')]), 'a broken file is none');
});
