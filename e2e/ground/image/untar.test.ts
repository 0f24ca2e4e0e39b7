import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../host/command.ts';
import { untar } from './untar.ts';

const LONG = `${'long/'.repeat(40)}name.js`;

for (const format of ['ustar', 'gnu', 'pax', 'v7']) {
  t.test(`plain files of a ${format} archive are read, and nothing else`, async (t) => {
    const folder = t.testdir({ package: { 'a.js': 'a', empty: '', bin: { run: 'x'.repeat(1000) } } });
    chmodSync(join(folder, 'package', 'bin', 'run'), 0o755);
    symlinkSync('/etc/passwd', join(folder, 'package', 'link.js'));
    const isLong = format === 'gnu' || format === 'pax';
    if (isLong) {
      mkdirSync(join(folder, 'package', LONG, '..'), { recursive: true });
      writeFileSync(join(folder, 'package', LONG), 'long');
    }
    await run(['tar', `--format=${format}`, '-cf', join(folder, 'a.tar'), '-C', folder, 'package']);
    const files = [...untar(readFileSync(join(folder, 'a.tar')))];
    t.strictSame(
      files.map(({ path, isExecutable, bytes }) => [path, isExecutable, bytes.toString()]).sort(),
      [
        ['a.js', false, 'a'],
        ['bin/run', true, 'x'.repeat(1000)],
        ['empty', false, ''],
        ...(isLong ? [[LONG, false, 'long']] : []),
      ].sort(),
    );
  });
}

t.test('a path out of the package, and an archive that is cut off, write nothing', async (t) => {
  const folder = t.testdir({ package: { 'a.js': 'x'.repeat(600) } });
  const to = join(folder, 'a.tar');
  await run([
    'tar',
    '-cf',
    to,
    '--transform=s,package/a.js,package/../../evil.js,',
    '-P',
    '-C',
    folder,
    'package/a.js',
  ]);
  t.strictSame([...untar(readFileSync(to))], []);
  t.throws(() => [...untar(readFileSync(to).subarray(0, 700))], /cut off/);
});
