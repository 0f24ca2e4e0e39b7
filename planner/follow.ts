import type { NodeClaim, Pod, SelectorRequirement, Taint } from '../api/objects.ts';
import { amount } from '../api/quantity.ts';
import { fits, type NodeView } from './fit.ts';
import { take } from './nodeview.ts';
import { requiredAffinity, requiredAntiAffinity } from './podaffinity.ts';
import type { Requests } from './podresources.ts';
import { hostPorts } from './ports.ts';
import { meets } from './selector.ts';
import { type Shape, shapesOf } from './shape.ts';
import { untoleratedTaint } from './taint.ts';

/** A machine that the autoscaler ordered for pending pods and that has not come up yet. */
export interface InFlight {
  readonly claim: NodeClaim;
  /** What is left of what it was bought for, DaemonSets and pods that are on it taken off. */
  readonly budget: Requests;
  /** What it has left; undefined until the machine is launched, since its size is not known before. */
  readonly node: NodeView | undefined;
}

export interface Following {
  readonly pod: Pod;
  /** Name of the NodeClaim. */
  readonly claim: string;
  /** Kept: it was told before. Bought for: it is part of the claim's requests. Room: the machine is larger than those. */
  readonly because: 'kept' | 'bought for' | 'room';
}

/** A claim while it is filled. */
interface Open {
  readonly at: InFlight;
  readonly name: string;
  readonly budget: Requests;
  readonly free: Requests | undefined;
  readonly pods: Pod[];
}

const copy = (requests: Requests): Requests => new Map(requests);

const open = (at: InFlight): Open => ({
  at,
  name: at.claim.metadata.name,
  budget: copy(at.budget),
  free: at.node && copy(at.node.free),
  pods: [...(at.node?.pods ?? [])],
});

const within = (requests: Requests, room: Requests): boolean => {
  for (const [resource, asked] of requests) if (asked > (room.get(resource) ?? 0)) return false;
  return true;
};

/** Every value that a label of the claim's node may get, or undefined where nothing is known of it. */
const valuesOf = (claim: NodeClaim, key: string): readonly string[] | undefined => {
  const label = claim.metadata.labels?.[key];
  if (label !== undefined) return [label];
  const requirement = claim.spec.requirements.find((each) => each.key === key && each.operator === 'In');
  return requirement?.values;
};

// A claim's requirements are narrowed to those of each pod that it is bought for, so all of its values must do.
const isMet = (claim: NodeClaim, requirement: SelectorRequirement): boolean => {
  const values = valuesOf(claim, requirement.key);
  if (values === undefined || values.length === 0) return meets(requirement, undefined);
  return values.every((value) => meets(requirement, value));
};

/** Whether each machine that the claim may become meets what the pod demands of nodes. */
const admits = (claim: NodeClaim, pod: Pod): boolean => {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (!isMet(claim, { key, operator: 'In', values: [value] })) return false;
  }
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (terms === undefined) return true;
  return terms.nodeSelectorTerms.some(
    ({ matchExpressions = [], matchFields = [] }) =>
      matchFields.length === 0 &&
      matchExpressions.length > 0 &&
      matchExpressions.every((each) => isMet(claim, each)),
  );
};

const ROOMY: Requests = { get: () => Number.POSITIVE_INFINITY } as unknown as Requests;

/** Whether the pod's kind may be there at all, room aside. */
const isAllowed = ({ at }: Open, pod: Pod): boolean => {
  const taints: readonly Taint[] = at.claim.spec.taints ?? [];
  if (untoleratedTaint(taints, pod.spec.tolerations)) return false;
  if (!at.node) return admits(at.claim, pod);
  return fits(pod, { ...at.node, taints, free: ROOMY, pods: [] }) === null;
};

/** Pods of one shape, and the claims that may take them. */
interface Candidates {
  readonly shape: Shape;
  readonly hosts: readonly Open[];
  /** Whether pods that are there already can keep it away. */
  readonly isWary: boolean;
}

const clashes = (pod: Pod, { isWary }: Candidates, host: Open): boolean => {
  if (!isWary || !host.at.node) return false;
  return fits(pod, { ...host.at.node, taints: [], free: ROOMY, pods: host.pods }) !== null;
};

const hasRoom = ({ shape }: Candidates, host: Open): boolean =>
  host.free !== undefined && within(shape.requests, host.free);

const isInBudget = ({ shape }: Candidates, host: Open): boolean =>
  within(shape.requests, host.budget) && (host.free === undefined || hasRoom({ shape } as Candidates, host));

const left = (host: Open, resource: string): number => host.budget.get(resource) ?? 0;

/** What each pod that is still to come has to ask on average, for the claim's requests to come out. */
const needOf = (host: Open, resource: string): number =>
  left(host, resource) / Math.max(1, left(host, 'pods'));

