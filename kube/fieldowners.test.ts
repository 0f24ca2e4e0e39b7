import t from 'tap';
import { annotationPath, isWrittenByOthers } from './fieldowners.ts';

const MARK = annotationPath('example/mark');
const FIELD = annotationPath('example/field');
const entry = (manager: string, ...annotations: readonly string[]) => ({
  manager,
  fieldsV1: { 'f:metadata': { 'f:annotations': Object.fromEntries(annotations.map((a) => [`f:${a}`, {}])) } },
});

const CASES: readonly (readonly [string, readonly object[] | undefined, boolean])[] = [
  ['without managedFields nobody else is known', undefined, false],
  ['the writer of the mark is not another', [entry('ours', 'example/mark', 'example/field')], false],
  [
    'one who wrote it since is another',
    [entry('ours', 'example/mark'), entry('user', 'example/field')],
    true,
  ],
  [
    'one who applied it too is another',
    [entry('ours', 'example/mark', 'example/field'), entry('user', 'example/field')],
    true,
  ],
  ['without a writer of the mark nobody is told apart', [entry('user', 'example/field')], false],
];
for (const [name, managedFields, expected] of CASES) {
  t.test(name, async (t) => {
    const metadata = { name: 'x', ...(managedFields && { managedFields }) };
    t.equal(isWrittenByOthers(metadata, FIELD, MARK), expected);
  });
}
