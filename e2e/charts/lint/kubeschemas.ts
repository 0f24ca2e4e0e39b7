import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../ground/host/command.ts';
import { ROOT } from '../tools.ts';

/** Schemas of Kubernetes' own kinds as kubeconform reads them, from the API description in Kubernetes' Go module. */

interface Definition {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly 'x-kubernetes-group-version-kind'?: readonly {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
  }[];
}

const ALL = 'definitions.json';

async function readDefinitions(): Promise<Readonly<Record<string, Definition>>> {
  const cwd = join(ROOT, 'e2e/ground/go/controlplane');
  const env = { GOTOOLCHAIN: 'local', PATH: `${process.env.PATH ?? ''}:/usr/local/go/bin` };
  const folder = await run(['go', 'list', '-m', '-f', '{{.Dir}}', 'k8s.io/kubernetes'], { cwd, env });
  const text = readFileSync(join(folder.trim(), 'api/openapi-spec/swagger.json'), 'utf8');
  return (JSON.parse(text) as { readonly definitions: Readonly<Record<string, Definition>> }).definitions;
}

/** Writes them into a folder, and returns the place as kubeconform's --schema-location. Fields that no kind has are faults. */
export async function writeKubeSchemas(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const definitions = await readDefinitions();
  const strict = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [
      name,
      name.endsWith('.IntOrString')
        ? { type: ['string', 'integer'] }
        : { ...definition, ...(definition.properties && { additionalProperties: false }) },
    ]),
  );
  writeFileSync(join(folder, ALL), JSON.stringify({ definitions: strict }));
  for (const [name, definition] of Object.entries(definitions))
    for (const { group, version, kind } of definition['x-kubernetes-group-version-kind'] ?? []) {
      const file = [kind, group.split('.')[0], version].filter(Boolean).join('-').toLowerCase();
      const schema = { $ref: `${ALL}#/definitions/${name}` };
      writeFileSync(join(folder, `${file}.json`), JSON.stringify(schema));
    }
  return join(folder, '{{.ResourceKind}}{{.KindSuffix}}.json');
}
