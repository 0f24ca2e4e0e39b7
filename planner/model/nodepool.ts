import { PLANS_ONLY } from '../../api/labels.ts';
import type { NodeClassObject, NodePool, Requirement, ResourceList } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { NODE_CLASSES, type Resource } from '../../api/resources.ts';
import { canonicalKey } from './machinelabels.ts';

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
