import { z } from 'zod';
import { commaList, duration } from '../kube/options.ts';

const port = z.coerce.number().int().min(0).max(65535);

/**
 * Options of castai-pod-pinner-webhook, as flags or environment variables.
 *
 * Ports: 8443 admission (HTTPS), 9091 health and metrics (HTTP).
 *
 * RBAC, cluster-wide: autoscaling.cast.ai rebalanceplans get, list, watch; admissionregistration.k8s.io
 * mutatingwebhookconfigurations get, list, watch, patch of `castai-pod-pinner-webhook`. In its namespace: secrets
 * create, and get, list, watch, update of `castai-pod-pinner-webhook-ca` and `castai-pod-pinner-webhook-cert`;
 * leases create, and get, update, patch of `castai-pod-pinner-webhook`; get of lease `castai-pod-pinner`.
 */
export const options = z.object({
  podNamespace: z.string().default('castai-agent').meta({ description: 'namespace that it runs in' }),
  podName: z
    .string()
    .default('')
    .meta({ description: 'identity in the Lease; host name and pid when empty' }),
  kubeconfig: z
    .string()
    .default('')
    .meta({ description: "kubeconfig outside a cluster; the pod's ServiceAccount when empty" }),
  serviceAccount: z
    .string()
    .default('castai-pod-pinner-webhook')
    .meta({ description: 'ServiceAccount that a token is asked for where there is no token file' }),
  peerTokenFile: z
    .string()
    .default('')
    .meta({ description: 'projected ServiceAccount token for the audience precision-packer' }),
  host: z.string().default('0.0.0.0').meta({ description: 'address that it listens on' }),
  port: port.default(8443).meta({ description: 'port of the admission server' }),
  healthPort: port.default(9091).meta({ description: 'port of health and metrics' }),
  service: z
    .string()
    .default('castai-pod-pinner-webhook')
    .meta({ description: 'Service that the API server calls; its DNS names go into the certificate' }),
  extraNames: commaList
    .default([])
    .meta({ description: 'more DNS names or IP addresses for the certificate, for calls by URL' }),
  configuration: z
    .string()
    .default('castai-pod-pinner-webhook')
    .meta({ description: 'MutatingWebhookConfiguration whose caBundle it keeps' }),
  authoritySecret: z
    .string()
    .default('castai-pod-pinner-webhook-ca')
    .meta({ description: 'Secret of its certificate authority' }),
  leafSecret: z
    .string()
    .default('castai-pod-pinner-webhook-cert')
    .meta({ description: 'Secret of the certificate that all replicas serve' }),
  leaseName: z
    .string()
    .default('castai-pod-pinner-webhook')
    .meta({ description: 'Lease of the replica that keeps the certificates' }),
  pinnerLease: z
    .string()
    .default('castai-pod-pinner')
    .meta({ description: "Lease of the pod pinner's leader" }),
  takeTimeout: duration.default(1_000).meta({ description: 'how long a pod waits for a slot at most' }),
  authorityDays: z.coerce
    .number()
    .positive()
    .default(365)
    .meta({ description: 'life of an authority in days' }),
  leafDays: z.coerce.number().positive().default(30).meta({ description: 'life of a certificate in days' }),
  settle: duration
    .default(4_000)
    .meta({ description: 'how long a new caBundle is left to reach every API server' }),
  retire: duration
    .default(60_000)
    .meta({ description: 'how long an old authority stays trusted after a new certificate' }),
  shutdownDelay: duration
    .default(15_000)
    .meta({ description: 'how long it serves on after it was told to stop, unready' }),
  qps: z.coerce.number().positive().default(50).meta({ description: 'requests a second to the API server' }),
  burst: z.coerce.number().positive().default(100).meta({ description: 'requests at once beyond qps' }),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .meta({ description: 'least level that is logged' }),
});

export type Options = z.output<typeof options>;
