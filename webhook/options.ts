import { z } from 'zod';
import {
  componentOptions,
  featureOptions,
  holdOptions,
  peerCallerOptions,
  port,
  schedulerOptions,
} from '../kube/component/componentoptions.ts';
import { bool, commaList, duration } from '../kube/component/options.ts';
import { HARMLESS_WEBHOOKS } from './otherwebhooks.ts';

/**
 * Options of castai-pod-pinner-webhook, as flags or environment variables.
 *
 * Ports: 8443 admission (HTTPS), 9091 health and metrics (HTTP).
 *
 * RBAC, cluster-wide: autoscaling.cast.ai rebalanceplans get, list, watch; admissionregistration.k8s.io
 * mutatingwebhookconfigurations list, watch, and get, patch of `castai-pod-pinner-webhook`; pods list, watch, patch, to
 * release gates while no pod pinner leads; nodes get. In its namespace: secrets create, and get, list, watch, update of
 * `castai-pod-pinner-webhook-ca` and `castai-pod-pinner-webhook-cert`; leases create, and get, update, patch of
 * `castai-pod-pinner-webhook`; get of lease `castai-pod-pinner`; get of configmap `castai-kentroller-features`. In each
 * of FEATURES_WATCH_NAMESPACES: configmaps list, watch.
 */
export const options = z.object({
  ...componentOptions({ name: 'castai-pod-pinner-webhook', healthPort: 9091, qps: 50 }),
  ...peerCallerOptions({ name: 'castai-pod-pinner-webhook' }),
  ...featureOptions(),
  podPinnerWebhookEnabled: bool
    .default(true)
    .meta({ description: 'pin pods at admission, unless a ConfigMap of features says otherwise' }),
  ...holdOptions(),
  ...schedulerOptions(),
  port: port(8443).meta({ description: 'port of the admission server' }),
  service: z
    .string()
    .default('castai-pod-pinner-webhook')
    .meta({ description: 'Service that the API server calls; the certificate has its DNS names' }),
  extraNames: commaList
    .default([])
    .meta({ description: 'further DNS names or IP addresses of the certificate, for calls by URL' }),
  configuration: z
    .string()
    .default('castai-pod-pinner-webhook')
    .meta({ description: 'MutatingWebhookConfiguration whose caBundle and match conditions it maintains' }),
  authoritySecret: z
    .string()
    .default('castai-pod-pinner-webhook-ca')
    .meta({ description: 'Secret with the certificate authority' }),
  leafSecret: z
    .string()
    .default('castai-pod-pinner-webhook-cert')
    .meta({ description: 'Secret with the certificate that all replicas serve' }),
  pinnerLease: z
    .string()
    .default('castai-pod-pinner')
    .meta({ description: "Lease of the pod pinner's leader" }),
  takeTimeout: duration.default(1_000).meta({ description: 'longest time that a pod waits for a slot' }),
  coexistence: z.enum(['auto', 'on', 'off']).default('auto').meta({
    description:
      'pin pods after all other webhooks: always (on), never (off), or while another webhook may change where pods fit (auto)',
  }),
  harmlessWebhooks: commaList.default([...HARMLESS_WEBHOOKS]).meta({
    description: 'MutatingWebhookConfigurations that never change selectors, affinity or tolerations of pods',
  }),
  authorityDays: z.coerce
    .number()
    .positive()
    .default(365)
    .meta({ description: 'lifetime of the certificate authority in days' }),
  leafDays: z.coerce
    .number()
    .positive()
    .default(30)
    .meta({ description: 'lifetime of the certificate in days' }),
  settle: duration.default(4_000).meta({ description: 'time for a new caBundle to reach every API server' }),
  retire: duration
    .default(60_000)
    .meta({ description: 'time for which the previous authority stays trusted after a new certificate' }),
  shutdownDelay: duration
    .default(15_000)
    .meta({ description: 'time for which it still answers, unready, after SIGTERM' }),
});

export type Options = z.output<typeof options>;
