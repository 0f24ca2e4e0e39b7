import type { Condition, Container, NodeClaim, Pod } from '../../api/objects.ts';
import { isPodReady } from '../../api/pods.ts';

/** Seconds that Kubernetes gives a pod to stop where its spec says nothing. */
const DEFAULT_GRACE_SECONDS = 30;

const wentTrueAt = (conditions: readonly Condition[] | undefined, type: string): number =>
  Date.parse(
    conditions?.find((each) => each.type === type && each.status === 'True')?.lastTransitionTime ?? '',
  );

/** Seconds between two moments; undefined where one is unknown or they are the wrong way round. */
const secondsBetween = (from: number, to: number): number | undefined =>
  to >= from ? Math.round((to - from) / 1000) : undefined;

/** The middle one of some numbers, the lower of two; undefined of none. */
export const median = (numbers: readonly number[]): number | undefined =>
  [...numbers].sort((a, b) => a - b)[Math.ceil(numbers.length / 2) - 1];

/** Seconds that a pod may take to stop, at most. */
export const secondsToStop = ({ spec }: Pod): number =>
  spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;

/**
 * Seconds that pods of a workload took from their start until they were ready, as their middle one shows; undefined where
 * none tells. One that lost its readiness later looks slower than it was, so the middle counts.
 */
export const secondsToStart = (pods: readonly Pod[]): number | undefined =>
  median(
    pods.flatMap((pod) => {
      const start = Date.parse(pod.status?.startTime ?? '');
      return isPodReady(pod)
        ? (secondsBetween(start, wentTrueAt(pod.status?.conditions, 'Ready')) ?? [])
        : [];
    }),
  );

/** How a kubelet asks a container; times in seconds. */
interface Probe {
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
}

/** A container with its probes, which our caches do not keep. */
export interface ProbedContainer extends Container {
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
}

/** What Kubernetes takes where a probe says nothing. */
const PROBE = { initialDelaySeconds: 0, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };

/** Seconds from a container's start to its probe's first success, at the earliest, and until the kubelet gives up. */
const probeSeconds = (probe: Probe | undefined): { readonly least: number; readonly most: number } => {
  if (!probe) return { least: 0, most: 0 };
  const asked = { ...PROBE, ...probe };
  const { initialDelaySeconds, periodSeconds } = asked;
  return {
    least: initialDelaySeconds + (asked.successThreshold - 1) * periodSeconds,
    most: initialDelaySeconds + asked.failureThreshold * periodSeconds,
  };
};

/**
 * Seconds that a pod's probes make its start last: at least, as they ask no earlier, and at most, as its startup probes allow.
 * Sidecars start one after the other, before the containers.
 */
export const probedStart = ({ spec }: Pod): { readonly least: number; readonly most: number } => {
  const containers: readonly ProbedContainer[] = spec.containers;
  const init: readonly ProbedContainer[] = spec.initContainers ?? [];
  const sidecars = init.filter(({ restartPolicy }) => restartPolicy === 'Always');
  const startOf = (some: readonly ProbedContainer[], of: 'least' | 'most'): readonly number[] =>
    some.map(({ startupProbe }) => probeSeconds(startupProbe)[of]);
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
  const before = { least: sum(startOf(sidecars, 'least')), most: sum(startOf(sidecars, 'most')) };
  const ready = [...containers, ...sidecars].map(({ readinessProbe }) => probeSeconds(readinessProbe).least);
  return {
    least: before.least + Math.max(0, ...startOf(containers, 'least'), ...ready),
    most: before.most + Math.max(0, ...startOf(containers, 'most')),
  };
};

/** Seconds that the cluster's machines took from their NodeClaim to being initialized, and of how many that is known. */
export const secondsToJoin = (
  claims: readonly NodeClaim[],
): { readonly seconds: number; readonly of: number } | undefined => {
  const known = claims.flatMap(({ metadata, status }) => {
    const ordered = Date.parse(metadata.creationTimestamp ?? '');
    return secondsBetween(ordered, wentTrueAt(status?.conditions, 'Initialized')) ?? [];
  });
  const seconds = median(known);
  return seconds === undefined ? undefined : { seconds, of: known.length };
};

/** '45 s', '12 min', '3 h'; rounded up, so that nothing takes longer than it says. */
export const formatSeconds = (seconds: number): string => {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
};
