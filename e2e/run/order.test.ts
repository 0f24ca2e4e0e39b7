import t from 'tap';
import { inOrder, LONGEST } from './order.ts';
import { findTests } from './suites.ts';

t.test('the longest files begin first, the others stay as they are', async (t) => {
  const [first = '', second = ''] = LONGEST;
  const files = ['api/b.test.ts', second, 'api/a.test.ts', first].map((path) => ({ path }));
  t.strictSame(
    inOrder(files).map(({ path }) => path),
    [first, second, 'api/b.test.ts', 'api/a.test.ts'],
  );
});

t.test('each of them is there', async (t) => {
  const there = new Set(findTests().map(({ path }) => path));
  t.strictSame(
    LONGEST.filter((path) => !there.has(path)),
    [],
  );
});
