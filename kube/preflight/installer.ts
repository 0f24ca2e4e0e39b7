import { type Found, look } from './check.ts';
import type { Reading } from './gather.ts';
import { askOneself, grantedRights, type Right, rightText } from './rights.ts';

/** What whoever installs us has to be allowed. */

/** Verbs of `kubectl apply --server-side` and of Helm. */
const VERBS = ['create', 'patch'];

/** What an installation consists of, by group. */
const INSTALLED: Readonly<Record<string, readonly string[]>> = {
  '': ['namespaces', 'serviceaccounts', 'secrets', 'services'],
  apps: ['deployments'],
  policy: ['poddisruptionbudgets'],
  'networking.k8s.io': ['networkpolicies'],
  'rbac.authorization.k8s.io': ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'],
  'apiextensions.k8s.io': ['customresourcedefinitions'],
  'admissionregistration.k8s.io': [
    'mutatingwebhookconfigurations',
    'validatingadmissionpolicies',
    'validatingadmissionpolicybindings',
  ],
  'flowcontrol.apiserver.k8s.io': ['flowschemas', 'prioritylevelconfigurations'],
};

const onRoles = (verb: string): readonly Right[] =>
  ['clusterroles', 'roles'].map((resource) => ({
    account: '',
    verb,
    group: 'rbac.authorization.k8s.io',
    resource,
  }));

/**
 * What whoever asks may not do of an installation, in words. Roles may be written and bound by those who have `escalate` and
 * `bind`, and by those who have the rights in them themselves.
 */
export const missingToInstall = (
  { client, signal }: Reading,
  namespace: string,
): Promise<Found<readonly string[]>> => {
  const rights = Object.entries(INSTALLED).flatMap(([group, resources]) =>
    resources.flatMap((resource) => VERBS.map((verb): Right => ({ account: '', verb, group, resource }))),
  );
  return look(async () => {
    const missing = await askOneself(client, rights, signal);
    const overRoles = await askOneself(client, [...onRoles('escalate'), ...onRoles('bind')], signal);
    const inRoles = overRoles.length === 0 ? [] : await askOneself(client, grantedRights(namespace), signal);
    const lackingInRoles =
      inRoles.length === 0 ? [] : [...overRoles.map(rightText), `nor ${rightsInRoles(inRoles)}`];
    return [...missing.map(rightText), ...lackingInRoles];
  });
};

const rightsInRoles = (rights: readonly Right[]): string =>
  `${rights.length} of the rights in our roles, such as ${rights.slice(0, 1).map(rightText)}`;
