import { z } from 'zod';
import {
  CORDONED_BEFORE,
  CORDONED_BY,
  DRAINING,
  EVICTION_STATUS,
  KARPENTER_DO_NOT_DISRUPT,
  KEEPS_ROOM,
  LOCK_KEEPS,
  LOCKED_BY,
  OPEN_TO_DAEMONSETS,
  OWNED_BY,
} from '../../api/labels.ts';
import { isDrainedByPlan } from '../../api/nodes.ts';
import type { KubeObject, Node, ObjectMeta } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { readMark } from '../../api/text/readmark.ts';
import { annotationPath, type FieldPath, isWrittenByOthers } from '../fieldowners.ts';

/**
 * What takes a lock, a cordon and a reservation off a node again, as merge patches: what was there before is put back,
 * and what a user wrote since stays. See docs/designs/0018-plans-own-what-they-touch.md.
 */

type Texts = Readonly<Record<string, string | null>>;

const annotationOf = ({ metadata }: KubeObject, annotation: string): string | undefined =>
  valueAt(metadata.annotations, annotation);

const isTheirs = (metadata: ObjectMeta, field: FieldPath, mark: string): boolean =>
  isWrittenByOthers(metadata, field, annotationPath(mark));

/** The annotations of a node without its lock. */
export const withoutLock = (node: Node): Texts => {
  const isTouched =
    annotationOf(node, KARPENTER_DO_NOT_DISRUPT) !== 'true' ||
    isTheirs(node.metadata, annotationPath(KARPENTER_DO_NOT_DISRUPT), LOCKED_BY);
  return {
    ...(!isTouched && { [KARPENTER_DO_NOT_DISRUPT]: annotationOf(node, LOCK_KEEPS) ?? null }),
    [LOCKED_BY]: null,
    [LOCK_KEEPS]: null,
  };
};

const beforeCordonSchema = z.object({
  unschedulable: z.boolean().exactOptional(),
  draining: z.string().exactOptional(),
});

/** What a cordon hides. */
type BeforeCordon = z.output<typeof beforeCordonSchema>;

/** An annotation that a user has spoiled counts as if nothing had been there. */
const parseBeforeCordon = (node: Node): BeforeCordon =>
  beforeCordonSchema.safeParse(readMark(annotationOf(node, CORDONED_BEFORE))).data ?? {};

/**
 * What was there before our first cordon. A user's cordon that the user took back while the node was drained is not
 * remembered any more.
 */
export const beforeCordon = (node: Node): BeforeCordon => {
  const known = annotationOf(node, CORDONED_BY) === undefined ? undefined : parseBeforeCordon(node);
  const label = node.metadata.labels?.[DRAINING];
  const draining = known && isDrainedByPlan(node) ? known.draining : label;
  const isCordoned = node.spec?.unschedulable === true;
  const unschedulable = known ? isCordoned && known.unschedulable : isCordoned;
  return { ...(unschedulable && { unschedulable }), ...(draining !== undefined && { draining }) };
};

/** Labels and annotations of a node without its cordon, and whether it is open to pods then. */
export const withoutCordon = (
  node: Node,
): { readonly labels: Texts; readonly annotations: Texts; readonly isOpened: boolean } => {
  const { unschedulable, draining } = parseBeforeCordon(node);
  return {
    labels: {
      ...(isDrainedByPlan(node) && { [DRAINING]: draining ?? null }),
      ...(node.metadata.labels?.[EVICTION_STATUS] !== undefined && { [EVICTION_STATUS]: null }),
    },
    annotations: { [CORDONED_BY]: null, [CORDONED_BEFORE]: null, [OPEN_TO_DAEMONSETS]: null },
    isOpened: !unschedulable && !isTheirs(node.metadata, ['f:spec', 'f:unschedulable'], CORDONED_BY),
  };
};

/** do-not-disrupt that came with a mark of ours, taken off unless somebody else has put it there too. */
const withoutDoNotDisrupt = ({ metadata }: KubeObject, mark: string): Texts =>
  isTheirs(metadata, annotationPath(KARPENTER_DO_NOT_DISRUPT), mark)
    ? {}
    : { [KARPENTER_DO_NOT_DISRUPT]: null };

/**
 * do-not-disrupt of an added node or its NodeClaim, taken off. Karpenter copies both annotations from the NodeClaim to the
 * node, so whoever wrote the mark wrote this one.
 */
export const withoutGuard = (object: KubeObject): Texts => withoutDoNotDisrupt(object, OWNED_BY);

/** The annotations of a node without the do-not-disrupt that keeps its room. */
export const withoutRoomGuard = (node: Node): Texts =>
  annotationOf(node, KEEPS_ROOM) === undefined
    ? {}
    : { ...withoutDoNotDisrupt(node, KEEPS_ROOM), [KEEPS_ROOM]: null };

/**
 * What tells of a do-not-disrupt that somebody else has put beside ours, with the same value: managedFields alone show it, and caches
 * have none. The annotations say it to them: the guard of room is given up, and a lock keeps it as what was there before. Empty where
 * there is no such, or where it is told already.
 */
export const usersGuard = (node: Node): Texts => {
  if (annotationOf(node, KARPENTER_DO_NOT_DISRUPT) !== 'true') return {};
  const isShared = (mark: string): boolean =>
    annotationOf(node, mark) !== undefined &&
    isTheirs(node.metadata, annotationPath(KARPENTER_DO_NOT_DISRUPT), mark);
  return {
    ...(isShared(KEEPS_ROOM) && { [KEEPS_ROOM]: null }),
    ...(isShared(LOCKED_BY) && annotationOf(node, LOCK_KEEPS) !== 'true' && { [LOCK_KEEPS]: 'true' }),
  };
};

/** The patch that tells of it; undefined where there is nothing to tell. */
export const tellingUsersGuard = (
  node: Node,
): { readonly metadata: { readonly annotations: Texts } } | undefined => {
  const annotations = usersGuard(node);
  return Object.keys(annotations).length > 0 ? { metadata: { annotations } } : undefined;
};
