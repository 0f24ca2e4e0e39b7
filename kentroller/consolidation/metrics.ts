import type { Registry } from 'prom-client';
import { counter } from '../../kube/component/metrics.ts';

/** Counts nodes that were deleted, and those that were kept after all, by what made them go. */
export const countersOf = (registry: Registry | undefined) => {
  if (!registry) return { deleted: () => {}, spared: () => {} };
  const deleted = counter(
    registry,
    'kentroller_consolidated_nodes_total',
    'NodeClaims deleted by node consolidation, by what made the node go',
    ['path'],
  );
  const spared = counter(
    registry,
    'kentroller_spared_nodes_total',
    'Nodes that were about to be deleted and were kept after all',
    ['path'],
  );
  return {
    deleted: (path: string) => deleted.inc({ path }),
    spared: (path: string) => spared.inc({ path }),
  };
};
