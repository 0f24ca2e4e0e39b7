import { createHash } from 'node:crypto';

/** Ids stand in labels of pods, so they are short; the same decision gives the same id in every process. */
const idOf = (kind: string, parts: readonly string[]): string =>
  `${kind}-${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 20)}`;

/** A machine that was ordered: one for each attempt. */
export const nodeIntentId = (plan: string, nodeClaim: string): string => idOf('node', [plan, nodeClaim]);

/** Pods of an owner, or one pod, on a destination of the plan; the attempts of one planned claim share it. */
export const pinIntentId = (plan: string, destination: string, namespace: string, target: string): string =>
  idOf('pin', [plan, destination, namespace, target]);
