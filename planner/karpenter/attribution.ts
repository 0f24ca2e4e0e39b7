import type { Pod } from '../../api/objects.ts';
import { type PodClass, podClassesOf } from '../packing/podclass.ts';
import { requiredAntiAffinity } from '../scheduling/interpodaffinity.ts';
import { take } from '../scheduling/nodeinfo.ts';
import { hostPorts } from '../scheduling/nodeports.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { type InFlightClaim, isAllowedOn, isKeptOff } from './inflightclaim.ts';
import { byQueue, type QueuedPod, replayScheduler } from './schedulerreplay.ts';

export interface Attribution {
  readonly pod: Pod;
  /** Name of the NodeClaim. */
  readonly claim: string;
  /** Told: it was sent there before. Bought for: it is part of the claim's requests. Room: the machine is larger. */
  readonly because: 'told' | 'bought for' | 'room';
}

/** A claim while it is filled. */
interface Host {
  readonly at: InFlightClaim;
  readonly name: string;
  readonly budget: Requests;
  readonly free: Requests | undefined;
  readonly pods: Pod[];
}

/** Pods of one shape that have no place yet, and the claims that may take them. */
interface Waiting {
  readonly shape: PodClass;
  readonly hosts: readonly Host[];
  pods: readonly Pod[];
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const byAge = (a: Pod, b: Pod): number =>
  compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
  compareText(a.metadata.uid ?? '', b.metadata.uid ?? '');

const isWithin = (requests: Requests, room: Requests): boolean => {
  for (const [resource, asked] of requests) if (asked > (room.get(resource) ?? 0)) return false;
  return true;
};

const hasRoom = (requests: Requests, host: Host): boolean =>
  host.free !== undefined && isWithin(requests, host.free);

const isInBudget = (requests: Requests, host: Host): boolean =>
  isWithin(requests, host.budget) && (host.free === undefined || isWithin(requests, host.free));

const left = (host: Host, resource: string): number => host.budget.get(resource) ?? 0;

/** A claim's last pod leaves nothing over: the sums tell which one that was. */
const comesOut = (requests: Requests, host: Host): boolean => {
  if (left(host, 'pods') !== 1) return true;
  for (const [resource, value] of host.budget) {
    if (value > 0 && value !== (requests.get(resource) ?? 0)) return false;
  }
  return true;
};

/** What each pod still to come has to ask on average, for the claim's requests to come out. */
const needOf = (host: Host, resource: string): number =>
  left(host, resource) / Math.max(1, left(host, 'pods'));

const byNeed = (a: Host, b: Host): number =>
  needOf(b, 'cpu') - needOf(a, 'cpu') ||
  needOf(b, 'memory') - needOf(a, 'memory') ||
  compareText(a.name, b.name);

/** Pods that few claims may take come first, then the order in which Karpenter packs: most CPU, then most memory. */
const byOrder = (a: Waiting, b: Waiting): number => {
  const more = (resource: string): number =>
    (b.shape.requests.get(resource) ?? 0) - (a.shape.requests.get(resource) ?? 0);
  const oldest = (w: Waiting): Pod => w.shape.pod;
  return a.hosts.length - b.hosts.length || more('cpu') || more('memory') || byAge(oldest(a), oldest(b));
};

type Rule = (requests: Requests, host: Host) => boolean;

/** First what adds up to a claim's requests, then what stays below them, then what its machine can take. */
const PASSES: readonly { readonly because: Attribution['because']; readonly allows: Rule }[] = [
  {
    because: 'bought for',
    allows: (requests, host) => isInBudget(requests, host) && comesOut(requests, host),
  },
  { because: 'bought for', allows: isInBudget },
  { because: 'room', allows: hasRoom },
];

/**
 * Which pending pods belong on which claim in flight: as near as can be told to what the autoscaler had in mind when
 * it bought them. A claim names no pods, but it carries the sum of their requests and how many they are, and its
 * requirements are narrowed by each of them. `told` holds where pods were sent before, by uid: there they stay while
 * they fit. The same input gives the same answer, in whatever order its lists are. Throws a QuantityError.
 */
export const attributePods = (o: {
  readonly inFlight: readonly InFlightClaim[];
  readonly pods: readonly Pod[];
  readonly told: ReadonlyMap<string, string>;
}): readonly Attribution[] => {
  const hosts = o.inFlight
    .map((at): Host => {
      const free = at.node && new Map(at.node.free);
      const pods = [...(at.node?.pods ?? [])];
      return { at, name: at.claim.metadata.name, budget: new Map(at.budget), free, pods };
    })
    .sort((a, b) => compareText(a.name, b.name));
  const pods = [...o.pods].sort(byAge);
  const queue = podClassesOf(pods)
    .map((shape): Waiting => {
      const able = hosts.filter(({ at }) => isAllowedOn(at, shape.pod));
      return { shape, hosts: able, pods: shape.pods };
    })
    .sort(byOrder);
  const isShy = (pod: Pod): boolean => requiredAntiAffinity(pod).length + hostPorts(pod).length > 0;
  const areAllPlain = ![...pods, ...hosts.flatMap((host) => host.pods)].some(isShy);
  const mayJoin = (pod: Pod, host: Host): boolean => areAllPlain || !isKeptOff(host.at, pod, host.pods);

  const found: Attribution[] = [];
  const place = (
    because: Attribution['because'],
    choose: (pod: Pod, waiting: Waiting) => Host | undefined,
  ): void => {
    for (const waiting of queue) {
      const { requests } = waiting.shape;
      waiting.pods = waiting.pods.filter((pod) => {
        const host = choose(pod, waiting);
        if (!host) return true;
        take(host.budget, requests);
        if (host.free) take(host.free, requests);
        host.pods.push(pod);
        found.push({ pod, claim: host.name, because });
        return false;
      });
    }
  };
  place('told', (pod, { shape, hosts: able }) => {
    const host = able.find(({ name }) => name === o.told.get(pod.metadata.uid ?? ''));
    return host && hasRoom(shape.requests, host) && mayJoin(pod, host) ? host : undefined;
  });
  const numbers = new Map(hosts.map((host, number) => [host, number]));
  const cards = queue
    .flatMap(({ shape: { requests }, hosts: able, pods: left }): QueuedPod[] => {
      const allowed = new Set(able.map((host) => numbers.get(host) ?? -1));
      return left.map((pod) => ({ pod, requests, hosts: allowed }));
    })
    .sort(byQueue);
  const dealt = replayScheduler(
    cards,
    hosts.map(({ budget }) => budget),
  );
  const hands = new Map(cards.map(({ pod }, i) => [pod, hosts[dealt[i] ?? -1]]));
  place('bought for', (pod, { shape: { requests } }) => {
    const host = hands.get(pod);
    return host && isInBudget(requests, host) && mayJoin(pod, host) ? host : undefined;
  });
  for (const { because, allows } of PASSES) {
    place(because, (pod, { shape, hosts: able }) => {
      let best: Host | undefined;
      for (const host of able) {
        if (!allows(shape.requests, host) || (best && byNeed(best, host) <= 0)) continue;
        if (mayJoin(pod, host)) best = host;
      }
      return best;
    });
  }
  return found;
};
