import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';

/** kubectl and the API server read YAML 1.1, in which a bare Off, No or y is a boolean. */

const ROOT = join(import.meta.dirname, '..', '..');
const files = globSync(['manifests/**/*.yaml', 'docs/**/*.yaml'], { cwd: ROOT }).sort();
const read = (file: string, version: '1.1' | '1.2'): unknown =>
  parseAllDocuments(readFileSync(join(ROOT, file), 'utf8'), { version }).map((document) => document.toJS());

t.test('our YAML means the same to readers of YAML 1.1 and 1.2', async (t) => {
  t.ok(files.length > 20, `${files.length} files`);
  for (const file of files) t.same(read(file, '1.1'), read(file, '1.2'), file);
});
