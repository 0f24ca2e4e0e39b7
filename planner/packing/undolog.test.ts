import t from 'tap';
import { type Change, UndoLog } from './undolog.ts';

const put = (n: number): Change => ({ kind: 'put', podClass: 0, node: 0, n });

t.test('changes are undone last first, down to the mark', async (t) => {
  const log = new UndoLog();
  log.record(put(0));
  const first = log.mark();
  log.record(put(1));
  const second = log.mark();
  log.record(put(2));
  log.record(put(3));
  const undone: Change[] = [];
  log.rollBack(second, (change) => undone.push(change));
  t.same(undone, [put(3), put(2)]);
  log.rollBack(first, (change) => undone.push(change));
  t.same(undone, [put(3), put(2), put(1)], 'what came before the first mark was not recorded');
});

t.test('what undoing changes is not recorded', async (t) => {
  const log = new UndoLog();
  const mark = log.mark();
  log.record(put(1));
  log.rollBack(mark, () => log.record(put(-1)));
  const undone: Change[] = [];
  log.rollBack(mark, (change) => undone.push(change));
  t.same(undone, []);
});

t.test('after a roll back to a later mark the log goes on recording', async (t) => {
  const log = new UndoLog();
  log.mark();
  log.record(put(1));
  log.rollBack(log.mark(), () => t.fail('nothing was recorded since that mark'));
  log.record(put(2));
  const undone: Change[] = [];
  log.rollBack(0, (change) => undone.push(change));
  t.same(undone, [put(2), put(1)]);
});

t.test('committed changes stay, and nothing is recorded until the next mark', async (t) => {
  const log = new UndoLog();
  log.mark();
  log.record(put(1));
  log.commit();
  log.record(put(2));
  t.equal(log.mark(), 0);
  log.rollBack(0, () => t.fail('all was committed'));
});
