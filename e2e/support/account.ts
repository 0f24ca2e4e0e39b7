import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import type { KubeClient } from '../../kube/client/client.ts';

/** ServiceAccounts that processes of suites act as, so that our admission policies judge them as they judge the pods. */

/** The policies that don't depend on the names of our objects, which suites choose for themselves. */
export const POLICIES = ['pods', 'podsubresources', 'nodes', 'nodeclaims'].map(
  (name) => `manifests/base/policies/${name}.yaml`,
);

interface Account {
  readonly namespace: string;
  readonly name: string;
}

/** Grounds side by side have accounts of the same names, so the folder is that of one ground, known by its administrator. */
const folderOf = (admin: string): string => {
  const ground = createHash('sha256').update(resolve(admin)).digest('hex').slice(0, 12);
  return join(tmpdir(), 'precision-packer-accounts', ground);
};

const fileOf = (admin: string, { namespace, name }: Account): string =>
  join(folderOf(admin), `${namespace}-${name}.kubeconfig`);

/** The kubeconfig of an account that a suite has made; undefined where it has made none. */
export const kubeconfigOf = (admin: string, account: Account): string | undefined => {
  const file = fileOf(admin, account);
  return existsSync(file) ? file : undefined;
};

/** Writes a kubeconfig with a token of the account, beside that of an administrator. Returns its path. */
export const writeKubeconfig = async (
  client: KubeClient,
  admin: string,
  account: Account,
): Promise<string> => {
  const { namespace, name } = account;
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: 14_400 },
  };
  const { status } = await client.request<{ status: { token: string } }>('POST', path, { body });
  const config = parse(readFileSync(admin, 'utf8')) as {
    readonly users: readonly { readonly name: string }[];
  };
  const users = config.users.map((user) => ({ name: user.name, user: { token: status.token } }));
  const file = fileOf(admin, account);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, stringify({ ...config, users }), { mode: 0o600 });
  return file;
};

/** Removes the kubeconfigs of a namespace's accounts. */
export const removeKubeconfigs = (admin: string, namespace: string): void => {
  const folder = folderOf(admin);
  if (!existsSync(folder)) return;
  const left = readdirSync(folder);
  const own = left.filter((file) => file.startsWith(`${namespace}-`));
  for (const file of own) rmSync(join(folder, file), { force: true });
  if (own.length === left.length) rmSync(folder, { recursive: true, force: true });
};

/** Lets all accounts of a namespace do everything that no admission policy forbids them. */
export const grantAll = async (client: KubeClient, namespace: string): Promise<void> => {
  await client.request('PATCH', `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${namespace}-all`, {
    query: { fieldManager: 'suite', force: 'true' },
    contentType: 'application/apply-patch+yaml',
    body: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `${namespace}-all` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'Group', name: `system:serviceaccounts:${namespace}` }],
    },
  });
};

export const revokeAll = async (client: KubeClient, namespace: string): Promise<void> => {
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${namespace}-all`;
  await client.request('DELETE', path).catch(() => {});
};
