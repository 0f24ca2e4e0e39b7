import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { run } from '../ground/host/command.ts';
import { readTree } from '../structure/tree.ts';
import { program, ROOT } from './tools.ts';

/** What we ship for AWS: the policy is what our code calls, and Terraform's files are files of Terraform. */

const MINUTES = { timeout: 540_000 };

const files = new Map(readTree(ROOT).map((file) => [file.path, file]));

/** A call that we sign ourselves, by the constant that names its right. */
const SIGNED = /^export const \w+_CALL = '([a-z0-9-]+:[A-Z]\w+)';$/gm;

/**
 * Actions of AWS that a program calls: the commands of its SDK and the calls that we sign, in all files that it imports or
 * runs as workers.
 */
function actionsOf(main: string): readonly string[] {
  const seen = new Set<string>();
  const open = [main];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { imports = [], text = '' } = files.get(path) ?? {};
    const workers = [...text.matchAll(/new URL\('(\.[^']+\.ts)', import\.meta\.url\)/g)];
    open.push(...imports, ...workers.map(([, worker = '']) => join(dirname(path), worker)));
  }
  const actions = [...seen].flatMap((path) => {
    const text = files.get(path)?.text ?? '';
    const commands = [...text.matchAll(/import \{([^}]*)\} from '@aws-sdk\/client-(\w+)'/g)].flatMap(
      ([, names = '', service]) =>
        [...names.matchAll(/\b(\w+)Command\b/g)].map(([, name]) => `${service}:${name}`),
    );
    return [...commands, ...[...text.matchAll(SIGNED)].map(([, action = '']) => action)];
  });
  return [...new Set(actions)].sort();
}

const allowedBy = (file: string): readonly string[] => {
  const { Statement } = JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as {
    readonly Statement: readonly { readonly Effect: string; readonly Action: readonly string[] }[];
  };
  return Statement.flatMap(({ Effect, Action }) => (Effect === 'Allow' ? Action : [])).toSorted();
};

for (const [main, policy] of [
  ['kentroller/main.ts', 'manifests/aws/iam-policy.json'],
  ['cli/main.ts', 'manifests/aws/iam-policy-report.json'],
] as const)
  t.test(`${policy} allows what ${main} calls, and nothing else`, async (t) => {
    const called = actionsOf(main);
    t.ok(called.length >= 6, `${called}`);
    t.same(allowedBy(policy), called);
    t.match(readFileSync(join(ROOT, 'docs/eks.md'), 'utf8'), policy, 'docs name it');
  });

t.test('the Terraform example is HCL, formatted as its tools format it', MINUTES, async (t) => {
  const examples = globSync('manifests/aws/terraform/*.tf', { cwd: ROOT });
  t.ok(examples.length > 0);
  for (const file of examples) await run([await program('hclfmt'), '-check', file], { cwd: ROOT });
  const text = examples.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
  for (const chart of ['precision-packer-crds', 'precision-packer'])
    t.match(text, `chart            = "${chart}"`.slice(-chart.length - 2));
  const dir = t.testdir({ 'broken.tf': 'resource "a" {\n' });
  await t.rejects(run([await program('hclfmt'), '-check', join(dir, 'broken.tf')]), 'a broken file is none');
});

/** Longest names that AWS takes; a cluster's has 100 characters at most. */
const LONGEST: Readonly<Record<string, number>> = {
  aws_iam_role: 64,
  aws_iam_policy: 128,
  aws_sqs_queue: 80,
  aws_cloudwatch_event_rule: 64,
};
/** An expression within a string of Terraform's. */
const hcl = (expression: string): string => `\${${expression}}`;

/** Values of `for_each` in the names of rules. */
const KEYS = ['recommendation', 'interruption'];

t.test('names of AWS fit what AWS takes, however long the name of the cluster is', async (t) => {
  const named: [type: string, name: string][] = [];
  const main = readFileSync(join(ROOT, 'manifests/aws/terraform/main.tf'), 'utf8');
  for (const [, type = '', name = ''] of main.matchAll(/^resource "(\w+)" "\w+" \{\n\s+name\s+= "(.+)"$/gm))
    if (type in LONGEST) named.push([type, name]);
  const queue = JSON.parse(readFileSync(join(ROOT, 'manifests/aws/interruption-queue.tf.json'), 'utf8'));
  for (const [type, resources] of Object.entries(
    queue.resource as Record<string, Record<string, { name?: string }>>,
  ))
    for (const { name } of Object.values(resources)) if (name && type in LONGEST) named.push([type, name]);
  t.equal(named.length, 5);
  const short = [hcl('substr(var.cluster_name, 0, 31)'), hcl('substr(sha256(var.cluster_name), 0, 8)')];
  const rule = hcl(`length(var.cluster_name) <= 40 ? var.cluster_name : "${short.join('-')}"`);
  t.equal(queue.locals.name, rule);
  t.ok(main.includes(`name = ${rule.slice(2, -1)}\n`), 'both shorten it the same way, to 40 characters');
  for (const [type, name] of named)
    for (const key of KEYS) {
      const full = name.replace(hcl('local.name'), 'c'.repeat(40)).replace(hcl('each.key'), key);
      t.notMatch(full, /\$/, `${type}: all of ${name} is known`);
      t.ok(full.length <= (LONGEST[type] ?? 0), `${type} ${full}`);
    }
  const stack = readFileSync(join(ROOT, 'manifests/aws/interruption-queue.cloudformation.yaml'), 'utf8');
  const most = Number(/MaxLength: (\d+)/.exec(stack)?.[1]);
  t.equal(most + '-spot-prediction'.length, LONGEST.aws_sqs_queue, 'a longer name is refused at once');
});
