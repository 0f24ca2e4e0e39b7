import t from 'tap';
import type { KubeClient } from '../client/client.ts';
import { KubeError } from '../errors.ts';
import { missingToInstall } from './installer.ts';

/** Whoever may do nothing is told what an installation needs on this API server, and of nothing that it does not serve. */

interface Asked {
  readonly spec: { readonly resourceAttributes: { readonly verb: string; readonly resource: string } };
}

const STOCK: Readonly<Record<string, readonly string[]>> = {
  '/api/v1': ['namespaces', 'serviceaccounts', 'secrets', 'services', 'configmaps', 'pods'],
  '/apis/apps/v1': ['deployments'],
  '/apis/policy/v1': ['poddisruptionbudgets'],
  '/apis/networking.k8s.io/v1': ['networkpolicies'],
  '/apis/rbac.authorization.k8s.io/v1': ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'],
  '/apis/apiextensions.k8s.io/v1': ['customresourcedefinitions'],
  '/apis/admissionregistration.k8s.io/v1': ['mutatingwebhookconfigurations'],
  '/apis/flowcontrol.apiserver.k8s.io/v1': ['flowschemas', 'prioritylevelconfigurations'],
};
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const VALIDATING = ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'];
const MUTATING = ['mutatingadmissionpolicies', 'mutatingadmissionpolicybindings'];

/** What somebody lacks who may do just `allowed`, in the order of its names. */
const missing = async (
  served: Readonly<Record<string, readonly string[]>>,
  allowed: (verb: string, resource: string) => boolean,
): Promise<{ readonly stock: readonly string[]; readonly options: readonly string[] }> => {
  const request = async (method: string, path: string, o: { readonly body?: Asked }): Promise<unknown> => {
    if (method === 'POST') {
      const { verb, resource } = o.body?.spec.resourceAttributes ?? { verb: '', resource: '' };
      return { status: { allowed: allowed(verb, resource) } };
    }
    const resources = served[path];
    if (!resources) throw new KubeError('not found', { kind: 'unserved', status: 404 });
    return { resources: resources.map((name) => ({ name })) };
  };
  const client = { request } as unknown as KubeClient;
  const found = await missingToInstall({ client, signal: AbortSignal.timeout(60_000) }, 'castai-agent');
  if (!('value' in found)) throw new Error(found.unseen);
  const kinds = (texts: readonly string[]): readonly string[] =>
    [...new Set(texts.map((text) => text.split(/[ .]/)[1] ?? ''))].sort();
  return { stock: kinds(found.value.stock), options: kinds(found.value.options) };
};

const isOnRoles = (verb: string): boolean => verb === 'escalate' || verb === 'bind';
const admission = (...more: readonly string[]) => ({
  ...STOCK,
  [ADMISSION]: [...(STOCK[ADMISSION] ?? []), ...more],
});

t.test('a cluster before 1.30 needs no right to admission policies', async (t) => {
  const { stock, options } = await missing(STOCK, isOnRoles);
  t.same(
    stock,
    Object.values(STOCK)
      .flat()
      .filter((name) => name !== 'pods' && name !== 'configmaps')
      .sort(),
  );
  t.same(options, ['configmaps']);
});

t.test('a newer one needs them, and for kept-nominations a note is enough', async (t) => {
  const { stock, options } = await missing(admission(...VALIDATING, ...MUTATING), isOnRoles);
  for (const name of VALIDATING) t.ok(stock.includes(name), name);
  t.same(options, ['configmaps', ...MUTATING]);
});

t.test('the kinds of Prometheus’ operator are asked for where they are', async (t) => {
  const monitoring = {
    '/apis/monitoring.coreos.com/v1': ['servicemonitors', 'prometheusrules', 'podmonitors'],
  };
  const all = (verb: string, resource: string): boolean =>
    isOnRoles(verb) || !['servicemonitors', 'prometheusrules'].includes(resource);
  t.same((await missing({ ...admission(), ...monitoring }, all)).options, [
    'prometheusrules',
    'servicemonitors',
  ]);
  t.same((await missing(admission(), all)).options, [], 'where they are not, nobody is asked');
});

t.test('whoever may patch but not create is told so', async (t) => {
  const { stock } = await missing(STOCK, (verb) => verb !== 'create');
  t.ok(stock.includes('deployments'));
});
