import { join } from 'node:path';
import t from 'tap';
import { RecordKeys } from './recordkeys.ts';
import { isTestCode, readTree } from './tree.ts';

const ROOT = join(import.meta.dirname, '../..');
const compiler = new RecordKeys(ROOT);
t.teardown(() => compiler.close());

/** Files whose keys are all written in our own code. */
const OWN_KEYS: Readonly<Record<string, string>> = {
  'kube/protobuf/message.ts':
    'fields have the names of kube/protobuf/schema.ts, and maps are written with putAt',
};

t.test('names from outside index records only by their own properties', async (t) => {
  const bare = readTree(ROOT)
    .map(({ path }) => path)
    .filter(
      (path) => !isTestCode(path) && path !== 'api/records/valueat.ts' && !Object.hasOwn(OWN_KEYS, path),
    )
    .flatMap((path) => compiler.bareIn(path));
  t.same(bare, [], 'read with valueAt and write with putAt of api/records/valueat.ts, or use a Map');
});

t.test('bare reads and writes are found', async (t) => {
  t.ok(compiler.bareIn('api/records/valueat.ts').length >= 2);
  for (const path of Object.keys(OWN_KEYS)) t.not(compiler.bareIn(path).length, 0, `${path} is an exception`);
});
