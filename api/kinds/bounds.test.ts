import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';

/** Every array, map and string of our kinds has an end: the API server refuses what nobody would read. */

const FOLDER = new URL('../../manifests/base/crds/', import.meta.url);

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly maxProperties?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
}

interface Crd {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** Fields that the API server itself bounds, for every object. */
const EXCEPTIONS = new Set(['.apiVersion', '.kind', '.metadata']);

/** The paths of fields without an end. */
const unboundedIn = (schema: Schema, path: string): readonly string[] => {
  if (EXCEPTIONS.has(path)) return [];
  const found: string[] = [];
  if (schema.type === 'array') {
    if (schema.maxItems === undefined) found.push(path);
    found.push(...(schema.items ? unboundedIn(schema.items, `${path}[]`) : [path]));
  }
  if (schema.type === 'string' && schema.enum === undefined && schema.maxLength === undefined) {
    found.push(path);
  }
  const { additionalProperties: values } = schema;
  if (values !== undefined && values !== false) {
    if (schema.maxProperties === undefined) found.push(path);
    found.push(...(values === true ? [path] : unboundedIn(values, `${path}{}`)));
  }
  if (schema.type === 'object' && schema.properties === undefined && values === undefined) found.push(path);
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    found.push(...unboundedIn(property, `${path}.${key}`));
  }
  return found;
};

const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));

t.test('no array, map or string of a kind is without an end', async (t) => {
  t.equal(files.length, 7);
  for (const file of files) {
    const { spec } = parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Crd;
    for (const { schema } of spec.versions) {
      t.same(unboundedIn(schema.openAPIV3Schema, ''), [], spec.names.kind);
    }
  }
});

t.test('the walk finds what has no end, wherever it is', async (t) => {
  const open: Schema = {
    type: 'object',
    properties: {
      kind: { type: 'string' },
      list: { type: 'array', maxItems: 2, items: { type: 'string' } },
      map: { type: 'object', additionalProperties: { type: 'array', items: { type: 'integer' } } },
      any: { type: 'object' },
      one: { type: 'string', enum: ['a'] },
    },
  };
  t.same(unboundedIn(open, ''), ['.list[]', '.map', '.map{}', '.any']);
});
