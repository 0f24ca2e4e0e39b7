import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { kubeconfig, type Scene } from '../pinner/fixture.ts';

/**
 * Our ServiceAccounts, roles and admission policies as manifests/base installs them, but for a namespace of a suite, so
 * that suites may share an API server.
 */

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly roleRef?: { readonly name: string };
  readonly spec?: { readonly policyName?: string };
}

const BASE = new URL('../../manifests/base/', import.meta.url);

const PATHS: Readonly<Record<string, string>> = {
  ServiceAccount: 'serviceaccounts',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
};

const read = (namespace: string): readonly Manifest[] => {
  const { resources } = parse(readFileSync(new URL('kustomization.yaml', BASE), 'utf8')) as {
    readonly resources: readonly string[];
  };
  return resources
    .filter((path) => !path.startsWith('crds/'))
    .flatMap((path) => {
      const text = readFileSync(new URL(path, BASE), 'utf8').replaceAll(INSTALL_NAMESPACE, namespace);
      return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
    })
    .filter(({ kind }) => kind in PATHS);
};

/** Renames what lies outside the suite's namespace, and references to it. */
const renamed = (manifest: Manifest, namespace: string): Manifest => {
  const { metadata, roleRef, spec } = manifest;
  if (metadata.namespace === namespace) return manifest;
  const prefixed = (name: string): string => `${namespace}-${name}`;
  return {
    ...manifest,
    metadata: { ...metadata, name: prefixed(metadata.name) },
    ...(roleRef && { roleRef: { ...roleRef, name: prefixed(roleRef.name) } }),
    ...(spec?.policyName && { spec: { ...spec, policyName: prefixed(spec.policyName) } }),
  };
};

const collectionOf = ({ apiVersion, kind, metadata }: Manifest): string => {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  return `${root}${metadata.namespace ? `/namespaces/${metadata.namespace}` : ''}/${PATHS[kind]}`;
};

/** What is installed, and clients that act as our ServiceAccounts. */
export class InstalledRights {
  readonly #scene: Scene;
  readonly #manifests: readonly Manifest[];
  readonly #clients: KubeClient[] = [];

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#manifests = read(scene.namespace).map((each) => renamed(each, scene.namespace));
  }

  /** Creates all of it; `open` of the scene comes first, which has made some of the ServiceAccounts. */
  async install(): Promise<void> {
    const { client } = this.#scene;
    for (const each of this.#manifests) {
      const path = `${collectionOf(each)}/${each.metadata.name}`;
      await client.request('PATCH', path, {
        query: { fieldManager: 'suite', force: 'true' },
        body: each,
        contentType: 'application/apply-patch+yaml',
      });
    }
  }

  /** A client with a token of this ServiceAccount. */
  async as(account: string): Promise<KubeClient> {
    const { client, namespace } = this.#scene;
    const { status } = await client.request<{ readonly status: { readonly token: string } }>(
      'POST',
      `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
      { body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } },
    );
    const config = parse(readFileSync(kubeconfig, 'utf8')) as { readonly users: readonly { name: string }[] };
    const users = config.users.map(({ name }) => ({ name, user: { token: status.token } }));
    const file = join(tmpdir(), `${namespace}-${account}.kubeconfig`);
    writeFileSync(file, stringify({ ...config, users }), { mode: 0o600 });
    const made = connect({ kubeconfig: file, userAgent: account, qps: 1_000, burst: 2_000 });
    this.#clients.push(made);
    return made;
  }

  async remove(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const each of this.#manifests.toReversed()) {
      await this.#scene.client
        .request('DELETE', `${collectionOf(each)}/${each.metadata.name}`)
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
    }
  }
}
