import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { renderCrds } from './kinds/definitions.ts';
import { renderPoliciesApi } from './kinds/policiesapi.ts';

/** Writes the CustomResourceDefinitions under manifests/, and the description of the policies API: run by `make generate`, checked by `make verify`. */
const folder = new URL('../manifests/base/crds/', import.meta.url);
const rendered = renderCrds();
mkdirSync(folder, { recursive: true });
for (const file of readdirSync(folder).filter((f) => f.startsWith('autoscaling.cast.ai_'))) {
  rmSync(new URL(file, folder));
}
for (const { file, text } of rendered) writeFileSync(new URL(file, folder), text);
writeFileSync(new URL('../docs/policies-api.yaml', import.meta.url), renderPoliciesApi());
