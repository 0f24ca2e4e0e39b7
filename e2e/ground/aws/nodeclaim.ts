import type { NodeClaim, NodePool, Requirement } from '../../../api/objects.ts';

export interface NodeClaimOptions {
  readonly name: string;
  readonly nodePool: NodePool;
  /** The EC2NodeClass as the API server has it, with Karpenter's hash on it. */
  readonly nodeClass: {
    readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  };
  readonly instanceTypes: readonly string[];
  readonly capacityType: 'spot' | 'on-demand';
  readonly zones?: readonly string[];
  readonly requests?: Readonly<Record<string, string>>;
}

const HASHES = {
  pool: ['karpenter.sh/nodepool-hash', 'karpenter.sh/nodepool-hash-version'],
  class: ['karpenter.k8s.aws/ec2nodeclass-hash', 'karpenter.k8s.aws/ec2nodeclass-hash-version'],
} as const;

const copied = (
  from: Readonly<Record<string, string>> | undefined,
  names: readonly string[],
): Readonly<Record<string, string>> =>
  Object.fromEntries(names.flatMap((name) => (from?.[name] === undefined ? [] : [[name, from[name]]])));

/**
 * A NodeClaim that Karpenter takes for its own: owned by the pool and with the hashes of pool and class, so that it is
 * not drifted. Throws when the pool does not come from the API server.
 */
export const nodeClaim = (
  options: NodeClaimOptions,
): NodeClaim & { readonly apiVersion: string; readonly kind: string } => {
  const { name, nodePool, nodeClass, instanceTypes, capacityType, zones, requests } = options;
  const { template } = nodePool.spec;
  if (nodePool.metadata.uid === undefined) throw new Error(`NodePool ${nodePool.metadata.name} has no uid`);
  const requirements: Requirement[] = [
    { key: 'node.kubernetes.io/instance-type', operator: 'In', values: [...instanceTypes] },
    { key: 'karpenter.sh/capacity-type', operator: 'In', values: [capacityType] },
    ...(zones === undefined
      ? []
      : [{ key: 'topology.kubernetes.io/zone', operator: 'In' as const, values: [...zones] }]),
  ];
  return {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: {
      name,
      labels: {
        ...template.metadata?.labels,
        'karpenter.sh/nodepool': nodePool.metadata.name,
        'karpenter.k8s.aws/ec2nodeclass': nodeClass.metadata.name,
      },
      annotations: {
        ...template.metadata?.annotations,
        ...copied(nodePool.metadata.annotations, HASHES.pool),
        ...copied(nodeClass.metadata.annotations, HASHES.class),
        'karpenter.sh/do-not-disrupt': 'true',
      },
      ownerReferences: [
        {
          apiVersion: 'karpenter.sh/v1',
          kind: 'NodePool',
          name: nodePool.metadata.name,
          uid: nodePool.metadata.uid,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      nodeClassRef: template.spec.nodeClassRef,
      requirements,
      expireAfter: template.spec.expireAfter ?? 'Never',
      ...(requests === undefined ? {} : { resources: { requests } }),
      ...(template.spec.taints === undefined ? {} : { taints: template.spec.taints }),
      ...(template.spec.startupTaints === undefined ? {} : { startupTaints: template.spec.startupTaints }),
    },
  };
};
