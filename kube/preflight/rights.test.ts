import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { POLICIES } from './installation.ts';
import { grantedRights, missingInRules, type Right, rightText } from './rights.ts';

const right = (o: Partial<Right> = {}): Right => ({
  account: 'castai-kentroller',
  verb: 'list',
  group: '',
  resource: 'pods',
  ...o,
});

t.test('the rights of our manifests are read back line by line', async (t) => {
  const texts = grantedRights('castai-agent').map((each) => `${each.account} ${rightText(each)}`);
  t.ok(texts.length > 100);
  for (const text of [
    'castai-kentroller list pods',
    'castai-kentroller create pods in castai-agent',
    'castai-kentroller get namespaces castai-agent',
    'castai-kentroller patch rebalanceplans.autoscaling.cast.ai/status',
    'castai-pod-pinner get leases.coordination.k8s.io castai-kentroller in castai-agent',
    'castai-pod-pinner create leases.coordination.k8s.io in kube-node-lease',
  ]) {
    t.ok(texts.includes(text), text);
  }
});

t.test('an installation in another namespace has its rights there', async (t) => {
  const rights = grantedRights('elsewhere');
  t.notOk(rights.some(({ namespace, name }) => [namespace, name].includes('castai-agent')));
  t.ok(rights.some(({ namespace }) => namespace === 'kube-node-lease'));
});

t.test('rules of RBAC that allow a right', async (t) => {
  const rule = { verbs: ['list'], apiGroups: [''], resources: ['pods'] };
  const CASES: readonly (readonly [string, object, Right, boolean])[] = [
    ['the same', rule, right(), true],
    ['another verb', rule, right({ verb: 'get' }), false],
    ['another group', rule, right({ group: 'apps' }), false],
    ['a subresource', rule, right({ subresource: 'status' }), false],
    [
      'everything',
      { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
      right({ subresource: 'status' }),
      true,
    ],
    ['one subresource', { ...rule, resources: ['pods/status'] }, right({ subresource: 'status' }), true],
    ['a subresource of all', { ...rule, resources: ['*/status'] }, right({ subresource: 'status' }), true],
    ['that name', { ...rule, resourceNames: ['a'] }, right({ name: 'a' }), true],
    ['another name', { ...rule, resourceNames: ['a'] }, right({ name: 'b' }), false],
    ['names alone, for all', { ...rule, resourceNames: ['a'] }, right(), false],
  ];
  for (const [what, resourceRule, asked, isAllowed] of CASES) {
    const rules = { resourceRules: [resourceRule as typeof rule], incomplete: false };
    t.equal(missingInRules([asked], rules).length === 0, isAllowed, what);
  }
});

t.test('the policies that are looked for are those of our manifests', async (t) => {
  const base = new URL('../../manifests/base/', import.meta.url);
  const names = ['policies/', 'users/']
    .flatMap((folder) => readdirSync(new URL(folder, base)).map((file) => `${folder}${file}`))
    .flatMap((file) => parseAllDocuments(readFileSync(new URL(file, base), 'utf8')))
    .map(
      (document) =>
        document.toJS() as { readonly kind: string; readonly metadata: { readonly name: string } },
    )
    .filter(({ kind }) => kind === 'ValidatingAdmissionPolicy')
    .map(({ metadata }) => metadata.name);
  t.same([...names].sort(), [...POLICIES].sort());
});
