import type { LabelSelector, NodeSelector, Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
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

/** Pods that are the same to a scheduler. They are counted, not named. */
export interface PodClass {
  /** The first pod; its spec is that of all. */
  readonly pod: Pod;
  readonly requests: Requests;
  /** Node selectors of the pods' volumes; all must match. */
  readonly selectors: readonly NodeSelector[];
  /** The pods' workload, where the blast radius limits it. */
  readonly workload: string | undefined;
  readonly pods: Pod[];
  /** Volumes of the pods that one node at a time can attach, and that pods of other classes may use too. */
  readonly shared: readonly string[];
  /** The first pod without its preferences made required. */
  readonly original: Pod;
  /** Whether all of its pods stay where they are: they count for others, and ask for nothing. */
  readonly stays: boolean;
  /** As in NeedsOf, of all its pods. */
  readonly presumed: boolean;
}

/** What a pod asks of nodes and of other pods, as text; empty for most. */
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
  // A pod whose only demands are preferences is like one without.
  return text === NO_DEMANDS ? '' : text;
};

/** What a pod that stays asks of pods which come to it: it is not placed again, so nothing of nodes. */
const demandsInPlace = (pod: Pod): string => {
  const all = demandsOf(pod);
  const text = JSON.stringify([0, 0, 0, [], requiredAntiAffinity(pod), [], hostPorts(pod)]);
  return all === '' || text === all ? all : `stays ${text}`;
};

const NO_DEMANDS = JSON.stringify([0, 0, 0, [], [], [], []]);

/** Requests as text, the same in whatever order they come. */
const textOf = (requests: Requests): string => {
  let text = '';
  let last = '';
  for (const [resource, n] of requests) {
    if (resource < last)
      return [...requests]
        .map(([r, m]) => `${r}=${m};`)
        .sort()
        .join('');
    last = resource;
    text += `${resource}=${n};`;
  }
  return text;
};

const addKeys = (keys: Set<string>, selector: LabelSelector | undefined): void => {
  for (const key in selector?.matchLabels) keys.add(key);
  for (const { key } of selector?.matchExpressions ?? []) keys.add(key);
};

/** The pod labels that rules of some pod look at; undefined when no pod has rules about other pods. */
const ruledLabels = (pods: readonly Pod[]): readonly string[] | undefined => {
  const keys = new Set<string>();
  let hasRules = false;
  for (const pod of pods) {
    for (const rule of [...requiredAffinity(pod), ...requiredAntiAffinity(pod), ...requiredSpread(pod)]) {
      hasRules = true;
      addKeys(keys, rule.labelSelector);
      for (const key of rule.matchLabelKeys ?? []) keys.add(key);
      if ('mismatchLabelKeys' in rule) for (const key of rule.mismatchLabelKeys ?? []) keys.add(key);
    }
  }
  return hasRules ? [...keys].sort() : undefined;
};

/**
 * Sorts pods into classes; throws a QuantityError. Labels and namespace count only where rules of some pod look at
 * them; `needsOf` adds what volumes ask for.
 */
export const podClassesOf = (pods: readonly Pod[], needsOf: NeedsOf = () => NO_NEEDS): PodClass[] => {
  const ruled = ruledLabels(pods);
  const podClasses = new Map<string, PodClass>();
  const placed = new Set<PodClass>();
  for (const pod of pods) {
    const requests = podRequests(pod);
    const { selectors, slots, workload, shared, original, stays = false, presumed = false } = needsOf(pod);
    for (const [resource, n] of slots) requests.set(resource, n);
    const labels = labelsOf(pod);
    const identity = ruled && [
      namespaceOf(pod),
      ruled.map((key) => valueAt(labels, key) ?? null),
      pod.metadata.deletionTimestamp !== undefined,
    ];
    const others = [
      stays ? demandsInPlace(pod) : demandsOf(pod),
      identity ? JSON.stringify(identity) : '',
      selectors.length > 0 ? JSON.stringify(selectors) : '',
      workload ?? '',
      shared && shared.length > 0 ? JSON.stringify(shared) : '',
      original ? JSON.stringify([original.spec.nodeSelector, original.spec.affinity?.nodeAffinity]) : '',
      presumed ? 'presumed' : '',
    ];
    const key = `${textOf(requests)} ${others.some((text) => text !== '') ? JSON.stringify(others) : ''}`;
    let podClass = podClasses.get(key);
    if (podClass) podClass.pods.push(pod);
    else {
      podClass = {
        pod,
        requests,
        selectors,
        workload: workload ?? undefined,
        pods: [pod],
        shared: shared ?? [],
        original: original ?? pod,
        stays: true,
        presumed,
      };
      podClasses.set(key, podClass);
    }
    if (!stays) placed.add(podClass);
  }
  // In the order of what they ask for: that of names must not decide what is placed first.
  return [...podClasses]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, podClass]) => (placed.has(podClass) ? { ...podClass, stays: false } : podClass));
};
