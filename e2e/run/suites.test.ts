import t from 'tap';
import { findTests, isAlone, needOf } from './suites.ts';

const tree = (files: Readonly<Record<string, string>>) => (path: string) => {
  const text = files[path];
  if (text === undefined) throw new Error(`${path} is not in the tree`);
  return text;
};
const imports = (path: string) => `import { x } from '${path}';\n`;

t.test('a file directly in e2e/ runs on the whole cluster', async (t) => {
  t.equal(needOf('e2e/rebalance.test.ts', tree({})), 'whole-cluster');
});

t.test(
  'a file that reads where the cluster is, itself or by what it imports, runs on the shared one',
  async (t) => {
    const files = tree({
      'kube/cache/cache.test.ts': 'process.env.KUBECONFIG',
      'kube/far.test.ts': imports('./fixture.ts'),
      'kube/fixture.ts': 'process.env.KUBECONFIG',
    });
    t.equal(needOf('kube/cache/cache.test.ts', files), 'api-server');
    t.equal(needOf('kube/far.test.ts', files), 'api-server');
  },
);

t.test('a file that reaches the ground brings up its own', async (t) => {
  const files = tree({
    'kube/fault.test.ts': imports('./fixture.ts'),
    'kube/fixture.ts': imports('../e2e/ground/ground.ts'),
    'e2e/ground/ground.ts': '',
  });
  t.equal(needOf('kube/fault.test.ts', files), 'own-ground');
});

t.test('a type of the ground is not the ground', async (t) => {
  const files = tree({ 'e2e/ground/image/image.test.ts': `import type { Ground } from './ground.ts';\n` });
  t.equal(needOf('e2e/ground/image/image.test.ts', files), 'nothing');
});

t.test('a suite that says so is alone, wherever it lies', async (t) => {
  const files = tree({
    'e2e/far/a.test.ts': imports('../run/alone.ts'),
    'e2e/far/b.test.ts': imports('./a.ts'),
    'e2e/far/a.ts': imports('../run/alone.ts'),
  });
  t.ok(isAlone('e2e/far/a.test.ts', files));
  t.notOk(isAlone('e2e/far/b.test.ts', files), 'what others say is not of the suite');
  const alone = findTests().filter((file) => file.isAlone);
  t.ok(alone.length > 0, "kind's suite says so");
  t.ok(
    alone.every(({ need }) => need === 'own-ground'),
    'nothing else can be alone',
  );
});

t.test('this file is found, and needs nothing', async (t) => {
  t.strictSame(
    findTests().find((file) => file.path === 'e2e/run/suites.test.ts'),
    { path: 'e2e/run/suites.test.ts', need: 'nothing', isAlone: false },
  );
});
