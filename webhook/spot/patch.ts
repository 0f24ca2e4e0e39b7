import { POD_DELETION_COST, SPOT_PLACE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { SpotMode } from '../../api/spotpods/rules.ts';
import { formatPlace, ordinalOf, type SpotPlace } from '../../api/spotpods/split.ts';
import { withoutWish, withWish } from '../../api/spotpods/wish.ts';
import type { JsonPatchOperation } from '../jsonpatch.ts';
import { removeEntries, setEntries } from '../patch.ts';

/** A share of spot, as a rule gives it. */
interface Wish {
  readonly percentage: number;
  readonly mode: SpotMode;
  readonly ownerKind: string;
}

/** The order in which a ReplicaSet that shrinks deletes its pods: the last of the ideal order first. */
const costOf = (pod: Pod, place: SpotPlace, { percentage, ownerKind }: Wish): Record<string, string> => {
  const isSplit = percentage > 0 && percentage < 100;
  const hasCost = valueAt(pod.metadata.annotations, POD_DELETION_COST) !== undefined;
  if (ownerKind !== 'ReplicaSet' || !isSplit || hasCost) return {};
  return { [POD_DELETION_COST]: String(-ordinalOf(place, percentage)) };
};

/** The patch that sends a pod to a side. */
export const sidePatch = (pod: Pod, place: SpotPlace, wish: Wish): readonly JsonPatchOperation[] => {
  const { affinity, tolerations } = withWish(pod.spec, place.side, wish.mode);
  return [
    { op: 'add', path: '/spec/affinity', value: affinity },
    ...(tolerations === pod.spec.tolerations
      ? []
      : [{ op: 'add', path: '/spec/tolerations', value: tolerations } as const]),
    ...setEntries(pod, 'annotations', { [SPOT_PLACE]: formatPlace(place), ...costOf(pod, place, wish) }),
  ];
};

/** The patch that takes a wish of ours back. The toleration stays: the wish of others that won over ours may need it. */
export const noSidePatch = (pod: Pod, { side }: SpotPlace): readonly JsonPatchOperation[] => {
  const { affinity } = withoutWish(pod, side).spec;
  return [
    affinity === undefined
      ? { op: 'remove', path: '/spec/affinity' }
      : { op: 'add', path: '/spec/affinity', value: affinity },
    ...removeEntries(pod, 'annotations', [SPOT_PLACE]),
  ];
};
