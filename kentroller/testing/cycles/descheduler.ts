import type { Node, Pod } from '../../../api/objects.ts';
import { controllerKey, controllerOf } from '../../../api/pods.ts';
import { readAmounts } from '../../../planner/scheduling/nodeinfo.ts';
import { podRequests } from '../../../planner/scheduling/noderesources.ts';

/**
 * What a descheduler evicts in one run, by the rules of its plugins (sigs.k8s.io/descheduler, pkg/framework/plugins) with the
 * thresholds of its documentation. Requests count, as they do by default.
 */

export interface Seen {
  readonly nodes: readonly Node[];
  readonly podsOn: (node: string) => readonly Pod[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Milliseconds of `minPodAge` of its DefaultEvictor; 0 is its default. */
export type Run = (seen: Seen, minPodAgeMs: number) => readonly Pod[];

const RESOURCES = ['cpu', 'memory', 'pods'];
/** Percent. */
const UNDER = 20;
const OVER = 50;

const isOldEnough = (pod: Pod, now: number, minPodAgeMs: number): boolean =>
  now - Date.parse(pod.metadata.creationTimestamp ?? '') >= minPodAgeMs;

/** What of a node its pods request, in percent, by resource. */
const usageOf = (node: Node, pods: readonly Pod[]): ReadonlyMap<string, number> => {
  const all = readAmounts(node.status?.allocatable);
  const sums = new Map(RESOURCES.map((resource) => [resource, resource === 'pods' ? pods.length : 0]));
  for (const pod of pods)
    for (const [resource, amount] of podRequests(pod))
      if (resource !== 'pods' && sums.has(resource)) sums.set(resource, (sums.get(resource) ?? 0) + amount);
  return new Map([...sums].map(([resource, sum]) => [resource, (100 * sum) / (all.get(resource) ?? 1)]));
};

const isUnder = (node: Node, pods: readonly Pod[]): boolean =>
  [...usageOf(node, pods).values()].every((percent) => percent < UNDER);
const isOver = (node: Node, pods: readonly Pod[]): boolean =>
  [...usageOf(node, pods).values()].some((percent) => percent > OVER);
const cpuOf = (node: Node, pods: readonly Pod[]): number => usageOf(node, pods).get('cpu') ?? 0;

/** Takes pods off nodes above the target while nodes below the threshold have room up to the target. */
const lowNodeUtilization: Run = ({ nodes, podsOn, now }, minPodAgeMs) => {
  const low = nodes.filter(
    (node) => node.spec?.unschedulable !== true && isUnder(node, podsOn(node.metadata.name)),
  );
  const high = nodes.filter((node) => isOver(node, podsOn(node.metadata.name)));
  if (low.length === 0 || low.length === nodes.length || high.length === 0) return [];
  const all = (node: Node): number => readAmounts(node.status?.allocatable).get('cpu') ?? 0;
  let room = low.reduce(
    (sum, node) => sum + (all(node) * (OVER - cpuOf(node, podsOn(node.metadata.name)))) / 100,
    0,
  );
  const evicted: Pod[] = [];
  for (const node of high.toSorted(
    (a, b) => cpuOf(b, podsOn(b.metadata.name)) - cpuOf(a, podsOn(a.metadata.name)),
  )) {
    let left = podsOn(node.metadata.name);
    for (const pod of left.filter((each) => isOldEnough(each, now, minPodAgeMs))) {
      if (!isOver(node, left) || room <= 0) break;
      left = left.filter((each) => each !== pod);
      room -= podRequests(pod).get('cpu') ?? 0;
      evicted.push(pod);
    }
  }
  return evicted;
};

/** Takes all pods off nodes below the threshold while others have room; kube-scheduler is to pack them then. */
const highNodeUtilization: Run = ({ nodes, podsOn, now }, minPodAgeMs) => {
  const low = nodes.filter((node) => isUnder(node, podsOn(node.metadata.name)));
  if (low.length === 0 || low.length === nodes.length) return [];
  const others = nodes.filter((node) => !low.includes(node) && node.spec?.unschedulable !== true);
  const free = (node: Node): number =>
    (readAmounts(node.status?.allocatable).get('cpu') ?? 0) *
    (1 - cpuOf(node, podsOn(node.metadata.name)) / 100);
  let room = others.reduce((sum, node) => sum + free(node), 0);
  return low
    .flatMap(({ metadata }) => podsOn(metadata.name))
    .filter((pod) => isOldEnough(pod, now, minPodAgeMs))
    .filter((pod) => {
      room -= podRequests(pod).get('cpu') ?? 0;
      return room >= 0;
    });
};

/** Leaves of each owner no more pods on a node than if they were spread evenly. */
const removeDuplicates: Run = ({ nodes, podsOn, now }, minPodAgeMs) => {
  const keyOf = (pod: Pod): string => {
    const owner = controllerOf(pod);
    return owner ? controllerKey(owner, pod.metadata.namespace ?? '') : '';
  };
  const evictable = (name: string): readonly Pod[] =>
    podsOn(name).filter((pod) => keyOf(pod) !== '' && isOldEnough(pod, now, minPodAgeMs));
  const counts = new Map<string, number>();
  for (const { metadata } of nodes)
    for (const pod of evictable(metadata.name)) counts.set(keyOf(pod), (counts.get(keyOf(pod)) ?? 0) + 1);
  return nodes.flatMap(({ metadata }) =>
    [...Map.groupBy(evictable(metadata.name), keyOf)].flatMap(([key, pods]) =>
      pods.slice(Math.ceil((counts.get(key) ?? 0) / nodes.length)),
    ),
  );
};

/** Takes pods off the fullest domain of a hard constraint (here: hostnames) while its skew is too large. */
const topologySpread =
  (maxSkew: number): Run =>
  ({ nodes, podsOn, now }, minPodAgeMs) => {
    const pods = nodes.flatMap(({ metadata }) => podsOn(metadata.name));
    const evicted: Pod[] = [];
    for (const app of new Set(pods.map(({ metadata }) => metadata.labels?.app))) {
      const domains = nodes.map(({ metadata }) =>
        podsOn(metadata.name).filter((pod) => pod.metadata.labels?.app === app),
      );
      const counts = domains.map(({ length }) => length);
      for (;;) {
        const [most, least] = [Math.max(...counts), Math.min(...counts)];
        if (most - least <= maxSkew) break;
        const at = counts.indexOf(most);
        const pod = domains[at]?.filter((each) => isOldEnough(each, now, minPodAgeMs)).at(most - 1);
        if (!pod) break;
        evicted.push(pod);
        counts[at] = most - 1;
        counts[counts.indexOf(least)] = least + 1;
      }
    }
    return evicted;
  };

export const PLUGINS: Readonly<Record<string, Run>> = {
  LowNodeUtilization: lowNodeUtilization,
  HighNodeUtilization: highNodeUtilization,
  RemoveDuplicates: removeDuplicates,
  RemovePodsViolatingTopologySpreadConstraint: topologySpread(1),
};
