import { isDeepStrictEqual } from 'node:util';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { GROUP_VERSION } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { controllerOf, isLive } from '../../api/pods.ts';
import { reservationOf } from '../../api/reservation.ts';
import { type Cache, createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../../kube/controller/controller.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { OUR_MARK } from '../../kube/preflight/installed.ts';
import type { Caches } from '../caches.ts';
import { addedNames, currentClaim } from '../rebalanceplan/state/claimnames.ts';
import type { PinsView } from '../rebalanceplan/state/state.ts';
import { SOFT_PINS, type SoftPinsObject } from './kind.ts';
import type { PlanSlots } from './planslots.ts';
import { PROBE_PLACE } from './probeplace.ts';
import { ownerEntry, steeringOf } from './steering.ts';

const FIELD_MANAGER = 'castai-kentroller-soft-pins';
/** Pods land one by one, and a plan's soft pins are written once for all that land within this time. */
const GATHER_MS = 250;

type Sources = Pick<Caches, 'plans' | 'pods'> & { readonly softPins: Cache<SoftPinsObject> };

/** What the admission policy reads; empty where the component is not installed. */
export const createSoftPinsCache = (o: {
  readonly client: KubeClient;
  readonly log: Logger;
}): Cache<SoftPinsObject> => createCache({ ...o, resource: SOFT_PINS, isOptional: true });

/** The reservations of the nodes that a plan adds, by the NodeClaim of the current attempt. */
const reservationsOf = (plan: RebalancePlan): ReadonlyMap<string, string> =>
  new Map([...addedNames(plan)].map((name) => [currentClaim(plan, name), reservationOf(name).value ?? '']));

/** Counts the live pods of an owner on a node; the pods of each node are looked at once. */
const countOn = (
  pods: Pick<Cache<Pod>, 'by'>,
): ((node: string, namespace: string, uid: string) => number) => {
  const counts = new Map<string, ReadonlyMap<string, number>>();
  return (node, namespace, uid) => {
    let onNode = counts.get(node);
    if (!onNode) {
      const found = new Map<string, number>();
      for (const pod of pods.by('node', node).filter(isLive)) {
        const key = ownerEntry(pod.metadata.namespace ?? '', controllerOf(pod)?.uid ?? '');
        found.set(key, (found.get(key) ?? 0) + 1);
      }
      onNode = found;
      counts.set(node, onNode);
    }
    return onNode.get(ownerEntry(namespace, uid)) ?? 0;
  };
};

const hasMoved = (pod: Pod, old: Pod): boolean =>
  pod.spec.nodeName !== old.spec.nodeName || isLive(pod) !== isLive(old);

/** The controller, and what the executor asks it. */
export interface SoftPins {
  readonly controller: Controller;
  /** The state of a plan's pins, as if they were a pinner's; undefined for a plan that has no slots here. */
  viewOf(plan: string): PinsView | undefined;
}

/** Writes what the admission policy reads, one object for each plan with slots, and deletes those of all others. */
export const createSoftPins = (o: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly caches: Sources;
  readonly planSlots: PlanSlots;
  readonly log: Logger;
}): SoftPins => {
  const { client, namespace, caches, planSlots, log } = o;
  /** The slots that each plan's soft pins were last seen or made to hold. */
  const written = new Map<string, unknown>();

  const drop = async ({ metadata: { name, uid } }: SoftPinsObject, signal: AbortSignal): Promise<void> => {
    await client.delete(SOFT_PINS, { name }, { ...(uid && { uid }), signal }).catch(ignoreNotFoundOrConflict);
    log.info({ plan: name }, 'soft pins deleted');
  };

  const reconcile = async (name: string, signal: AbortSignal): Promise<void> => {
    const slots = planSlots.of(name);
    const plan = caches.plans.get(name);
    const uid = plan?.metadata.uid;
    const there = caches.softPins.get(name);
    if (!slots || !plan || uid === undefined) {
      written.delete(name);
      if (there) await drop(there, signal);
      return;
    }
    const reservations = reservationsOf(plan);
    const { owners, leftOut } = steeringOf(slots, {
      reservationOf: (claim) => reservations.get(claim),
      taken: countOn(caches.pods),
    });
    const all = { ...owners, [ownerEntry(namespace, uid)]: `1 ${PROBE_PLACE} ${PROBE_PLACE}` };
    const isOwn = there?.metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
    if (!isOwn || !isDeepStrictEqual(there?.spec.owners, all)) {
      const metadata = {
        name,
        labels: { ...OUR_MARK },
        ownerReferences: [{ apiVersion: GROUP_VERSION, kind: 'RebalancePlan', name, uid }],
      };
      await client.apply(
        SOFT_PINS,
        { metadata, spec: { owners: all } },
        { fieldManager: FIELD_MANAGER, force: true, signal },
      );
      log.info({ plan: name, owners: Object.keys(owners).length, leftOut }, 'soft pins written');
    }
    written.set(name, slots);
  };

  return {
    controller: {
      name: 'rebalanceplan.softpins',
      sources: [
        { cache: planSlots, keys: ({ object }) => [object.metadata.name], gatherMs: 0 },
        watches(caches.softPins, ({ metadata }) => [metadata.name]),
        watches(
          caches.pods,
          (pod, change) => {
            const owner = controllerOf(pod);
            const isNews = change.type !== 'update' || hasMoved(pod, change.old);
            return owner && isNews ? planSlots.plansOf(owner.uid) : [];
          },
          { gatherMs: GATHER_MS },
        ),
      ],
      reconcile: async (key, signal) => {
        await reconcile(key, signal);
        return awaitChange;
      },
    },
    viewOf: (plan) => {
      const slots = planSlots.of(plan);
      if (!slots) return undefined;
      return { connected: true, goneForMs: 0, acknowledged: written.get(plan) === slots, isSoft: true };
    },
  };
};
