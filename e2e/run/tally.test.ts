import t from 'tap';
import { closingLine, skippedIn, sum, tallyOf } from './tally.ts';

t.test('the closing comment is read', async (t) => {
  const tap = 'ok 1 - a\n# { total: 9, pass: 2 }\n# { total: 5, pass: 3, fail: 1, skip: 1 }\n# time=3ms\n';
  t.strictSame(tallyOf(tap, 1), { passed: 3, failed: 1, skipped: 1 });
});

t.test('a stream that breaks off counts as a failure', async (t) => {
  t.strictSame(tallyOf('ok 1 - a\n', 0), { passed: 0, failed: 1, skipped: 0 });
});

t.test('a runner that ends badly without a failed test counts as a failure', async (t) => {
  t.strictSame(tallyOf('# { total: 1, pass: 1 }\n', 1), { passed: 1, failed: 1, skipped: 0 });
});

t.test('the closing line names skipped tests only when there are some', async (t) => {
  const one = { passed: 1, failed: 0, skipped: 0 };
  t.equal(closingLine(sum(one, one)), '2 passed, 0 failed');
  t.equal(closingLine({ passed: 1, failed: 2, skipped: 3 }), '1 passed, 2 failed, 3 skipped');
});

t.test('skipped tests are told with their reason', async (t) => {
  const tap = 'ok 1 - a # time=1ms\n    ok 2 - b # SKIP on kind: no\nok 3 - c # SKIP\n';
  t.strictSame(skippedIn(tap), [
    { test: 'b', why: 'on kind: no' },
    { test: 'c', why: '' },
  ]);
});
