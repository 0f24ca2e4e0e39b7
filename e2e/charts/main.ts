import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { installedModule } from './installed.ts';
import { checkedInFiles } from './list.ts';

/** Writes charts/ anew from manifests/, and the list of what is installed: run by `make generate`, checked by `make verify`. */
const root = join(import.meta.dirname, '..', '..');
const files = checkedInFiles(root);
rmSync(join(root, 'charts'), { recursive: true, force: true });
for (const [path, text] of files) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
writeFileSync(join(root, 'kube', 'preflight', 'installedobjects.ts'), installedModule());
