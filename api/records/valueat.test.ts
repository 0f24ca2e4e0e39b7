import fc from 'fast-check';
import t from 'tap';
import { putAt, valueAt } from './valueat.ts';

const name = fc.constantFrom('plain', ...Object.getOwnPropertyNames(Object.prototype));

t.test('a record remembers what was put under any name, and nothing else', async () => {
  const writes = fc.array(fc.tuple(name, fc.oneof(fc.string(), fc.object())));
  fc.assert(
    fc.property(writes, name, (entries, key) => {
      const record: Record<string, unknown> = {};
      for (const [each, value] of entries) putAt(record, each, value);
      const model = new Map(entries);
      if (valueAt(record, key) !== model.get(key)) throw new Error(`another value at ${key}`);
      if (Object.keys(record).length !== model.size) throw new Error('other keys');
      if (Object.getPrototypeOf(record) !== Object.prototype) throw new Error('another prototype');
    }),
    { numRuns: 500, seed: 13 },
  );
});

t.test('no record has no values', async (t) => t.equal(valueAt(undefined, 'constructor'), undefined));
