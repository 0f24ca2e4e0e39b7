import { z } from 'zod';
import { SURGED } from '../../../api/labels.ts';
import type { OwnerReference, Pod } from '../../../api/objects.ts';

const surgeRecord = z.object({
  plan: z.string(),
  hash: z.string(),
  replicaSet: z.object({ name: z.string(), uid: z.string() }),
});

/** The annotation of a detached pod: all that any later process needs to reattach it. */
export type SurgeRecord = z.output<typeof surgeRecord>;

/** A pod that is the only one of a Deployment and gets a successor before it is evicted. */
export interface SoleReplica {
  readonly deployment: OwnerReference;
  readonly replicaSet: { readonly name: string; readonly uid: string };
}

/** Surge facts about the pods that a plan evicts; sets and keys are pod UIDs. */
export interface SurgeState {
  readonly soleReplicas: ReadonlyMap<string, SoleReplica>;
  /** Pods that this plan detached, on any node; terminating ones are left out. */
  readonly detached: readonly Pod[];
  /** Detached pods whose successor is ready, or whose ReplicaSet wants none. */
  readonly succeeded: ReadonlySet<string>;
  /** Detached pods whose ReplicaSet was deleted: no controller can adopt them. */
  readonly orphaned: ReadonlySet<string>;
}

/** The surge record of a pod; undefined for a pod that is not detached, or whose annotation can't be read. */
export const surgeRecordOf = (pod: Pod): SurgeRecord | undefined => {
  const text = pod.metadata.annotations?.[SURGED];
  if (text === undefined) return undefined;
  try {
    return surgeRecord.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};

/** Index of pods by the name of the plan that detached them. */
export const DETACHED_BY = 'detachedBy';

export const detachedBy = (pod: Pod): readonly string[] => {
  const record = surgeRecordOf(pod);
  return record ? [record.plan] : [];
};
