import type { Node } from '../../api/objects.ts';
import { DEPLOYMENTS, NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Dice } from '../differential/dice.ts';
import type { UserMarks } from './marks.ts';

/** Where the hostile user works, and writes that several acts share. */

export interface Scene {
  readonly client: KubeClient;
  /** Of namespace and NodePool. */
  readonly name: string;
  readonly apps: readonly string[];
  readonly dice: Dice;
  readonly marks: UserMarks;
}

/** Changes the node that was read and no later one, as `kubectl edit` does. */
export const patchNode = (
  { client }: Scene,
  { metadata }: Node,
  body: { metadata?: object; spec?: object },
) => {
  const { name, resourceVersion } = metadata;
  return client.patch(
    NODES,
    { name },
    { ...body, metadata: { ...body.metadata, resourceVersion } },
    { fieldManager: 'hostile' },
  );
};

export const annotate = (key: string, value: string | null) => ({
  metadata: { annotations: { [key]: value } },
});

export const scale = (
  { client, name: namespace }: Pick<Scene, 'client' | 'name'>,
  name: string,
  replicas: number,
) => client.patch(DEPLOYMENTS, { name, namespace }, { spec: { replicas } });
