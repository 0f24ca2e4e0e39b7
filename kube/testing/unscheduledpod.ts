import type { KubeObject, Pod } from '../../api/objects.ts';
import { PODS, type Resource } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import { isAlreadyExists } from '../errors.ts';

const SERVICE_ACCOUNTS: Resource = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  namespaced: true,
};

/** Creates the default ServiceAccount of a namespace, as kube-controller-manager does in a real cluster. */
export const createDefaultServiceAccount = async (client: KubeClient, namespace: string): Promise<void> => {
  const metadata = { name: 'default', namespace };
  await client.create<KubeObject>(SERVICE_ACCOUNTS, { metadata }).catch((e: unknown) => {
    if (!isAlreadyExists(e)) throw e;
  });
};

/** Creates a pod that no scheduler takes. */
export const createUnscheduledPod = async (
  client: KubeClient,
  { name, namespace }: { readonly name: string; readonly namespace: string },
): Promise<Pod> => {
  await createDefaultServiceAccount(client, namespace);
  return await client.create<Pod>(PODS, {
    metadata: { name, namespace },
    spec: {
      schedulerName: 'nobody',
      containers: [{ name: 'c', image: 'none' } as Pod['spec']['containers'][0]],
    },
  });
};
