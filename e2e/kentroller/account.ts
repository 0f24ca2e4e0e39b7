import { INSTALL_NAMESPACE, KENTROLLER } from '../../api/labels.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Ground } from '../ground/ground.ts';
import { grantAll, POLICIES, removeKubeconfigs, writeKubeconfig } from '../support/account.ts';
import { createNamespace } from '../support/workload.ts';

/** Applies our kinds and admission policies, and makes kentroller's account, which these judge. Returns its kubeconfig. */
export const openKentrollerAccount = async (ground: Ground, client: KubeClient): Promise<string> => {
  const files = ['manifests/base/crds', ...POLICIES].flatMap((path) => ['-f', path]);
  await ground.kubectl(['apply', '--server-side', ...files]);
  await createNamespace(client, INSTALL_NAMESPACE);
  const account = { namespace: INSTALL_NAMESPACE, name: KENTROLLER };
  const made = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account };
  await ground.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify(made) });
  await grantAll(client, INSTALL_NAMESPACE);
  return writeKubeconfig(client, ground.kubeconfig, account);
};

/** Removes the account's kubeconfig; the account ends with its ground. */
export const closeKentrollerAccount = (ground: Ground): void =>
  removeKubeconfigs(ground.kubeconfig, INSTALL_NAMESPACE);
