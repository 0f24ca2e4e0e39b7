import { MANAGED_BY, MANAGED_BY_US, PLANS_ONLY, SCOPED_TAINT } from '../../api/labels.ts';
import type { Node, NodeClassObject, NodePool, Requirement, ResourceList, Taint } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { NODE_CLASSES, type Resource } from '../../api/resources.ts';
import { canonicalKey } from './machinelabels.ts';
import type { Snapshot } from './snapshot.ts';

/** The kinds of NodeClass that NodePools name, of those that are known. */
export const nodeClassKindsOf = (pools: readonly NodePool[]): readonly Resource<NodeClassObject>[] =>
  NODE_CLASSES.filter(({ group, kind }) =>
    pools.some(({ spec }) => {
      const { nodeClassRef } = spec.template.spec;
      return nodeClassRef.group === group && nodeClassRef.kind === kind;
    }),
  );

/** Whether Karpenter creates nodes of this NodePool on demand: it is not static and not being deleted. */
export const isDynamic = (pool: NodePool): boolean =>
  pool.spec.replicas === undefined && pool.metadata.deletionTimestamp === undefined;

/** Whether a NodePool is for plans alone: its limits of 0 keep Karpenter's own provisioner off, and bind no plan. */
export const isForPlansAlone = ({ metadata }: NodePool): boolean =>
  metadata.annotations?.[PLANS_ONLY] === 'true';

/** The limits that bind plans. Of a NodePool for plans alone, those of 0 do not. */
export const poolLimits = (pool: NodePool): ResourceList => {
  const limits = pool.spec.limits ?? {};
  if (!isForPlansAlone(pool)) return limits;
  return Object.fromEntries(
    Object.entries(limits).filter(([resource, limit]) => amount(resource, limit) > 0),
  );
};

/** The condition Ready where it is there and not true: Karpenter creates nothing then. */
const unreadyReason = ({ status }: NodePool | NodeClassObject): string | undefined => {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready === undefined || ready.status === 'True') return undefined;
  return `its condition Ready is ${ready.status}${ready.reason ? ` (${ready.reason})` : ''}`;
};

/** Why no machine can be had from a NodePool, to be read after its name; undefined when they can. */
export const poolBlocker = (pool: NodePool, nodeClass?: NodeClassObject): string | undefined => {
  if (pool.metadata.deletionTimestamp !== undefined) return 'is being deleted';
  if (pool.spec.replicas !== undefined) return 'is static: Karpenter adds no nodes to it on demand';
  const unready = unreadyReason(pool);
  if (unready) return `launches nothing: ${unready}`;
  if (!nodeClass) return undefined;
  const { kind = 'NodeClass', metadata } = nodeClass;
  if (metadata.deletionTimestamp !== undefined)
    return `launches nothing: its ${kind} ${metadata.name} is being deleted`;
  const blocked = unreadyReason(nodeClass);
  return blocked && `launches nothing: of its ${kind} ${metadata.name}, ${blocked}`;
};

/**
 * The requirements of a NodePool's nodes: those of its template, and its template's labels, which Karpenter takes for
 * requirements; keys that mean the same have one name.
 */
export const poolRequirements = (pool: NodePool): readonly Requirement[] => {
  const { metadata, spec } = pool.spec.template;
  return [
    ...spec.requirements.map((each) => {
      const key = canonicalKey(each.key);
      return key === each.key ? each : { ...each, key };
    }),
    ...Object.entries(metadata?.labels ?? {}).map(([key, value]) => ({
      key: canonicalKey(key),
      operator: 'In' as const,
      values: [value],
    })),
  ];
};

/** Taint and labels of the nodes that are bought in scoped mode: pods tolerate the one and select one of the others. */
export const SCOPE_TAINT: Taint = { key: SCOPED_TAINT, effect: 'NoSchedule' };
export const SCOPE_LABELS: Readonly<Record<string, string>> = {
  [SCOPED_TAINT]: 'true',
  [MANAGED_BY]: MANAGED_BY_US,
};

export const hasScopeTaint = (taints: readonly Taint[] = []): boolean =>
  taints.some(({ key, effect }) => key === SCOPE_TAINT.key && effect === SCOPE_TAINT.effect);

const isScopeLabel = (key: string): boolean => Object.hasOwn(SCOPE_LABELS, key);

/** Whether a NodePool says for itself which value its nodes have for a label of scoped mode, or that they have none. */
export const saysScope = (pool: NodePool): boolean =>
  poolRequirements(pool).some(({ key }) => isScopeLabel(key));

/** The labels of scoped mode that a NodePool leaves open. */
const openScopeLabels = (pool: NodePool): readonly (readonly [string, string])[] => {
  const said = new Set(poolRequirements(pool).map(({ key }) => key));
  return Object.entries(SCOPE_LABELS).filter(([key]) => !said.has(key));
};

/** A NodePool whose nodes carry the taint of scoped mode, and those of its labels that the NodePool leaves open. */
export const asScoped = (pool: NodePool): NodePool => {
  const { template } = pool.spec;
  const { taints = [] } = template.spec;
  const labels = { ...template.metadata?.labels, ...Object.fromEntries(openScopeLabels(pool)) };
  const spec = { ...template.spec, taints: hasScopeTaint(taints) ? taints : [...taints, SCOPE_TAINT] };
  return {
    ...pool,
    spec: {
      ...pool.spec,
      template: { ...template, metadata: { ...template.metadata, labels }, spec },
    },
  };
};

/** What a plan says of a node that it adds. */
interface PlannedNode {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly taints?: readonly object[] };
}

/** Whether a plan adds a node as scoped mode does: with its taint, and all of its labels that the NodePool leaves open. */
export const isPlannedScoped = (pool: NodePool, { metadata, spec }: PlannedNode): boolean =>
  hasScopeTaint(spec.taints as readonly Taint[] | undefined) &&
  openScopeLabels(pool).every(([key, value]) => valueAt(metadata.labels, key) === value);

/** Whether a node is one of scoped mode, by its taint. */
export const isScopedNode = ({ spec }: Node): boolean => hasScopeTaint(spec?.taints);

/** The snapshot for nodes of scoped mode: what is bought in their place carries its taint and labels. */
export const buyingScoped = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  nodePools: snapshot.nodePools.map(asScoped),
});
