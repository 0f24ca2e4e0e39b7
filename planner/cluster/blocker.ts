/** What a blocker is about; what can be done depends on it. */
export type BlockerKind =
  | 'unmanaged'
  | 'unclaimed'
  | 'fargate'
  | 'old-karpenter'
  | 'node-state'
  | 'nodepool-budget'
  | 'no-price'
  | 'consolidation'
  | 'drift'
  | 'age'
  | 'zonal-shift'
  | 'most-nodes'
  | 'no-place'
  | 'room'
  | 'order'
  | 'marked-node'
  | 'marked-pod'
  | 'scheduler'
  | 'no-controller'
  | 'alone'
  | 'job'
  | 'devices'
  | 'local-volume'
  | 'shared-volume'
  | 'pod-budget'
  | 'pod-budgets';

/** Why a node or a pod on it stays where it is. */
export interface Blocker {
  readonly kind: BlockerKind;
  /** What the blockers of several nodes have in common: it names no node and no pod. */
  readonly cause: string;
  /** A clause about one node that may follow its name. */
  readonly message: string;
  /** The pod that keeps the node, as 'namespace/name'. */
  readonly pod?: string;
}

/** A blocker of a node by what the node is: 'not ready'. */
export const nodeIs = (kind: BlockerKind, cause: string): Blocker => ({
  kind,
  cause,
  message: `it is ${cause}`,
});

/** The clauses of blockers. */
export const messagesOf = (blockers: readonly Blocker[]): string[] => blockers.map(({ message }) => message);
