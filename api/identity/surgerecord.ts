import { z } from 'zod';
import type { DetachedPod, RebalancePlan } from '../kinds/rebalanceplan.ts';
import { SURGED } from '../labels.ts';
import type { Pod } from '../objects.ts';
import { controllerOf } from '../pods.ts';
import { readMark } from '../text/readmark.ts';

const surgeRecord = z.object({
  plan: z.string(),
  hash: z.string(),
  replicaSet: z.object({ name: z.string(), uid: z.string() }),
});

/** The annotation of a detached pod: all that any later process needs to reattach it. */
export type SurgeRecord = z.output<typeof surgeRecord>;

/**
 * The surge record of a pod; undefined for one that has a controller, so that it can't be detached, or whose annotation
 * can't be read. Anyone may have written it: a plan believes it only where its status says the same.
 */
export const surgeRecordOf = (pod: Pod): SurgeRecord | undefined => {
  if (controllerOf(pod)) return undefined;
  const read = surgeRecord.safeParse(readMark(pod.metadata.annotations?.[SURGED]));
  return read.success ? read.data : undefined;
};

/** What the plan's status says of a pod that it detached, or is about to detach. */
export const recordedSurge = (
  { status }: Pick<RebalancePlan, 'status'>,
  { metadata }: Pod,
): DetachedPod | undefined => status?.detachedPods?.find(({ uid }) => uid === metadata.uid);
