import fc from 'fast-check';
import t from 'tap';
import { ReservedNames } from './reservednames.ts';

/** The polynomial of 31, as the callers of `find` compute it while they read a name. */
const hashOf = (bytes: Buffer): number => {
  let hash = 0;
  for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0;
  return hash;
};

const find = (names: ReservedNames, name: string) => {
  const bytes = Buffer.from(`"${name}"`);
  return names.find(hashOf(Buffer.from(name)), bytes, 1, bytes.length - 1);
};

t.test('a name is found with its plan, whatever stands around it', async (t) => {
  const names = new ReservedNames(new Map([['node-a', 'saving']]));
  t.match(find(names, 'node-a'), { name: 'node-a', plan: 'saving' });
  t.equal(find(names, 'node-b'), undefined);
  t.equal(find(names, 'node-'), undefined);
});

t.test('names of one hash are distinguished', async (t) => {
  // 'Aa' and 'BB' collide under the polynomial of 31.
  t.equal(hashOf(Buffer.from('Aa')), hashOf(Buffer.from('BB')));
  const names = new ReservedNames(new Map([['Aa', 'first']]));
  t.equal(find(names, 'BB'), undefined);
  const both = new ReservedNames(
    new Map([
      ['Aa', 'first'],
      ['BB', 'second'],
    ]),
  );
  t.equal(find(both, 'Aa')?.plan, 'first');
  t.equal(find(both, 'BB')?.plan, 'second');
});

t.test('exactly the reserved names are found', async () => {
  const name = fc.stringMatching(/^[a-zAB][a-zAB.-]{0,8}$/);
  fc.assert(
    fc.property(fc.dictionary(name, name), fc.array(name), (plans, others) => {
      const names = new ReservedNames(new Map(Object.entries(plans)));
      for (const one of [...Object.keys(plans), ...others]) {
        const expected = Object.hasOwn(plans, one) ? plans[one] : undefined;
        const found = find(names, one)?.plan;
        if (found !== expected) throw new Error(`${one}: ${found} instead of ${expected}`);
      }
    }),
    { numRuns: 300, seed: 5 },
  );
});
