import { z } from 'zod';
import {
  componentOptions,
  featureOptions,
  holdOptions,
  peerServerOptions,
  remoteServerOptions,
  schedulerOptions,
} from '../kube/component/componentoptions.ts';
import { bool, duration } from '../kube/component/options.ts';
import { hasUserinfo, secretKey } from '../kube/component/secrettext.ts';
import { spotPredictionOptions } from './spotprediction/options.ts';

/**
 * Options of castai-kentroller, as flags or environment variables.
 *
 * Ports: 8081 health and metrics (plain HTTP: /healthz, /readyz, /metrics), 9443 the pin stream (gRPC over TLS), and POLICIES_PORT, off by default (HTTPS).
 *
 * Rights: manifests/base/kentroller/rbac.yaml, and in each other namespace of FEATURES_WATCH_NAMESPACES configmaps list, watch.
 */
export const options = z.object({
  ...componentOptions({ name: 'castai-kentroller', healthPort: 8081, qps: 100 }),
  ...peerServerOptions(),

  clusterId: z
    .string()
    .default('')
    .meta({ description: 'name of this cluster at the remote planner and the API' }),
  apiKey: secretKey('key for the remote planner and the API'),
  apiUrl: z
    .string()
    .default('')
    .refine((url) => url === '' || (/^https?:\/\/[^/]/.test(url) && URL.canParse(url)), {
      message: 'a URL such as https://api.example.com is expected',
    })
    .refine((url) => !hasUserinfo(url), {
      message: 'it holds a user or a password, which would be written into logs: set API_KEY instead',
    })
    .meta({ description: 'REST address that receives the audit trail; empty sends it nowhere' }),
  apiAllowPlainHttp: bool
    .default(false)
    .meta({ description: 'send the audit trail and API_KEY to an API_URL without TLS' }),
  ...remoteServerOptions({ description: 'gRPC address of a remote planner; empty plans inside kentroller' }),

  awsRegion: z.string().default('').meta({ description: 'region of the cluster' }),
  awsDefaultRegion: z
    .string()
    .default('')
    .meta({ description: 'region of the cluster if AWS_REGION is not set' }),
  zonalShift: bool.default(true).meta({
    description:
      'buy nothing and move no pod into zones that ARC zonal shift takes traffic of the EKS cluster away from',
  }),
  eksClusterArn: z
    .string()
    .default('')
    .refine((arn) => arn === '' || /^arn:[a-z-]+:eks:[a-z0-9-]+:\d{12}:cluster\/[^/]+$/.test(arn), {
      message: 'must be the ARN of an EKS cluster, such as arn:aws:eks:us-west-2:111122223333:cluster/one',
    })
    .meta({
      description:
        'ARN of the EKS cluster; empty reads it from the tags of its machines; not read with INSTANCE_TYPES_FILE_PATH',
    }),
  instanceTypesFilePath: z.string().default('').meta({
    description:
      "file of instance types in the format of Karpenter's kwok provider, with which AWS is never asked; empty reads them from EC2",
  }),
  priceRefreshPeriod: duration
    .default(12 * 3_600_000)
    .meta({ description: 'time between refreshes of instance types and on-demand prices' }),
  spotPriceRefreshPeriod: duration
    .default(5 * 60_000)
    .meta({ description: 'time between refreshes of spot prices' }),
  vmMemoryOverheadPercent: z.coerce
    .number()
    .min(0)
    .max(0.5)
    .default(0.075)
    .meta({ description: "share of a machine's memory that the hypervisor uses; set it as for Karpenter" }),

  rebalancerMaxConcurrentReconciles: z.coerce
    .number()
    .int()
    .min(1)
    .default(10)
    .meta({ description: 'plans and claims that each controller reconciles concurrently' }),
  planTimeBudget: duration.default(5_000).meta({ description: 'longest search for the plan of a claim' }),
  nodeJoinDeadline: duration
    .default(10 * 60_000)
    .meta({ description: 'longest time from ordering a machine until its Node is ready' }),
  nodeDrainTimeout: duration
    .default(10 * 60_000)
    .meta({ description: 'longest time to drain a node, unless the plan sets it' }),
  rebalanceExecutionTimeout: duration
    .default(3_600_000)
    .meta({ description: 'longest time to execute a plan, unless the plan sets it' }),
  pinAcknowledgeTimeout: duration.default(30_000).meta({
    description: 'time that draining waits for a connected pod pinner, at its start and after a disconnect',
  }),
  ...holdOptions(),
  ...schedulerOptions(),
  pinHoldTimeout: duration.default(10_000).meta({
    description:
      'time that a moved pod waits for its pin before its new node is opened to other pods, and that a held pod that could run waits before its gate is removed',
  }),
  pinning: z.enum(['webhook', 'policy']).default('webhook').meta({
    description:
      'what takes new pods to the nodes of a plan: webhook and pod pinner, or the admission policy castai-soft-pins and kube-scheduler (Kubernetes 1.36), unless a ConfigMap of features says otherwise',
  }),
  pinnerLease: z
    .string()
    .default('castai-pod-pinner')
    .meta({ description: "Lease of the pod pinner's leader" }),
  unscheduledPodsIdle: duration.default(1_000).meta({
    description:
      'time without another pod that lacks room after which nodes are bought, where the AutoscalerPolicy turns that on; 0 waits for none',
  }),
  unscheduledPodsMaxWait: duration.default(10_000).meta({
    description: 'longest time that such a pod waits for others, or for replicas that are about to come',
  }),
  followKarpenter: bool.default(false).meta({
    description: "pin pending pods to the machines that Karpenter's own provisioner orders for them",
  }),
  followSettlePeriod: duration.default(250).meta({
    description: "time after Karpenter's newest NodeClaim until its batch counts as complete",
  }),
  planSettleTimeout: duration
    .default(2 * 60_000)
    .meta({ description: 'time that a plan waits for its moved pods to run after its old nodes are gone' }),
  planExpiry: duration.default(24 * 3_600_000).meta({
    description: 'age at which a plan that has not started expires; 0 means never',
  }),
  maxSimultaneousDrains: z.coerce
    .number()
    .int()
    .min(1)
    .default(5)
    .meta({ description: 'nodes that one plan drains concurrently' }),
  maxUnlaunchedNodeClaims: z.coerce.number().int().min(1).default(10).meta({
    description:
      'NodeClaims of all plans that may wait for Karpenter to launch them, which stops its own work',
  }),
  surgeSingleReplicas: bool.default(false).meta({
    description:
      'start a replacement before the only pod of a Deployment is evicted, unless its autoscaling.cast.ai/surge annotation says otherwise',
  }),
  rebalancerMovesToOthersNodes: bool.default(true).meta({
    description:
      'move pods to nodes that Karpenter does not own, such as those of managed node groups; a node that carries autoscaling.cast.ai/moves-here-disabled gets none',
  }),
  rebalancerEnabled: bool.default(true).meta({
    description: 'process claims, schedules and plans, unless a features ConfigMap says otherwise',
  }),
  ...featureOptions(),
  continuousRebalancingEnabled: bool.default(false).meta({
    description: 'search for a cheaper cluster continuously, unless a features ConfigMap says otherwise',
  }),
  continuousRebalancingMode: z.enum(['full', 'drain-only', 'delete-empty']).default('full').meta({
    description: 'what a cycle may do: replace nodes (full), only drain nodes, only delete empty nodes',
  }),
  continuousRebalancingMinNodeAge: duration
    .default(5 * 60_000)
    .meta({ description: 'least age of a node that may be replaced' }),
  continuousRebalancingMinNodesToConsider: z.coerce
    .number()
    .int()
    .min(1)
    .default(1)
    .meta({ description: 'least number of nodes above that age for a cycle to search' }),
  continuousRebalancingMaxNodesPerIteration: z.coerce
    .number()
    .int()
    .min(1)
    .default(100)
    .meta({ description: 'most nodes that one cycle may replace' }),
  continuousRebalancingMaxBinarySearchDepth: z.coerce
    .number()
    .int()
    .min(1)
    .default(20)
    .meta({ description: 'search steps of a cycle, a quarter of a second each' }),
  continuousRebalancingSavingsThresholdPercent: z.coerce
    .number()
    .min(0)
    .max(100)
    .default(0)
    .meta({ description: 'least saving of a plan, in percent of the cost of the replaced nodes' }),
  continuousRebalancingSavingsThresholdCostMonthly: z.coerce
    .number()
    .min(0)
    .default(50)
    .meta({ description: 'least saving of a plan, in USD per month' }),
  continuousRebalancingMoveWeight: z.coerce.number().min(0).default(0.4).meta({
    description: 'least saving for moving a pod, as a fraction of the cost of an average pod',
  }),
  continuousRebalancingPodMoveCooldown: duration.default(0).meta({
    description: 'time for which a pod that was moved stays, and its node with it; 1h beside a descheduler',
  }),
  continuousRebalancingFailureBackoffDuration: duration
    .default(30 * 60_000)
    .meta({ description: 'wait after a failed plan; doubles with each failure in a row, up to a day' }),
  continuousRebalancingPollingPeriod: duration.default(10_000).meta({ description: 'time between cycles' }),
  nodeConsolidationEnabled: bool.default(false).meta({
    description:
      'delete NodeClaims of nodes that are empty, expired or emptied by the evictor, unless a features ConfigMap says otherwise',
  }),
  nodeConsolidationMaxConcurrentReconciles: z.coerce
    .number()
    .int()
    .min(1)
    .default(10)
    .meta({ description: 'nodes that node consolidation looks at concurrently' }),
  policiesPort: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .meta({ description: 'port of the policies API; 0 serves none' }),
  policiesCertFile: z
    .string()
    .default('')
    .meta({ description: 'PEM file of the certificate of the policies API' }),
  policiesKeyFile: z.string().default('').meta({ description: 'PEM file of the key of that certificate' }),
  nodeExpiryNotice: duration.default(24 * 3_600_000).meta({
    description:
      'time before the expireAfter of a node from which on it is told which of its pods can not be evicted; 0 means never',
  }),
  expiryReplacementEnabled: bool.default(false).meta({
    description:
      'replace nodes in order some time before their expireAfter, unless a features ConfigMap says otherwise',
  }),
  expiryReplacementLeadTime: duration.default(2 * 3_600_000).meta({
    description:
      'time before its expireAfter from which on a node is replaced; a node that lives less than twice as long is from half of its life on',
  }),
  expiryReplacementMaxNodes: z.coerce
    .number()
    .int()
    .min(1)
    .default(5)
    .meta({ description: 'nodes that are replaced before they expire, at once' }),
  expiryReplacementMaxPricePercent: z.coerce.number().int().min(1).max(1_000).default(120).meta({
    description: 'the most that the replacement of such a node may cost, in percent of its price',
  }),
  ...spotPredictionOptions(),
  liveMigration: z.enum(['auto', 'always', 'never']).default('auto').meta({
    description:
      'migrate pods live before evicting them: from nodes labeled live.cast.ai/migration-enabled=true (auto), always, never',
  }),
  liveMigrationAnswerTimeout: duration
    .default(30_000)
    .meta({ description: 'longest wait for a live migration provider to answer' }),
  liveMigrationTimeout: duration.default(10 * 60_000).meta({
    description: 'longest time to migrate the pods of one node; then they are evicted if their policy allows',
  }),
  unhealthyHaltPercent: z.coerce.number().min(0).max(100).default(45).meta({
    description:
      'no plan starts while more than this percentage of the nodes is unready, and more than UNHEALTHY_HALT_NODES',
  }),
  unhealthyHaltNodes: z.coerce
    .number()
    .int()
    .min(0)
    .default(3)
    .meta({ description: 'number of unready nodes up to which plans start whatever the percentage' }),
});

export type Options = z.output<typeof options>;
