import type { PodToMigrate } from '../../../api/kinds/rebalanceplan.ts';
import { LIVE_MIGRATION, LIVE_MIGRATION_DISABLED } from '../../../api/labels.ts';
import { healthOf } from '../../../api/nodes.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { destinationName, destinationOf } from '../../../api/plans.ts';
import { isControlledBy, isDrainable, isTerminating, podName } from '../../../api/pods.ts';
import { currentClaim } from '../state/claimnames.ts';
import type { ExecutionState } from '../state/state.ts';

export type PodsState = Pick<ExecutionState, 'plan' | 'nodes' | 'pods'>;
export type MigrationState = PodsState & Pick<ExecutionState, 'migration'>;

/** The plan's entry for each pod of a node: the one of its name, else an unused one of the same owner. */
export const entriesOf = (state: PodsState, claim: string): ReadonlyMap<Pod, PodToMigrate> => {
  const node = state.nodes.get(claim)?.metadata.name;
  const pods = (state.pods.get(claim) ?? []).filter(isDrainable);
  const entries = (state.plan.spec.podsToMigrate ?? []).filter((e) => e.srcNode === node);
  const byName = new Map(entries.map((e) => [`${e.namespace}/${e.name}`, e]));
  const present = new Set(pods.map(podName));
  const spare = entries.filter((e) => !present.has(`${e.namespace}/${e.name}`));
  const found = new Map<Pod, PodToMigrate>();
  for (const pod of pods) {
    const at = spare.findIndex(({ owner, namespace }) => isControlledBy(pod, owner, namespace));
    const entry = byName.get(podName(pod)) ?? (at < 0 ? undefined : spare.splice(at, 1)[0]);
    if (entry) found.set(pod, entry);
  }
  return found;
};

/** Pods of a node that may only be migrated live, and are never evicted. */
export const mandatoryPods = (state: PodsState, claim: string): readonly Pod[] =>
  [...entriesOf(state, claim)]
    .filter(([pod, entry]) => entry.policy === 'Mandatory' && !isTerminating(pod))
    .map(([pod]) => pod);

/** Whether a live migration provider serves the node. */
export const isServed = (state: Pick<ExecutionState, 'migration'>, node: Node | undefined): boolean => {
  if (state.migration.mode === 'always') return true;
  return state.migration.mode === 'auto' && node?.metadata.labels?.[LIVE_MIGRATION] === 'true';
};

/** Whether the labels of a pod, or of its provider on it, exclude it from live migration. */
export const hasOptedOut = (pod: Pod): boolean =>
  pod.metadata.labels?.[LIVE_MIGRATION_DISABLED] === 'true' ||
  pod.metadata.labels?.[LIVE_MIGRATION] === 'false';

/** Why a pod can't be migrated live; undefined when it can. */
export const notMigratableReason = (
  state: MigrationState,
  claim: string,
  pod: Pod,
  entry: PodToMigrate,
): string | undefined => {
  if (state.migration.mode === 'never') return 'live migration is turned off';
  const source = state.nodes.get(claim);
  if (!isServed(state, source)) return `no live migration provider serves node ${source?.metadata.name}`;
  const name = destinationOf(entry);
  const destination = state.nodes.get(currentClaim(state.plan, name));
  if (!destination) return `its destination ${destinationName(name)} has no node`;
  const health = healthOf(destination);
  if (health.kind === 'sick') return `node ${destination.metadata.name} takes no pods: ${health.reason}`;
  if (!isServed(state, destination)) {
    return `no live migration provider serves its new node ${destination.metadata.name}`;
  }
  return hasOptedOut(pod) ? 'its labels exclude it from live migration' : undefined;
};
