import type { PodToMigrate } from '../../../api/kinds/rebalanceplan.ts';
import { LIVE_MIGRATION, LIVE_MIGRATION_DISABLED } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { controllerOf, isDrainable, isTerminating, podName } from '../../../api/pods.ts';
import { claimInForce } from '../finish/decide.ts';
import type { World } from '../state/state.ts';

/** The plan's entry for each pod of a node: by its name, else one of its owner's whose pod is no longer there. */
export const entriesOf = (world: World, claim: string): ReadonlyMap<Pod, PodToMigrate> => {
  const node = world.nodes.get(claim)?.metadata.name;
  const pods = (world.pods.get(claim) ?? []).filter(isDrainable);
  const entries = (world.plan.spec.podsToMigrate ?? []).filter((e) => e.srcNode === node);
  const byName = new Map(entries.map((e) => [`${e.namespace}/${e.name}`, e]));
  const present = new Set(pods.map(podName));
  const spare = entries.filter((e) => !present.has(`${e.namespace}/${e.name}`));
  const found = new Map<Pod, PodToMigrate>();
  for (const pod of pods) {
    const owner = controllerOf(pod)?.uid;
    const at = owner === undefined ? -1 : spare.findIndex((e) => e.owner?.uid === owner);
    const entry = byName.get(podName(pod)) ?? (at < 0 ? undefined : spare.splice(at, 1)[0]);
    if (entry) found.set(pod, entry);
  }
  return found;
};

/** Pods of a node that are migrated or stay: they are never evicted. */
export const mandatoryPods = (world: World, claim: string): readonly Pod[] =>
  [...entriesOf(world, claim)]
    .filter(([pod, entry]) => entry.policy === 'Mandatory' && !isTerminating(pod))
    .map(([pod]) => pod);

export const isCapable = (world: World, node: Node | undefined): boolean => {
  if (world.migration.mode === 'always') return true;
  return world.migration.mode === 'auto' && node?.metadata.labels?.[LIVE_MIGRATION] === 'true';
};

export const isRefused = (pod: Pod): boolean =>
  pod.metadata.labels?.[LIVE_MIGRATION_DISABLED] === 'true' ||
  pod.metadata.labels?.[LIVE_MIGRATION] === 'false';

/** Why a pod can't be migrated; undefined when it can. */
export const whyNotMigrated = (
  world: World,
  claim: string,
  pod: Pod,
  entry: PodToMigrate,
): string | undefined => {
  if (world.migration.mode === 'never') return 'live migration is turned off';
  const source = world.nodes.get(claim);
  if (!isCapable(world, source)) return `no live migration provider serves node ${source?.metadata.name}`;
  const destination = world.nodes.get(claimInForce(world.plan, entry.dstNodeClaimName));
  if (!destination) return `NodeClaim ${entry.dstNodeClaimName} has no node`;
  if (!isCapable(world, destination)) {
    return `no live migration provider serves its new node ${destination.metadata.name}`;
  }
  return isRefused(pod) ? 'its labels exclude it from live migration' : undefined;
};
