import t from 'tap';
import { foreignMark, isMarkedBy, ownerMark, parseOwnerMark } from './ownermark.ts';

const MARK = 'autoscaling.cast.ai/locked-by';
const marked = (by: string) => ({ metadata: { name: 'node', annotations: { [MARK]: by } } });
const plan = { metadata: { name: 'nightly', uid: 'uid-1' } };

t.test('a mark names its owner by name and uid', async (t) => {
  t.equal(ownerMark(plan), 'nightly/uid-1');
  t.same(parseOwnerMark('nightly/uid-1'), { name: 'nightly', uid: 'uid-1' });
  t.same(parseOwnerMark('nightly/'), { name: 'nightly', uid: '' });
  for (const text of [undefined, '', 'nightly', '/uid-1']) t.equal(parseOwnerMark(text), undefined);
});

t.test('an owner made later under the same name has other marks', async (t) => {
  const later = { metadata: { name: 'nightly', uid: 'uid-2' } };
  t.ok(isMarkedBy(plan, marked('nightly/uid-1'), MARK));
  t.notOk(isMarkedBy(later, marked('nightly/uid-1'), MARK));
  t.equal(foreignMark(later, marked('nightly/uid-1'), MARK), 'nightly/uid-1');
  t.equal(foreignMark(plan, marked('nightly/uid-1'), MARK), undefined);
  t.equal(foreignMark(plan, { metadata: { name: 'node' } }, MARK), undefined);
});
