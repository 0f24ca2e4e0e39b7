import t from 'tap';
import { findTests, needOf } from './suites.ts';

t.test('a file in e2e/ runs on the whole cluster', async (t) => {
  t.equal(needOf('e2e/rebalance.test.ts', ''), 'whole-cluster');
});

t.test('a file that reads where the cluster is runs on the shared one', async (t) => {
  t.equal(needOf('kube/cache.test.ts', 'process.env.KUBECONFIG'), 'api-server');
});

t.test('a file that brings up a ground of its own runs alone', async (t) => {
  const text = "import { up } from '../e2e/ground/ground.ts';\nconst ground = await up({ name: 'x' });";
  t.equal(needOf('kube/fault.test.ts', text), 'own-ground');
});

t.test('every other file needs nothing', async (t) => {
  t.equal(needOf('api/quantity.test.ts', ''), 'nothing');
});

t.test('this file is found', async (t) => {
  t.ok(findTests().some((file) => file.path === 'e2e/run/suites.test.ts'));
});
