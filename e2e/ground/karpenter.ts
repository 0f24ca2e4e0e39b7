import type { Ground } from './ground.ts';

export interface NodePoolOptions {
  readonly name?: string;
  /** Capacity types that it may buy; both when left out. */
  readonly capacityTypes?: readonly ('spot' | 'on-demand')[];
  /** How long Karpenter waits before it consolidates; 'Never' when left out, so that it undoes nothing of a suite's. */
  readonly consolidateAfter?: string;
}

/** Applies a node class for the endpoint's network and a NodePool on it, both of one name. */
export async function applyNodePool(ground: Ground, options: NodePoolOptions = {}): Promise<void> {
  const { name = 'default', capacityTypes = ['spot', 'on-demand'], consolidateAfter = 'Never' } = options;
  const objects = [
    {
      apiVersion: 'karpenter.k8s.aws/v1',
      kind: 'EC2NodeClass',
      metadata: { name },
      spec: {
        role: 'node',
        amiFamily: 'AL2023',
        amiSelectorTerms: [{ id: 'ami-1' }],
        subnetSelectorTerms: [{ tags: { 'karpenter.sh/discovery': 'ground' } }],
        securityGroupSelectorTerms: [{ id: 'sg-1' }],
      },
    },
    {
      apiVersion: 'karpenter.sh/v1',
      kind: 'NodePool',
      metadata: { name },
      spec: {
        disruption: { consolidationPolicy: 'WhenEmptyOrUnderutilized', consolidateAfter },
        template: {
          spec: {
            requirements: [
              { key: 'karpenter.sh/capacity-type', operator: 'In', values: capacityTypes },
              { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
            ],
            nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name },
          },
        },
      },
    },
  ];
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await ground.kubectl(['apply', '--server-side', '--filename=-'], { input });
}
