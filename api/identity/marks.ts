import { FEATURES_LABEL } from '../features.ts';
import * as labels from '../labels.ts';
import type { KubeObject } from '../objects.ts';
import { valueAt } from '../records/valueat.ts';
import { hasOurPrediction } from './predictionlabel.ts';

/**
 * Every name of our domain that production code knows, and whose it is. marks.test.ts finds the names in the sources,
 * so that a new mark can't be forgotten by what undoes them.
 */

/** Marks that we put on objects of others and take off again: on Nodes, NodeClaims, pods. */
export const OUR_MARKS = {
  labels: [
    labels.DRAINING,
    labels.EVICTION_STATUS,
    labels.REBALANCING_STATUS,
    labels.SPOT_FALLBACK,
    labels.PLACEHOLDER,
    labels.PLAN,
    labels.PIN_HELD,
    labels.PIN_PROBE,
    labels.PREDICTED_INTERRUPTION,
  ],
  annotations: [
    labels.IN_USE_BY,
    labels.LOCKED_BY,
    labels.LOCK_KEEPS,
    labels.KEEPS_ROOM,
    labels.CORDONED_BY,
    labels.CORDONED_BEFORE,
    labels.OPEN_TO_DAEMONSETS,
    labels.DAEMONSETS_UNTIL,
    labels.OWNED_BY,
    labels.PLANNED_CLAIM,
    labels.NODE_CLAIM,
    labels.JOIN_DEADLINE,
    labels.PIN,
    labels.PIN_NODE,
    labels.SURGED,
    labels.INTERRUPTION_MARK,
  ],
  taints: [labels.PREPARING_TAINT, labels.REMOVAL_TAINT, labels.EVICTED_TAINT],
  gates: [labels.PIN_GATE],
  finalizers: [labels.PLAN_FINALIZER, labels.UNDO_FINALIZER],
} as const;

/**
 * Marks that users, or other products of theirs, put on their objects; we remove none of them. Those of scoped mode are on machines
 * that we bought, too, and stay there: the pods that run on them select and tolerate them. A pod's place in a split of spot and
 * on-demand stays as long as the affinity that came with it, which no pod can lose.
 */
export const USER_MARKS: readonly string[] = [
  labels.PLANS_ONLY,
  labels.REMOVAL_DISABLED,
  labels.MOVES_HERE_DISABLED,
  labels.DISPOSABLE,
  labels.SCOPED_TAINT,
  labels.MANAGED_BY,
  labels.PREDICTED_INTERRUPTION,
  labels.LIVE_MIGRATION,
  labels.LIVE_MIGRATION_DISABLED,
  labels.SURGE,
  labels.CANCEL,
  labels.SPOT,
  labels.ON_DEMAND,
  labels.SPOT_PERCENTAGE,
  labels.SPOT_PLACE,
];

/** Marks on objects that are ours as a whole and go as a whole: our kinds, and what lives in our namespace. */
export const MARKS_OF_OUR_OBJECTS: readonly string[] = [
  FEATURES_LABEL,
  labels.PIN_BASELINE,
  labels.CANCEL,
  'autoscaling.cast.ai/made-by',
  'autoscaling.cast.ai/peer-address',
  'autoscaling.cast.ai/peer-certificate',
  'autoscaling.cast.ai/rebalance-plan-claim',
  'autoscaling.cast.ai/rebalance-plan-part',
  'autoscaling.cast.ai/rebalance-plan-schedule',
  'autoscaling.cast.ai/spot-replacements',
];

/** Values for which a label is ours; any other value was put there by somebody else. */
const OUR_VALUES: Readonly<Record<string, readonly string[]>> = {
  [labels.DRAINING]: labels.DRAIN_REASONS,
  [labels.EVICTION_STATUS]: [labels.EVICTION_DONE],
  [labels.SPOT_FALLBACK]: ['true'],
};

type Marked = {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
};

const removed = (
  present: Readonly<Record<string, string>> = {},
  names: readonly string[],
): Record<string, null> =>
  Object.fromEntries(
    names
      .filter((name) => {
        const own = valueAt(present, name);
        return own !== undefined && (valueAt(OUR_VALUES, name)?.includes(own) ?? true);
      })
      .map((name) => [name, null]),
  );

/** The merge patch of metadata that removes our labels and annotations; undefined where there are none. */
export const withoutMarks = ({
  metadata,
}: Marked):
  | { readonly labels?: Record<string, null>; readonly annotations?: Record<string, null> }
  | undefined => {
  const isOurs = (name: string): boolean =>
    name !== labels.PREDICTED_INTERRUPTION || hasOurPrediction({ metadata });
  const ofLabels = removed(metadata.labels, OUR_MARKS.labels.filter(isOurs));
  const ofAnnotations = removed(metadata.annotations, OUR_MARKS.annotations);
  const hasLabels = Object.keys(ofLabels).length > 0;
  const hasAnnotations = Object.keys(ofAnnotations).length > 0;
  if (!hasLabels && !hasAnnotations) return undefined;
  return { ...(hasLabels && { labels: ofLabels }), ...(hasAnnotations && { annotations: ofAnnotations }) };
};

/** Names of the marks that an object carries. */
export const marksOn = (object: Marked): readonly string[] => {
  const patch = withoutMarks(object);
  return [...Object.keys(patch?.labels ?? {}), ...Object.keys(patch?.annotations ?? {})];
};

/** Whether an object has the key with 'true', as label or annotation. */
export const isMarked = (object: KubeObject, key: string): boolean =>
  valueAt(object.metadata.labels, key) === 'true' || valueAt(object.metadata.annotations, key) === 'true';