/** A claim's last pod leaves nothing over; the sums of requests tell which one that was. */
const comesOut = ({ shape }: Candidates, host: Open): boolean => {
  if (left(host, 'pods') !== 1) return true;
  for (const [resource, value] of host.budget) {
    if (value > 0 && value !== (shape.requests.get(resource) ?? 0)) return false;
  }
  return true;
};

const byNeed = (a: Open, b: Open): number =>
  needOf(b, 'cpu') - needOf(a, 'cpu') ||
  needOf(b, 'memory') - needOf(a, 'memory') ||
  (a.name < b.name ? -1 : 1);

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Pods that few claims may take first, then the order in which Karpenter packs: the most CPU, then memory, then age. */
const byOrder = (a: Candidates, b: Candidates): number =>
  a.hosts.length - b.hosts.length ||
  (b.shape.requests.get('cpu') ?? 0) - (a.shape.requests.get('cpu') ?? 0) ||
  (b.shape.requests.get('memory') ?? 0) - (a.shape.requests.get('memory') ?? 0) ||
  compareText(a.shape.pod.metadata.uid ?? '', b.shape.pod.metadata.uid ?? '');

const byAge = (a: Pod, b: Pod): number =>
  compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
  compareText(a.metadata.uid ?? '', b.metadata.uid ?? '');

type Pass = (candidates: Candidates, host: Open) => boolean;

/** First what adds up to the claims' requests exactly, then what stays below them, then what the machines can take. */
const PASSES: readonly { readonly because: Following['because']; readonly allows: Pass }[] = [
  { because: 'bought for', allows: (c, host) => isInBudget(c, host) && comesOut(c, host) },
  { because: 'bought for', allows: isInBudget },
  { because: 'room', allows: hasRoom },
];

/**
 * Which pending pods belong on which claim in flight: as near as can be told to what the autoscaler had in mind when
 * it bought them. A claim names no pods, but it carries the sum of their requests and how many they are, and its
 * requirements are narrowed by each of them. `told` holds where pods were sent before, by uid: they stay there
 * while they fit. The same input gives the same answer in any order of its lists. Throws a QuantityError.
 */
export const followClaims = (o: {
  readonly inFlight: readonly InFlight[];
  readonly pods: readonly Pod[];
  readonly told: ReadonlyMap<string, string>;
}): readonly Following[] => {
  const claims = o.inFlight.map(open).sort((a, b) => compareText(a.name, b.name));
  const shapes = shapesOf([...o.pods].sort(byAge), ({ metadata }) => metadata.namespace ?? '');
  const all = shapes
    .map((shape): Candidates => {
      const { pod } = shape;
      return {
        shape,
        hosts: claims.filter((host) => isAllowed(host, pod)),
        isWary:
          hostPorts(pod).length + requiredAffinity(pod).length + requiredAntiAffinity(pod).length > 0 ||
          requiredAntiAffinityOnHosts(claims),
      };
    })
    .sort(byOrder);
  const found: Following[] = [];
  const waiting = new Map(all.map((c) => [c, [...c.shape.pods]]));
  const put = (c: Candidates, pod: Pod, host: Open, because: Following['because']): void => {
    take(host.budget, c.shape.requests);
    if (host.free) take(host.free, c.shape.requests);
    host.pods.push(pod);
    found.push({ pod, claim: host.name, because });
  };
  for (const [c, pods] of waiting) {
    const rest = pods.filter((pod) => {
      const name = o.told.get(pod.metadata.uid ?? '');
      const host = name === undefined ? undefined : c.hosts.find((each) => each.name === name);
      if (!host || clashes(pod, c, host) || !(hasRoom(c, host) || isInBudget(c, host))) return true;
      put(c, pod, host, 'kept');
      return false;
    });
    waiting.set(c, rest);
  }
  for (const { because, allows } of PASSES) {
    for (const [c, pods] of waiting) {
      const rest = pods.filter((pod) => {
        const able = c.hosts.filter((host) => allows(c, host) && !clashes(pod, c, host)).sort(byNeed);
        if (!able[0]) return true;
        put(c, pod, able[0], because);
        return false;
      });
      waiting.set(c, rest);
    }
  }
  return found;
};

const requiredAntiAffinityOnHosts = (claims: readonly Open[]): boolean =>
  claims.some(({ pods }) => pods.some((pod) => requiredAntiAffinity(pod).length > 0));

/** What a claim was bought for. */
export const requestsOf = (claim: NodeClaim): Requests => {
  const list = claim.spec.resources?.requests ?? {};
  return new Map(Object.entries(list).map(([resource, text]) => [resource, amount(resource, text)]));
};
