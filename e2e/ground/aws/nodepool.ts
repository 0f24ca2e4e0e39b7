import type { NodePool, Requirement, Taint } from '../../../api/objects.ts';

/** Karpenter's EC2NodeClass, as far as a ground sets it. */
export interface Ec2NodeClass {
  readonly apiVersion: 'karpenter.k8s.aws/v1';
  readonly kind: 'EC2NodeClass';
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** An EC2NodeClass that the endpoint can satisfy: AL2023, and the subnets and groups of the cluster. */
export const ec2NodeClass = (
  options: {
    readonly name?: string;
    readonly clusterName?: string;
    readonly spec?: Readonly<Record<string, unknown>>;
  } = {},
): Ec2NodeClass => {
  const discovery = [{ tags: { 'karpenter.sh/discovery': options.clusterName ?? 'ground' } }];
  return {
    apiVersion: 'karpenter.k8s.aws/v1',
    kind: 'EC2NodeClass',
    metadata: { name: options.name ?? 'default' },
    spec: {
      role: 'node',
      amiSelectorTerms: [{ alias: 'al2023@latest' }],
      subnetSelectorTerms: discovery,
      securityGroupSelectorTerms: discovery,
      ...options.spec,
    },
  };
};

export interface NodePoolOptions {
  readonly name?: string;
  readonly nodeClass?: string;
  readonly weight?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Requirements added to the defaults; one with the same key replaces the default. */
  readonly requirements?: readonly Requirement[];
  readonly taints?: readonly Taint[];
  readonly startupTaints?: readonly Taint[];
  readonly limits?: Readonly<Record<string, string>>;
  readonly expireAfter?: string;
  readonly consolidationPolicy?: 'WhenEmpty' | 'WhenEmptyOrUnderutilized';
  readonly consolidateAfter?: string;
  readonly budgets?: NonNullable<NonNullable<NodePool['spec']['disruption']>['budgets']>;
}

/** Defaults of a ground's NodePool: spot and on-demand, AMD64, current families. */
const REQUIREMENTS: readonly Requirement[] = [
  { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] },
  { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
  { key: 'karpenter.k8s.aws/instance-category', operator: 'In', values: ['c', 'm', 'r'] },
  { key: 'karpenter.k8s.aws/instance-generation', operator: 'Gt', values: ['2'] },
];

/** A NodePool for the endpoint's EC2NodeClass. Karpenter's own consolidation is off unless it is asked for. */
export const nodePool = (
  options: NodePoolOptions = {},
): NodePool & { readonly apiVersion: string; readonly kind: string } => {
  const { requirements = [] } = options;
  const replaced = new Set(requirements.map(({ key }) => key));
  return {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodePool',
    metadata: { name: options.name ?? 'default' },
    spec: {
      ...(options.weight === undefined ? {} : { weight: options.weight }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      disruption: {
        consolidationPolicy: options.consolidationPolicy ?? 'WhenEmpty',
        consolidateAfter: options.consolidateAfter ?? 'Never',
        ...(options.budgets === undefined ? {} : { budgets: options.budgets }),
      },
      template: {
        ...(options.labels === undefined ? {} : { metadata: { labels: options.labels } }),
        spec: {
          nodeClassRef: {
            group: 'karpenter.k8s.aws',
            kind: 'EC2NodeClass',
            name: options.nodeClass ?? 'default',
          },
          requirements: [...REQUIREMENTS.filter(({ key }) => !replaced.has(key)), ...requirements],
          expireAfter: options.expireAfter ?? 'Never',
          ...(options.taints === undefined ? {} : { taints: options.taints }),
          ...(options.startupTaints === undefined ? {} : { startupTaints: options.startupTaints }),
        },
      },
    },
  };
};
