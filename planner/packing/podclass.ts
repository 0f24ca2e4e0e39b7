import type { LabelSelector, NodeSelector, Pod } from '../../api/objects.ts';
import {
  labelsOf,
  namespaceOf,
  requiredAffinity,
  requiredAntiAffinity,
} from '../scheduling/interpodaffinity.ts';
import { hostPorts } from '../scheduling/nodeports.ts';
import { podRequests, type Requests } from '../scheduling/noderesources.ts';
import { requiredSpread } from '../scheduling/topologyspread.ts';
import { type NeedsOf, NO_NEEDS } from '../scheduling/volumes.ts';

/** Pods that are the same to a scheduler: one stands for all. */
export interface PodClass {
  readonly pod: Pod;
  readonly requests: Requests;
  /** Node selectors of the pods' volumes: all must match. */
  readonly selectors: readonly NodeSelector[];
  /** Set where a node may hold only so many of the workload's pods. */
  readonly workload: string | null;
  readonly pods: Pod[];
}

/** What pods ask of nodes and of each other, as text; empty for most. */
const demandsOf = (pod: Pod): string => {
  const { nodeSelector, affinity, tolerations, topologySpreadConstraints } = pod.spec;
  const ports = hostPorts(pod);
  if (!nodeSelector && !affinity && !tolerations && !topologySpreadConstraints && ports.length === 0)
    return '';
  const text = JSON.stringify([
    nodeSelector ?? 0,
    affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? 0,
    tolerations ?? 0,
    requiredAffinity(pod),
    requiredAntiAffinity(pod),
    requiredSpread(pod),
    ports,
  ]);
  // Of a pod with preferences alone.
  return text === NO_DEMANDS ? '' : text;
};

const NO_DEMANDS = JSON.stringify([0, 0, 0, [], [], [], []]);

/** Requests as text, the same in whatever order they were read. */
const textOf = (requests: Requests): string => {
  let text = '';
  let before = '';
  for (const [resource, n] of requests) {
    if (resource < before)
      return [...requests]
        .map(([r, m]) => `${r}=${m};`)
        .sort()
        .join('');
    before = resource;
    text += `${resource}=${n};`;
  }
  return text;
};

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
 * `needsOf` adds what volumes ask for. Throws a QuantityError.
 */
export const podClassesOf = (pods: readonly Pod[], needsOf: NeedsOf = () => NO_NEEDS): PodClass[] => {
  const ruled = ruledLabels(pods);
  const podClasses = new Map<string, PodClass>();
  for (const pod of pods) {
    const requests = podRequests(pod);
    const needs = needsOf(pod);
    for (const [resource, n] of needs.slots) requests.set(resource, n);
    const labels = labelsOf(pod);
    const identity = ruled && [
      namespaceOf(pod),
      ruled.map((key) => labels[key] ?? null),
      pod.metadata.deletionTimestamp !== undefined,
    ];
    const others = [
      demandsOf(pod),
      identity ? JSON.stringify(identity) : '',
      needs.selectors.length > 0 ? JSON.stringify(needs.selectors) : '',
      needs.workload ?? '',
    ];
    const key = `${textOf(requests)} ${others.some((text) => text !== '') ? JSON.stringify(others) : ''}`;
    const podClass = podClasses.get(key);
    if (podClass) podClass.pods.push(pod);
    else
      podClasses.set(key, {
        pod,
        requests,
        selectors: needs.selectors,
        workload: needs.workload ?? null,
        pods: [pod],
      });
  }
  return [...podClasses.values()];
};
