import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { renderCrds } from './kinds/definitions.ts';

/** Writes the CustomResourceDefinitions under manifests/: run by `make generate`, checked by `make verify`. */
const folder = new URL('../manifests/base/crds/', import.meta.url);
const rendered = renderCrds();
mkdirSync(folder, { recursive: true });
for (const file of readdirSync(folder).filter((f) => f.startsWith('autoscaling.cast.ai_'))) {
  rmSync(new URL(file, folder));
}
for (const { file, text } of rendered) writeFileSync(new URL(file, folder), text);
