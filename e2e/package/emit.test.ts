import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { emit, referencesOf } from './emit.ts';

t.test('what a module names is found, however it names it', async (t) => {
  const text = `import a from './a.js';
export { b } from '../b/b.js';
import { readFileSync } from 'node:fs';
import '@scope/first/deep.js';
const c = await import('./c.js');
const yaml = createRequire(import.meta.url)('yaml');
const TABLE = new URL('./table/list.jsonl', import.meta.url);
`;
  t.same(referencesOf('x/y.js', text), {
    modules: ['x/a.js', 'b/b.js', 'x/c.js'],
    packages: ['@scope/first', 'yaml'],
    assets: ['x/table/list.jsonl'],
  });
});

t.test('a program beside a module that would be looked for as TypeScript is refused', async (t) => {
  t.throws(() => referencesOf('x.js', "fork(new URL('./child.process.ts', import.meta.url))"), {
    message: /^x\.js names \.\/child\.process\.ts, which is not there once it is JavaScript/,
  });
});

t.test('code is emitted with all that it reaches, unless it needs more than Node.js 20 gives', async (t) => {
  const late = './late.ts';
  const root = t.testdir({
    'main.ts': `import type { T } from './types.ts';\nexport const t: T = await import('${late}');\n`,
    'late.ts':
      "import { readFileSync } from 'node:fs';\nreadFileSync(new URL('./data.txt', import.meta.url));\nexport {};\n",
    'types.ts': 'export type T = object;\n',
    'data.txt': 'data',
    'unused.ts': 'export {};\n',
    'new.ts': 'await Promise.try(() => 1);\nexport {};\n',
    'package.json': '{"type":"module"}',
  });
  symlinkSync(join(import.meta.dirname, '..', '..', 'node_modules'), join(root, 'node_modules'));
  const { files, packages } = await emit(root, 'main.ts');
  t.same([...files.keys()], ['data.txt', 'late.js', 'main.js']);
  t.same(packages, []);
  await t.rejects(emit(root, 'new.ts'), { message: /^new\.ts can't be compiled for .*\n.*Promise/s });
});
