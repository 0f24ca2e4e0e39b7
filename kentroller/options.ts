import { z } from 'zod';
import {
  componentOptions,
  featureOptions,
  holdOptions,
  peerServerOptions,
  remoteServerOptions,
} from '../kube/component/componentoptions.ts';
import { bool, duration } from '../kube/component/options.ts';

/**
 * Options of castai-kentroller, as flags or environment variables.
 *
 * Ports: 8081 health and metrics (plain HTTP: /healthz, /readyz, /metrics), 9443 the pin stream (gRPC over TLS).
 *
 * RBAC, cluster-wide: autoscaling.cast.ai rebalanceplans get, list, watch, create, patch, delete and
 * rebalanceplans/status update, patch; rebalanceplanclaims get, list, watch, create, delete and
 * rebalanceplanclaims/status update; rebalanceplanschedules get, list, watch and rebalanceplanschedules/status update;
 * rebalancemigrationplans get, list, watch, create, delete; unavailableofferings get, list, watch, create, patch,
 * delete and unavailableofferings/status patch; karpenter.sh nodeclaims get, list, watch, create, patch, delete,
 * nodepools get, list, watch, and nodepools/finalizers update (blockOwnerDeletion); nodes get, list, watch, patch;
 * pods get, list, watch, patch (surge, gates that were left), delete; pods/status patch (followKarpenter); pods/eviction
 * create; namespaces, persistentvolumeclaims, persistentvolumes list, watch; apps daemonsets, replicasets list, watch,
 * deployments get (surge); policy poddisruptionbudgets list, watch; storage.k8s.io storageclasses, csinodes list, watch;
 * events list, create, patch; authentication.k8s.io tokenreviews create.
 * In its namespace: pods create, in dry runs that ask for the webhook; leases create, and get, update, patch of
 * `castai-kentroller`; get of lease `castai-pod-pinner`; configmaps create, and get, patch of `castai-kentroller-features` and `castai-kentroller-savings`. In each of
 * FEATURES_WATCH_NAMESPACES: configmaps list, watch.
 */
