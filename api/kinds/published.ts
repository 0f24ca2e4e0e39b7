import { crdSchema, KINDS } from './definitions.ts';

/** A schema as a CRD has it, and as the API server publishes it in OpenAPI. */
export interface PublishedSchema {
  readonly properties?: Readonly<Record<string, PublishedSchema>>;
  readonly items?: PublishedSchema;
  readonly additionalProperties?: PublishedSchema | boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string }[];
}

/** Our kinds, each with its schema of this release. */
export const OUR_KINDS: readonly { readonly kind: string; readonly schema: PublishedSchema }[] = KINDS.map(
  (each) => ({ kind: each.kind, schema: crdSchema(each) as PublishedSchema }),
);

/** The API server writes these out for every kind. */
const OF_EVERY_KIND: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

const walk = (schema: PublishedSchema, path: string, into: Set<string>): void => {
  for (const { rule } of schema['x-kubernetes-validations'] ?? []) into.add(`${path} (rule ${rule})`);
  if (schema.items) walk(schema.items, `${path}[]`, into);
  const { additionalProperties: values } = schema;
  if (typeof values === 'object') walk(values, `${path}{}`, into);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (path === '' && OF_EVERY_KIND.has(name)) continue;
    into.add(`${path}.${name}`);
    walk(property, `${path}.${name}`, into);
  }
};

/** Paths of all fields of a schema, such as .spec.nodeClaimsToAdd[].metadata, and its rules in CEL. */
export const fieldsOf = (schema: PublishedSchema): ReadonlySet<string> => {
  const fields = new Set<string>();
  walk(schema, '', fields);
  return fields;
};
