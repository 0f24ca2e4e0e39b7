import type { Exception } from './compare.ts';

/**
 * Rights that a run of the suites on a whole cluster may not show in use, or not as far as they reach, each with the
 * reason why it is granted all the same.
 */

const KENTROLLER = 'castai-agent:castai-kentroller';
const PINNER = 'castai-agent:castai-pod-pinner';
const WEBHOOK = 'castai-agent:castai-pod-pinner-webhook';

const GUARDS =
  'A role in our namespace goes with the namespace; the ClusterRole is kept by its finalizer until plans are undone (0017).';

export const EXCEPTIONS: readonly Exception[] = [
  {
    account: KENTROLLER,
    verbs: ['create'],
    resource: 'selfsubjectaccessreviews.authorization.k8s.io',
    reason:
      'Clusters with an authorizer that can not list its rules, where a right is not listed; the ground has none.',
  },
  {
    account: KENTROLLER,
    verbs: ['update'],
    resource: 'nodepools.karpenter.sh/finalizers',
    reason:
      'Clusters with the admission plugin OwnerReferencesPermissionEnforcement ask for it; the ground has none.',
  },
  {
    account: KENTROLLER,
    verbs: ['get', 'patch'],
    resource: 'serviceaccounts',
    name: 'castai-kentroller',
    reason: GUARDS,
  },
  {
    account: KENTROLLER,
    verbs: ['get', 'update', 'patch'],
    resource: 'leases.coordination.k8s.io',
    name: 'castai-kentroller',
    reason: GUARDS,
  },
  {
    account: KENTROLLER,
    verbs: ['get'],
    resource: 'deployments.apps',
    reason: 'A surge reads the Deployment of any namespace: e2e/kentroller/surge.test.ts, as administrator.',
  },
  ...['statefulsets.apps', 'replicasets.apps', 'podtemplates'].map((resource) => ({
    account: KENTROLLER,
    verbs: ['get'],
    resource,
    reason:
      'Templates of CapacityBuffers and of replicas to come: e2e/kentroller/buffers.test.ts, outside of a pod.',
  })),
  {
    account: KENTROLLER,
    verbs: ['list'],
    resource: 'resourcequotas',
    reason:
      'Quotas of CapacityBuffers and of replicas to come: e2e/kentroller/buffers.test.ts, outside of a pod.',
  },
  {
    account: KENTROLLER,
    verbs: ['list'],
    resource: 'capacitybuffers.autoscaling.x-k8s.io',
    reason:
      'Asked for each plan and by node consolidation; a cluster without buffers does not serve the kind.',
  },
  {
    account: KENTROLLER,
    verbs: ['patch'],
    resource: 'capacitybuffers.autoscaling.x-k8s.io/status',
    reason: 'Off by default: e2e/kentroller/buffers.test.ts, outside of a pod.',
  },
  {
    account: KENTROLLER,
    verbs: ['get', 'create', 'delete'],
    resource: 'rebalancemigrationplans.autoscaling.cast.ai',
    reason: 'Live migration needs a provider: e2e/kentroller/livemigration.test.ts, as administrator.',
  },
  {
    account: KENTROLLER,
    verbs: ['delete'],
    resource: 'rebalanceplans.autoscaling.cast.ai',
    reason:
      'Plans of an attempt that was interrupted, and old ones of the continuous cycle, which keeps ten.',
  },
  {
    account: KENTROLLER,
    verbs: ['list'],
    resource: 'evictionrequests.lifecycle.k8s.io',
    reason:
      'Only the evictor asks, which is off by default: e2e/kentroller/evictor.test.ts, outside of a pod.',
  },
  {
    account: KENTROLLER,
    verbs: ['patch'],
    resource: 'evictorconfigs.autoscaling.cast.ai/status',
    reason:
      'The evictor is off in the suites on a whole cluster: e2e/kentroller/evictor.test.ts, outside of a pod.',
  },
  {
    account: KENTROLLER,
    verbs: ['patch'],
    resource: 'autoscalerpolicies.autoscaling.cast.ai/status',
    reason: 'Without an AutoscalerPolicy there is no status to write: kentroller/policies, as administrator.',
  },
  {
    account: KENTROLLER,
    verbs: ['watch'],
    resource: 'events',
    reason: 'Only while predictions are on, which is not the default: kentroller/spotprediction/run.test.ts.',
  },
  {
    account: KENTROLLER,
    verbs: ['get', 'patch'],
    resource: 'configmaps',
    name: 'castai-kentroller-spot-prediction',
    namespace: 'castai-agent',
    reason: 'Read and written only while predictions are on, which is not the default.',
  },
  {
    account: KENTROLLER,
    verbs: ['delete'],
    resource: 'nodes',
    reason: 'A Node that stands for a machine which nobody ordered, found when we are uninstalled.',
  },
  {
    account: KENTROLLER,
    verbs: ['delete'],
    resource: 'pods',
    reason: 'Pods on a node whose machine never joined, and the old pod of a surge.',
  },
  {
    account: KENTROLLER,
    verbs: ['patch'],
    resource: 'pods/status',
    reason: 'Nominations to a node that does not come, with FOLLOW_KARPENTER, and when we are uninstalled.',
  },
  {
    account: PINNER,
    verbs: ['get'],
    resource: 'pods',
    reason: 'A pod that somebody else bound, changed or gated in the same moment is read again.',
  },
  {
    account: PINNER,
    verbs: ['delete'],
    resource: 'pods',
    reason: 'Pods that a kubelet refused, after KEEP_REFUSED, and pods on a placeholder that is given up.',
  },
  {
    account: PINNER,
    verbs: ['create', 'patch'],
    resource: 'events',
    reason: 'Events of the pinner are about what went wrong: refused pods, machines that never joined.',
  },
  {
    account: WEBHOOK,
    verbs: ['patch'],
    resource: 'pods',
    reason:
      'Held pods are released by a replica of the webhook only while no pod pinner leads: e2e/pinner/hold.test.ts.',
  },
  {
    account: WEBHOOK,
    verbs: ['get'],
    resource: 'nodes',
    reason: 'Whether the node of a held pod could run it, asked before it is released.',
  },
];