export const options = z.object({
  ...componentOptions({ name: 'castai-kentroller', healthPort: 8081, qps: 100 }),
  ...peerServerOptions({ callers: [] }),

  clusterId: z
    .string()
    .default('')
    .meta({ description: 'name of the cluster towards a remote planner and API' }),
  apiKey: z.string().default('').meta({ description: 'key for a remote planner and API' }),
  apiUrl: z
    .string()
    .default('')
    .refine((url) => url === '' || /^https?:\/\/[^/]/.test(url), {
      message: 'a URL such as https://api.example.com is expected',
    })
    .meta({ description: 'REST address that the audit trail is sent to; nowhere when empty' }),
  ...remoteServerOptions({ description: 'gRPC address of a remote planner; none when empty' }),

  awsRegion: z.string().default('').meta({ description: 'region of the cluster' }),
  awsDefaultRegion: z
    .string()
    .default('')
    .meta({ description: 'region of the cluster where AWS_REGION is not set' }),
  instanceTypesFilePath: z.string().default('').meta({
    description: "file of instance types in the format of Karpenter's kwok provider; EC2 is asked when empty",
  }),
  priceRefreshPeriod: duration
    .default(12 * 3_600_000)
    .meta({ description: 'time between two looks at instance types and on-demand prices' }),
  spotPriceRefreshPeriod: duration
    .default(5 * 60_000)
    .meta({ description: 'time between two looks at spot prices' }),
  vmMemoryOverheadPercent: z.coerce
    .number()
    .min(0)
    .max(0.5)
    .default(0.075)
    .meta({ description: "share of a machine's memory that the hypervisor takes; as Karpenter is told" }),

  rebalancerMaxConcurrentReconciles: z.coerce
    .number()
    .int()
    .min(1)
    .default(10)
    .meta({ description: 'plans and claims that are worked on at once' }),
  planTimeBudget: duration.default(5_000).meta({ description: 'time that the planner may search' }),
  nodeJoinDeadline: duration
    .default(10 * 60_000)
    .meta({ description: 'time from ordering a machine to its ready Node' }),
  nodeDrainTimeout: duration
    .default(10 * 60_000)
    .meta({ description: 'time to empty one node, where the plan says nothing' }),
  rebalanceExecutionTimeout: duration
    .default(3_600_000)
    .meta({ description: 'time for a whole plan, where the plan says nothing' }),
  pinAcknowledgeTimeout: duration.default(30_000).meta({
    description: 'time that the deletion phase waits for a pod pinner, at its start or when it leaves',
  }),
  ...holdOptions(),
  pinHoldTimeout: duration.default(10_000).meta({
    description:
      'time that a moved pod waits for its pin before its new node is opened to all, or where it could go before its gate is lifted',
  }),
  pinnerLease: z
    .string()
    .default('castai-pod-pinner')
    .meta({ description: "Lease of the pod pinner's leader" }),
  followKarpenter: bool
    .default(false)
    .meta({ description: "pin pending pods to the machines that Karpenter's own provisioner buys for them" }),
  followSettlePeriod: duration.default(250).meta({
    description: "time after the newest of Karpenter's claims until its batch is taken to be whole",
  }),
  planSettleTimeout: duration
    .default(2 * 60_000)
    .meta({ description: 'time that a plan whose nodes are gone waits for its pods to run' }),
  planExpiry: duration.default(24 * 3_600_000).meta({
    description: 'age at which a plan that has not started expires; 0: it may wait for ever',
  }),
  maxSimultaneousDrains: z.coerce
    .number()
    .int()
    .min(1)
    .default(5)
    .meta({ description: 'nodes that one plan empties at once' }),
  surgeSingleReplicas: bool.default(false).meta({
    description:
      'replace the only pod of a Deployment before it goes, where no autoscaling.cast.ai/surge annotation says',
  }),
  rebalancerEnabled: bool.default(true).meta({
    description: 'carry out claims, schedules and plans, where no ConfigMap says',
  }),
  ...featureOptions(),
  continuousRebalancingEnabled: bool
    .default(false)
    .meta({ description: 'look for a cheaper cluster all the time, where the ConfigMap does not say' }),
  continuousRebalancingMode: z
    .enum(['full', 'drain-only', 'delete-empty'])
    .default('full')
    .meta({ description: 'what a cycle may do: replace nodes, only empty them, only delete empty ones' }),
  continuousRebalancingMinNodeAge: duration
    .default(5 * 60_000)
    .meta({ description: 'age from which a node may be replaced' }),
  continuousRebalancingMinNodesToConsider: z.coerce
    .number()
    .int()
    .min(1)
    .default(1)
    .meta({ description: 'nodes that must be old enough for a cycle to look further' }),
  continuousRebalancingMaxNodesPerIteration: z.coerce
    .number()
    .int()
    .min(1)
    .default(100)
    .meta({ description: 'nodes that one cycle may replace' }),
  continuousRebalancingMaxBinarySearchDepth: z.coerce
    .number()
    .int()
    .min(1)
    .default(20)
    .meta({ description: 'how deep a cycle searches: each step is worth a quarter of a second' }),
  continuousRebalancingSavingsThresholdPercent: z.coerce
    .number()
    .min(0)
    .max(100)
    .default(0)
    .meta({ description: 'least saving, in percent of what the replaced nodes cost' }),
  continuousRebalancingSavingsThresholdCostMonthly: z.coerce
    .number()
    .min(0)
    .default(50)
    .meta({ description: 'least saving, in USD a month' }),
  continuousRebalancingMoveWeight: z.coerce.number().min(0).default(0.4).meta({
    description: 'what moving a pod has to save at least, as a part of what an average pod costs',
  }),
  continuousRebalancingFailureBackoffDuration: duration
    .default(30 * 60_000)
    .meta({ description: 'rest after a plan that failed; doubles with each failure in a row' }),
  continuousRebalancingPollingPeriod: duration
    .default(10_000)
    .meta({ description: 'time between two cycles' }),
  liveMigration: z.enum(['auto', 'always', 'never']).default('auto').meta({
    description:
      'migrate pods before evicting them: where nodes carry live.cast.ai/migration-enabled=true, everywhere, nowhere',
  }),
  liveMigrationAnswerTimeout: duration
    .default(30_000)
    .meta({ description: 'time for a live migration provider to show itself' }),
  liveMigrationTimeout: duration.default(10 * 60_000).meta({
    description: 'time to migrate the pods of one node; then they are evicted, where their policy allows',
  }),
  unhealthyHaltPercent: z.coerce
    .number()
    .min(0)
    .max(100)
    .default(45)
    .meta({ description: 'no plan starts while more than this share of the nodes is unready' }),
  unhealthyHaltNodes: z.coerce
    .number()
    .int()
    .min(0)
    .default(3)
    .meta({ description: 'and more than so many of them' }),
});

export type Options = z.output<typeof options>;
