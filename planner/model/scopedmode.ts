import type { Node } from '../../api/objects.ts';
import { asScoped, hasScopeTaint } from './nodepool.ts';
import type { Snapshot } from './snapshot.ts';

/** Nodes of scoped mode, and the cluster as it is planned for them. */

/** Whether a node is one of scoped mode, by its taint. */
export const isScopedNode = ({ spec }: Node): boolean => hasScopeTaint(spec?.taints);

/** The snapshot for nodes of scoped mode: what is bought in their place carries its taint and labels. */
export const buyingScoped = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  nodePools: snapshot.nodePools.map(asScoped),
});
