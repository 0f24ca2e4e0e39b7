import t from 'tap';
import { type ErrorKind, KubeError } from './errors.ts';
import { getOrUndefined, ignoreNotFound, ignoreNotFoundOrConflict } from './ignore.ts';

const KINDS: readonly ErrorKind[] = [
  'not-found',
  'conflict',
  'already-exists',
  'retryable',
  'gone',
  'forbidden',
  'terminal',
];

const ignored = (ignore: (error: unknown) => undefined): readonly ErrorKind[] =>
  KINDS.filter((kind) => {
    const error = new KubeError('no', { kind });
    try {
      ignore(error);
      return true;
    } catch (thrown) {
      t.equal(thrown, error);
      return false;
    }
  });

t.test('ignoreNotFound ignores NotFound alone', async (t) => {
  t.same(ignored(ignoreNotFound), ['not-found']);
  t.throws(() => ignoreNotFound(new TypeError('broken')), { name: 'TypeError' });
});

t.test('ignoreNotFoundOrConflict ignores NotFound and Conflict alone', async (t) => {
  t.same(ignored(ignoreNotFoundOrConflict), ['not-found', 'conflict']);
  t.throws(() => ignoreNotFoundOrConflict(new TypeError('broken')), { name: 'TypeError' });
});

t.test('getOrUndefined gives the object, undefined for NotFound, and every other error', async (t) => {
  t.equal(await getOrUndefined(Promise.resolve(1)), 1);
  t.equal(await getOrUndefined(Promise.reject(new KubeError('no', { kind: 'not-found' }))), undefined);
  const failed = new KubeError('no', { kind: 'retryable' });
  await t.rejects(getOrUndefined(Promise.reject(failed)), failed);
});
