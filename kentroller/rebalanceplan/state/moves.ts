import type { PodToMigrate, RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../../api/objects.ts';
import { destinationOf } from '../../../api/plans.ts';
import { hasEnded, isControlledBy, isTerminating } from '../../../api/pods.ts';
import { putAt, valueAt } from '../../../api/records/valueat.ts';

/** Pods of one owner that go to one NodeClaim, or one pod without an owner. */
export interface Move {
  readonly namespace: string;
  readonly destination: string;
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid: string };
  readonly names: readonly string[];
}

/** The plan's moves by owner and destination; with `includePending`, those of pods that have no node yet too. */
export const movesOf = (pods: readonly PodToMigrate[], includePending: boolean): readonly Move[] => {
  const moves = new Map<string, { move: Move; names: string[] }>();
  for (const pod of pods) {
    if (!includePending && !pod.srcNode) continue;
    const destination = destinationOf(pod);
    const key = JSON.stringify([destination, pod.namespace, pod.owner?.uid ?? `pod ${pod.name}`]);
    const names = moves.get(key)?.names ?? [];
    names.push(pod.name);
    moves.set(key, {
      names,
      move: {
        namespace: pod.namespace,
        destination,
        names,
        ...(pod.owner && { owner: pod.owner }),
      },
    });
  }
  return [...moves.values()].map((m) => m.move);
};

/** The key of a move in the plan's baseline. */
export const baselineKey = (ownerUid: string, destination: string): string => `${ownerUid}/${destination}`;

/** Pods of each owner that run on the plan's existing destinations and are none of those `placed` by the plan, by `baselineKey`. */
export const countBaseline = (
  moves: readonly Move[],
  added: ReadonlySet<string>,
  podsOn: (claim: string) => readonly Pod[],
  placed: ReadonlySet<string>,
): Readonly<Record<string, number>> => {
  const baseline: Record<string, number> = {};
  for (const { owner, namespace, destination } of moves) {
    if (!owner || added.has(destination)) continue;
    const staying = podsOn(destination).filter(
      (pod) =>
        isControlledBy(pod, owner, namespace) &&
        !isTerminating(pod) &&
        !hasEnded(pod) &&
        !placed.has(`${pod.metadata.namespace}/${pod.metadata.name}`),
    );
    if (staying.length > 0) putAt(baseline, baselineKey(owner.uid, destination), staying.length);
  }
  return baseline;
};

/** Pods that ran on the plan's existing destinations when it started, by owner and destination. */
export const baselineOf = ({ status }: RebalancePlan): Readonly<Record<string, number>> =>
  status?.pinBaseline ?? {};

/** Number of the moves' pods that run where the plan puts them. */
export const countPlaced = (
  moves: readonly Move[],
  baseline: Readonly<Record<string, number>>,
  podsOn: (claim: string) => readonly Pod[],
): number =>
  moves.reduce((placed, move) => {
    const { owner } = move;
    const running = podsOn(move.destination).filter(
      (p) => p.status?.phase === 'Running' && !isTerminating(p),
    );
    const moved = owner
      ? running.filter((p) => isControlledBy(p, owner, move.namespace)).length -
        (valueAt(baseline, baselineKey(owner.uid, move.destination)) ?? 0)
      : running.filter((p) => p.metadata.namespace === move.namespace && move.names.includes(p.metadata.name))
          .length;
    return placed + Math.min(Math.max(moved, 0), move.names.length);
  }, 0);
