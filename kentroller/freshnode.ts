import type { Node } from '../api/objects.ts';
import { NODES } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { tellingUsersGuard } from '../kube/undo/nodemarks.ts';
import { updateIfThere } from '../kube/update.ts';
import { FIELD_MANAGER } from './rebalanceplan/create/unavailable.ts';

/**
 * A node as the API server has it, for a last look; undefined where there is none. A do-not-disrupt that a user has put beside ours is
 * told on it, so that what is decided next, with a cache, heeds it.
 */
export const readNode = (
  { client, signal }: { readonly client: Pick<KubeClient, 'get' | 'patch'>; readonly signal: AbortSignal },
  name: string,
): Promise<Node | undefined> =>
  updateIfThere(
    { client, resource: NODES, ref: { name }, fieldManager: FIELD_MANAGER, signal },
    tellingUsersGuard,
  );
