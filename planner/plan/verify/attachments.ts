import type { Pod } from '../../../api/objects.ts';
import { podName } from '../../../api/pods.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import {
  partedHolders,
  partedSharers,
  type Sharer,
  singleNodeClaims,
} from '../../scheduling/volumes/shared.ts';
import { attachedBy, hasAttachments, type Volumes, volumesOf } from '../../scheduling/volumes.ts';
import type { PlanFault } from './fault.ts';
import type { Place } from './outcome.ts';
import type { PlannedClaim } from './planned.ts';

/** A pod that uses a claim, by the places of the plan. */
interface User extends Sharer {
  readonly pod: Pod;
}

/** Pods that arrive where another pod can't share a volume with them, since one node at a time attaches it. */
const sharedFaults = (places: readonly Place[], volumes: Volumes): PlanFault[] => {
  const users = new Map<string, User[]>();
  for (const { name, pods, arrivals } of places) {
    const arriving = new Set(arrivals);
    for (const pod of pods) {
      const user = { pod, before: pod.spec.nodeName, after: name, arrives: arriving.has(pod) };
      for (const claim of singleNodeClaims(pod, volumes)) {
        const known = users.get(claim);
        if (known) known.push(user);
        else users.set(claim, [user]);
      }
    }
  }
  return [...users].flatMap(([claim, all]): PlanFault[] => {
    const holders = partedHolders(all.map(({ pod }) => pod));
    const parted = partedSharers(all.map((user) => ({ ...user, hasVolume: holders.has(user.pod) })));
    if (!parted) return [];
    const { arrival, other } = parted;
    const pod = podName(arrival.pod);
    const message = `Pod ${pod} can't go to ${arrival.after}: it shares claim ${claim}, which one node at a time can attach, with pod ${podName(other.pod)} on ${other.after}.`;
    return [{ rule: 'Volumes', pod, message }];
  });
};

/** More volumes on a planned claim than a machine that it may become attaches. */
const limitFaults = ({ place, types }: PlannedClaim, volumes: Volumes): PlanFault[] => {
  const attached = new Map<string, Set<string>>();
  for (const pod of place.pods) {
    if (!hasAttachments(pod)) continue;
    for (const [driver, handles] of attachedBy(pod, volumes)) {
      const all = attached.get(driver) ?? new Set<string>();
      attached.set(driver, all);
      for (const handle of handles) all.add(handle);
    }
  }
  return [...attached].flatMap(([driver, handles]): PlanFault[] => {
    const small = types.find(
      (type) => handles.size > (valueAt(type.attachLimits, driver) ?? Number.POSITIVE_INFINITY),
    );
    if (!small) return [];
    const most = valueAt(small.attachLimits, driver) ?? 0;
    const message = `NodeClaim ${place.name} gets ${handles.size} volumes of ${driver}, and as ${small.name} it attaches ${most}.`;
    return [{ rule: 'Volumes', claim: place.name, message }];
  });
};

/** Checks what kube-scheduler can't see before a machine runs, or does not look at: attach limits and shared volumes. */
export const attachmentFaults = (
  snapshot: Snapshot,
  places: readonly Place[],
  claims: Iterable<PlannedClaim>,
): PlanFault[] => {
  if (!places.some(({ arrivals }) => arrivals.some(hasAttachments))) return [];
  const volumes = volumesOf(snapshot);
  return [...sharedFaults(places, volumes), ...[...claims].flatMap((claim) => limitFaults(claim, volumes))];
};
