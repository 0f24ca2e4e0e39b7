import { z } from 'zod';
import { bool, commaList, duration } from '../kube/options.ts';

/**
 * Options of castai-pod-pinner, as flags or environment variables.
 *
 * Ports: 8080 extender verbs (HTTP), 9091 health and metrics (HTTP), 9443 slots for the webhook (gRPC over TLS).
 *
 * RBAC, cluster-wide: pods get, list, watch, patch, delete; pods/status patch; pods/binding create; nodes get, list,
 * watch, create, patch, delete; events create, patch; authentication.k8s.io
 * tokenreviews create. In kube-node-lease: leases create, patch.
 * In its namespace: leases create, and get, update, patch of `castai-pod-pinner`; get of lease `castai-kentroller`.
 */
export const options = z.object({
  podNamespace: z.string().default('castai-agent').meta({ description: 'namespace that it runs in' }),
  podName: z
    .string()
    .default('')
    .meta({ description: 'identity in the Lease; host name and pid when empty' }),
  podIp: z.string().default('127.0.0.1').meta({ description: 'address that other components reach it at' }),
  kubeconfig: z
    .string()
    .default('')
    .meta({ description: "kubeconfig outside a cluster; the pod's ServiceAccount when empty" }),
  serviceAccount: z
    .string()
    .default('castai-pod-pinner')
    .meta({ description: 'ServiceAccount that a token is asked for where there is no token file' }),
  peerTokenFile: z
    .string()
    .default('')
    .meta({ description: 'projected ServiceAccount token for the audience precision-packer' }),
  peerHost: z.string().default('0.0.0.0').meta({ description: 'address that slots are served on' }),
  peerPort: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(9443)
    .meta({ description: 'port of the slots' }),
  peerCallers: commaList
    .default(['system:serviceaccount:castai-agent:castai-pod-pinner-webhook'])
    .meta({ description: 'user names that may take slots; any authenticated one when empty' }),
  host: z.string().default('0.0.0.0').meta({ description: 'address of the extender verbs and of health' }),
  port: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(8080)
    .meta({ description: 'port of the extender verbs' }),
  healthPort: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(9091)
    .meta({ description: 'port of health and metrics' }),
  leaseName: z.string().default('castai-pod-pinner').meta({ description: 'Lease that the leader holds' }),
  autoscalerLease: z
    .string()
    .default('castai-kentroller')
    .meta({ description: 'Lease of the autoscaler in the cluster' }),
  grpcUrl: z.string().default('').meta({
    description: 'host:port of an autoscaler outside the cluster; the one in the cluster when empty',
  }),
  apiKey: z.string().default('').meta({ description: 'sent to the autoscaler outside the cluster' }),
  clusterId: z.string().default('').meta({ description: 'told to the autoscaler' }),
  grpcDisableTls: bool.default(false).meta({ description: 'talk to GRPC_URL without TLS' }),
  leaseDuration: duration.default(15_000).meta({ description: 'a Lease not renewed for so long is free' }),
  renewDeadline: duration
    .default(10_000)
    .meta({ description: 'a leader that could not renew for so long stops' }),
  retryPeriod: duration.default(2_000).meta({ description: 'time between two attempts at the Lease' }),
  keepRefused: duration.default(60_000).meta({
    description: 'how long pods that a kubelet refused stay to be looked at before they are removed',
  }),
  qps: z.coerce.number().positive().default(200).meta({ description: 'requests a second to the API server' }),
  burst: z.coerce.number().positive().default(400).meta({ description: 'requests at once beyond qps' }),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .meta({ description: 'least level that is logged' }),
});

export type Options = z.output<typeof options>;
