import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { kubeconfig, type Scene } from '../pinner/fixture.ts';
import { revokeAll } from '../support/account.ts';

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

const RBAC = 'rbac.authorization.k8s.io/v1';
const MANIFESTS = new URL('../../manifests/', import.meta.url);
const BASE = new URL('base/', MANIFESTS);

const PATHS: Readonly<Record<string, string>> = {
  ServiceAccount: 'serviceaccounts',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
  MutatingAdmissionPolicy: 'mutatingadmissionpolicies',
  MutatingAdmissionPolicyBinding: 'mutatingadmissionpolicybindings',
};

/** Those of the base, and of more files below manifests/. */
const read = (namespace: string, more: readonly string[]): readonly Manifest[] => {
  const { resources } = parse(readFileSync(new URL('kustomization.yaml', BASE), 'utf8')) as {
    readonly resources: readonly string[];
  };
  const ofBase = resources.filter((path) => !path.startsWith('crds/')).map((path) => `base/${path}`);
  return [...ofBase, ...more]
    .flatMap((path) => {
      const text = readFileSync(new URL(path, MANIFESTS), 'utf8').replaceAll(INSTALL_NAMESPACE, namespace);
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
  readonly #manifests: Manifest[];
  readonly #clients: KubeClient[] = [];
  readonly #files = new Set<string>();

  /** `more` are files of components that are installed, too, below manifests/. */
  constructor(scene: Scene, more: readonly string[] = []) {
    this.#scene = scene;
    this.#manifests = read(scene.namespace, more).map((each) => renamed(each, scene.namespace));
  }

  /** Creates all of it; `open` of the scene comes first, which has made some of the ServiceAccounts. */
  async install(): Promise<void> {
    // Of the rights that other suites need, none is left.
    await revokeAll(this.#scene.client, this.#scene.namespace);
    for (const each of this.#manifests) await this.#apply(each);
  }

  /** A client with a token of this ServiceAccount. */
  async as(account: string): Promise<KubeClient> {
    const { client, namespace } = this.#scene;
    const { status } = await client.request<{ readonly status: { readonly token: string } }>(
      'POST',
      `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
      { body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } },
    );
    return this.#connect(account, () => ({ token: status.token }));
  }

  /** A client that acts as a user of this name, bound to these roles for the whole cluster. */
  async asUser(user: string, ...roles: readonly string[]): Promise<KubeClient> {
    for (const role of roles) {
      const binding = {
        apiVersion: RBAC,
        kind: 'ClusterRoleBinding',
        metadata: { name: `${this.#scene.namespace}-${user}-${role}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      };
      this.#manifests.push(binding);
      await this.#apply(binding);
    }
    return this.#connect(user, (own) => ({ ...own, as: user }));
  }

  /** The name of an installed role. */
  nameOf(role: string): string {
    return `${this.#scene.namespace}-${role}`;
  }

  #connect(name: string, userOf: (own: object) => object): KubeClient {
    const config = parse(readFileSync(kubeconfig, 'utf8')) as {
      readonly users: readonly { readonly name: string; readonly user: object }[];
    };
    const users = config.users.map((each) => ({ name: each.name, user: userOf(each.user) }));
    const file = join(tmpdir(), `${this.#scene.namespace}-${name}.kubeconfig`);
    this.#files.add(file);
    writeFileSync(file, stringify({ ...config, users }), { mode: 0o600 });
    const made = connect({ kubeconfig: file, userAgent: name, qps: 1_000, burst: 2_000 });
    this.#clients.push(made);
    return made;
  }

  async #apply(manifest: Manifest): Promise<void> {
    await this.#scene.client.request('PATCH', `${collectionOf(manifest)}/${manifest.metadata.name}`, {
      query: { fieldManager: 'suite', force: 'true' },
      body: manifest,
      contentType: 'application/apply-patch+yaml',
    });
  }

  async remove(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const file of this.#files) rmSync(file, { force: true });
    for (const each of this.#manifests.toReversed()) {
      await this.#scene.client
        .request('DELETE', `${collectionOf(each)}/${each.metadata.name}`)
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
    }
  }
}
