import t from 'tap';
import { entryFolders, foldersForBundlers } from './entrypoints.ts';

t.test(
  'Node enters a package where its main, its exports and the first condition that holds say',
  async (t) => {
    const both = { node: './dist-cjs/i.js', import: './dist-es/i.js', require: './dist-cjs/i.js' };
    const table: readonly (readonly [object, readonly string[]])[] = [
      [{ main: './dist-cjs/index.js', module: './dist-es/index.js' }, ['dist-cjs']],
      [{ main: 'index.js' }, ['']],
      [{ exports: { '.': both, './client': both } }, ['dist-cjs']],
      [
        { exports: { '.': { import: './dist-es/i.js', require: './dist-cjs/i.js' } } },
        ['dist-es', 'dist-cjs'],
      ],
      [{ exports: { import: { types: './t/i.d.ts', default: './dist-es/i.js' } } }, ['dist-es']],
      [{ exports: { '.': { browser: './browser/i.js', default: './lib/i.js' } } }, ['lib']],
      [{ exports: './lib/i.js' }, ['lib']],
      [{ exports: { '.': [{ node: './a/i.js' }, './b/i.js'] } }, ['a', 'b']],
      [{}, []],
    ];
    for (const [manifest, folders] of table)
      t.strictSame([...entryFolders(manifest)], folders, JSON.stringify(manifest));
  },
);

t.test('a folder for bundlers is one that Node never enters', async (t) => {
  t.strictSame([...foldersForBundlers({ main: './dist-cjs/index.js' })], ['dist-es', 'browser']);
  t.strictSame([...foldersForBundlers({ main: './browser/index.js' })], ['dist-es']);
  t.strictSame([...foldersForBundlers({})], [], 'one that says nothing is left whole');
});
