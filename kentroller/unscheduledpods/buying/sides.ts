import type { Node, Pod } from '../../../api/objects.ts';
import { controllerKey, controllerOf, isLive } from '../../../api/pods.ts';
import { occupiedOf } from '../../../api/spotpods/occupied.ts';
import { type SpotRules, spotRulingOf } from '../../../api/spotpods/rules.ts';
import { placeOf, type SpotPlace } from '../../../api/spotpods/split.ts';
import { Tally } from '../../../api/spotpods/tally.ts';
import { withWish } from '../../../api/spotpods/wish.ts';

/**
 * Replicas to come as the webhook will create them: with the wish for spot or on-demand that rules give each, counted on from the
 * pods that their owner has.
 */
export const withSides = (
  coming: readonly Pod[],
  o: {
    readonly pods: readonly Pod[];
    readonly nodes: readonly Node[];
    readonly rules: SpotRules | undefined;
    readonly schedulers: readonly string[] | undefined;
  },
): readonly Pod[] => {
  if (!o.rules || coming.length === 0) return coming;
  const nodes = new Map(o.nodes.map((node) => [node.metadata.name, node]));
  const tallies = new Map<string, Tally>();
  const liveOf = new Map<string, { place: SpotPlace | undefined; node: Node | undefined }[]>();
  for (const pod of o.pods) {
    const owner = controllerOf(pod);
    if (!owner || !isLive(pod)) continue;
    const key = controllerKey(owner, pod.metadata.namespace ?? '');
    const live = liveOf.get(key) ?? [];
    live.push({ place: placeOf(pod), node: nodes.get(pod.spec.nodeName ?? '') });
    liveOf.set(key, live);
  }
  return coming.map((pod) => {
    const { namespace = '' } = pod.metadata;
    const ruling = spotRulingOf(pod, namespace, { ...o, ownNamespace: '' });
    if (ruling.kind === 'passed') return pod;
    const key = controllerKey(ruling.owner, namespace);
    const tally = tallies.get(key) ?? new Tally(occupiedOf(liveOf.get(key) ?? []));
    tallies.set(key, tally);
    const { side } = tally.take(tally.nextSide(ruling.percentage));
    return { ...pod, spec: withWish(pod.spec, side, ruling.mode) };
  });
};
