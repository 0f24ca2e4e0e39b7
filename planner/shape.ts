import type { LabelSelector, Pod } from '../api/objects.ts';
import { labelsOf, namespaceOf, requiredAffinity, requiredAntiAffinity } from './podaffinity.ts';
import { podRequests, type Requests } from './podresources.ts';
import { hostPorts } from './ports.ts';
import { requiredSpread } from './spread.ts';

/** Pods that are the same to a scheduler: one stands for all. */
export interface Shape {
  readonly pod: Pod;
  readonly requests: Requests;
  readonly pods: Pod[];
}

const demandsOf = (pod: Pod): unknown => [
  pod.spec.nodeSelector ?? 0,
  pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? 0,
  pod.spec.tolerations ?? 0,
  requiredAffinity(pod),
  requiredAntiAffinity(pod),
  requiredSpread(pod),
  hostPorts(pod),
];

const addKeys = (keys: Set<string>, selector: LabelSelector | undefined): void => {
  for (const key in selector?.matchLabels) keys.add(key);
  for (const each of selector?.matchExpressions ?? []) keys.add(each.key);
};

/** The pod labels that some pod's rules look at; null when no pod has rules about other pods. */
const ruledLabels = (pods: readonly Pod[]): readonly string[] | null => {
  const keys = new Set<string>();
  let any = false;
  for (const pod of pods) {
    for (const rule of [...requiredAffinity(pod), ...requiredAntiAffinity(pod), ...requiredSpread(pod)]) {
      any = true;
      addKeys(keys, rule.labelSelector);
      for (const key of rule.matchLabelKeys ?? []) keys.add(key);
      if ('mismatchLabelKeys' in rule) for (const key of rule.mismatchLabelKeys ?? []) keys.add(key);
    }
  }
  return any ? [...keys].sort() : null;
};

/**
 * Groups pods by equal shape. Labels and namespace are part of the shape only where some pod's rules look at them;
 * `extra` adds what else tells pods apart, such as the zones of their volumes. Throws a QuantityError.
 */
export const shapesOf = (pods: readonly Pod[], extra: (pod: Pod) => string = () => ''): Shape[] => {
  const ruled = ruledLabels(pods);
  const shapes = new Map<string, Shape>();
  for (const pod of pods) {
    const requests = podRequests(pod);
    const labels = labelsOf(pod);
    const identity = ruled && [
      namespaceOf(pod),
      ruled.map((key) => labels[key] ?? null),
      pod.metadata.deletionTimestamp !== undefined,
    ];
    const key = JSON.stringify([[...requests].sort(), demandsOf(pod), identity, extra(pod)]);
    const shape = shapes.get(key);
    if (shape) shape.pods.push(pod);
    else shapes.set(key, { pod, requests, pods: [pod] });
  }
  return [...shapes.values()];
};
