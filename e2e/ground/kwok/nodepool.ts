import type { NodePool } from '../../../api/objects.ts';

/** The class that NodePools of the kwok provider name. */
export const kwokNodeClass = {
  apiVersion: 'karpenter.kwok.sh/v1alpha1',
  kind: 'KWOKNodeClass',
  metadata: { name: 'default' },
  spec: {},
} as const;

/** A NodePool of on-demand machines of the kwok provider; it disrupts nothing by itself. */
export const kwokNodePool = (
  name: string,
  budget = '100%',
): NodePool & { readonly apiVersion: string; readonly kind: string } => ({
  apiVersion: 'karpenter.sh/v1',
  kind: 'NodePool',
  metadata: { name },
  spec: {
    disruption: {
      consolidationPolicy: 'WhenEmpty',
      consolidateAfter: 'Never',
      budgets: [{ nodes: budget }],
    },
    template: {
      spec: {
        nodeClassRef: { group: 'karpenter.kwok.sh', kind: 'KWOKNodeClass', name: 'default' },
        requirements: [
          { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
          { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
          { key: 'kubernetes.io/os', operator: 'In', values: ['linux'] },
        ],
        expireAfter: 'Never',
      },
    },
  },
});
