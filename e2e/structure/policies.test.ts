import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { OUR_MARKS } from '../../api/identity/marks.ts';
import { PIN_GATE, PREPARING_TAINT, REMOVAL_TAINT, UNDO_FINALIZER } from '../../api/labels.ts';

/** The admission policies know our accounts and marks by the names that the code has for them. */

interface Policy {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly failurePolicy?: string;
    readonly policyName?: string;
    readonly matchConditions?: readonly { readonly name: string; readonly expression: string }[];
    readonly variables?: readonly { readonly name: string; readonly expression: string }[];
  };
}

const base = join(import.meta.dirname, '..', '..', 'manifests', 'base');
const folder = join(base, 'policies');
const texts = new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
const objects = [...texts.values()]
  .flatMap((text) => parseAllDocuments(text))
  .map((document) => document.toJS() as Policy);
const policies = objects.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');

t.test('all policies are installed, each with its binding, and judge our accounts alone', async (t) => {
  const { resources } = parse(readFileSync(join(base, 'kustomization.yaml'), 'utf8')) as {
    readonly resources: readonly string[];
  };
  t.same(
    [...texts.keys()].filter((file) => !resources.includes(`policies/${file}`)),
    [],
  );
  const bound = objects.flatMap(({ spec }) => spec.policyName ?? []);
  t.same(policies.map(({ metadata }) => metadata.name).toSorted(), bound.toSorted());
  const conditions = policies.map(({ spec }) => spec.matchConditions?.[0]);
  t.equal(new Set(conditions.map((condition) => JSON.stringify(condition))).size, 1);
  const pattern = /matches\('(.*)'\)/.exec(conditions[0]?.expression ?? '')?.[1] ?? '';
  const accounts = readdirSync(base, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('rbac.yaml'))
    .flatMap((path) => parseAllDocuments(readFileSync(join(base, path), 'utf8')))
    .map((document) => document.toJS() as Policy)
    .filter(({ kind }) => kind === 'ServiceAccount')
    .map(({ metadata }) => metadata.name);
  t.ok(accounts.length >= 4, `${accounts}`);
  for (const name of accounts) t.match(`system:serviceaccount:ns:${name}`, new RegExp(pattern), name);
  for (const other of ['ns:default', 'ns:castai-kentroller2', 'ns:x:castai-kentroller', 'ns:castai-evictor'])
    t.notMatch(`system:serviceaccount:${other}`, new RegExp(pattern), other);
  t.notMatch('castai-kentroller', new RegExp(pattern));
});

t.test('what kentroller may take off objects is every mark of ours', async (t) => {
  const marks = [...OUR_MARKS.labels, ...OUR_MARKS.annotations];
  for (const policy of ['castai-own-pods', 'castai-own-nodes', 'castai-own-nodeclaims']) {
    const found = policies.find(({ metadata }) => metadata.name === policy);
    const removable = found?.spec.variables?.find(({ name }) => name === 'removable')?.expression ?? '';
    t.same(
      marks.filter((mark) => !removable.includes(`'${mark}'`)),
      [],
      policy,
    );
  }
});

t.test('gate, taint and finalizer are ours', async (t) => {
  t.match(texts.get('pods.yaml'), `g.name == '${PIN_GATE}'`);
  for (const file of ['pods.yaml', 'nodes.yaml', 'nodeclaims.yaml'])
    t.match(texts.get(file), `'${PREPARING_TAINT}'`);
  t.match(texts.get('nodes.yaml'), `'${REMOVAL_TAINT}'`);
  t.match(texts.get('guards.yaml'), `'${UNDO_FINALIZER}'`);
});
