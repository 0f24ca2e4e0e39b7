import { createHash } from 'node:crypto';

/** A hash, short because pods carry it in a label, and the same in every process. */
const idOf = (kind: string, parts: readonly string[]): string =>
  `${kind}-${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 20)}`;

/** Id of a node intent: one for each attempt, that is, each NodeClaim. */
export const nodeIntentId = (plan: string, nodeClaim: string): string => idOf('node', [plan, nodeClaim]);

/**
 * Id of a pin intent. `target` is the uid of an owner or of a pod, `destination` the name of the planned claim: all its
 * attempts share one id.
 */
export const pinIntentId = (plan: string, destination: string, namespace: string, target: string): string =>
  idOf('pin', [plan, destination, namespace, target]);
