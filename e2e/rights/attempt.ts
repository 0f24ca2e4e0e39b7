import type { Node, OwnerReference, Pod } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { KubeError } from '../../kube/errors.ts';

/** Writes as our ServiceAccounts, and what the API server makes of them. */

export type Outcome = 'allowed' | 'refused';

/** Whether a policy of ours refuses a request. Throws where anything else does. */
export const outcomeOf = async (request: Promise<unknown>): Promise<Outcome> => {
  try {
    await request;
    return 'allowed';
  } catch (error) {
    const message = error instanceof KubeError ? error.message : '';
    if (/ValidatingAdmissionPolicy '[^']*castai-own-/.test(message)) return 'refused';
    throw error;
  }
};

/** Whether a policy is in force: the API server learns of it by watch. */
export const isRefused = async (request: Promise<unknown>): Promise<boolean> =>
  (await outcomeOf(request)) === 'refused';

export const owner = (kind: string, o: { readonly uid?: string } = {}): OwnerReference => ({
  // A group that the garbage collector does not know: it deletes what an owner left behind.
  apiVersion: 'example.com/v1',
  kind,
  name: 'owner',
  uid: o.uid ?? 'c0ffee00-0000-4000-8000-000000000000',
  controller: true,
});

/** A pod of nobody's controller here, with what a test wants of it. */
export const podOf = (
  namespace: string,
  name: string,
  o: {
    readonly metadata?: object;
    readonly spec?: object;
  } = {},
): Pod =>
  ({
    metadata: { name, namespace, ...o.metadata },
    spec: { containers: [{ name: 'main', image: 'main' }], ...o.spec },
  }) as unknown as Pod;

export const makeNode = async (client: KubeClient, name: string, o: object = {}): Promise<Node> =>
  client.create<Node>(NODES, { metadata: { name }, ...o } as Node);
