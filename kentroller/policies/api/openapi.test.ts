import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { renderPoliciesApi } from '../../../api/kinds/policiesapi.ts';

const FILE = new URL('../../../docs/policies-api.yaml', import.meta.url);

t.test('the OpenAPI file is made from the schema of the AutoscalerPolicy', async (t) => {
  t.equal(readFileSync(FILE, 'utf8'), renderPoliciesApi(), 'run make generate');
});

t.test(
  'the OpenAPI file describes what is served, field by field, and every reference of it leads somewhere',
  async (t) => {
    const text = readFileSync(FILE, 'utf8');
    const api = parse(text) as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
      readonly components: { readonly schemas: Readonly<Record<string, { readonly properties: object }>> };
    };
    t.same(Object.keys(api.paths), ['/v1/kubernetes/clusters/{clusterId}/policies']);
    t.same(Object.keys(Object.values(api.paths)[0] ?? {}), ['parameters', 'get', 'put']);
    const crd = parse(
      readFileSync(
        new URL('../../../manifests/base/crds/autoscaling.cast.ai_autoscalerpolicies.yaml', import.meta.url),
        'utf8',
      ),
    ) as { spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: object } } } }[] } };
    const pathsOf = (schema: unknown, path = ''): readonly string[] =>
      Object.entries((schema as { properties?: Record<string, unknown> }).properties ?? {}).flatMap(
        ([key, each]) => [`${path}${key}`, ...pathsOf(each, `${path}${key}.`)],
      );
    const policies = pathsOf(api.components.schemas.Policies);
    t.ok(policies.includes('unschedulablePods.headroom.cpuPercentage'));
    t.same(policies, pathsOf(crd.spec.versions[0]?.schema.openAPIV3Schema.properties.spec));
    for (const [, name = ''] of text.matchAll(/#\/components\/schemas\/(\w+)/g))
      t.ok(Object.hasOwn(api.components.schemas, name), name);
  },
);
