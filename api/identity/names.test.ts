import fc from 'fast-check';
import t from 'tap';
import { derivedName, isObjectName, labelValueOf, MAX_LABEL_VALUE, MAX_OBJECT_NAME } from './names.ts';

const VALID = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Names of 1 to 253 characters, the longest ones equal but for their end. */
const name = fc
  .tuple(fc.integer({ min: 0, max: 252 }), fc.stringMatching(/^[a-z0-9]$/), fc.constantFrom('a', 'a-', 'a.'))
  .map(([length, end, unit]) => `${'a'.repeat(length % 2)}${unit.repeat(length)}`.slice(0, length) + end)
  .filter((text) => VALID.test(text));
const ending = fc.stringMatching(/^-[a-z0-9]{1,20}$/);

t.test('a derived name is valid, within its limit and keeps its ending', async () => {
  fc.assert(
    fc.property(name, ending, fc.integer({ min: 40, max: MAX_OBJECT_NAME }), (base, end, longest) => {
      const derived = derivedName(base, end, longest);
      return derived.length <= longest && derived.endsWith(end) && VALID.test(derived);
    }),
  );
});

t.test('names that differ stay different', async () => {
  fc.assert(
    fc.property(
      name,
      name,
      (a, b) =>
        a === b ||
        (derivedName(a, '-1', 40) !== derivedName(b, '-1', 40) && labelValueOf(a) !== labelValueOf(b)),
    ),
  );
});

t.test('a name that fits is left as it is', async (t) => {
  t.equal(derivedName('nightly', '-1'), 'nightly-1');
  t.equal(derivedName('a'.repeat(251), '-1'), `${'a'.repeat(251)}-1`);
  t.equal(labelValueOf('a'.repeat(MAX_LABEL_VALUE)), 'a'.repeat(MAX_LABEL_VALUE));
});

t.test('a name of an object is what the API server takes', async (t) => {
  for (const taken of ['a', 'a-1', 'a.b', 'm5.large-us-west-2a-spot', '0', 'a--b', 'a'.repeat(253)])
    t.ok(isObjectName(taken), taken);
  for (const refused of [
    '',
    '.',
    '..',
    'a..b',
    'a.-b',
    'a-.b',
    '-a',
    'a-',
    '.a',
    'A',
    'a_b',
    'a/b',
    'ä',
    'a\n',
    'a'.repeat(254),
  ])
    t.notOk(isObjectName(refused), refused);
});
