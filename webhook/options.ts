import { z } from 'zod';
import {
  componentOptions,
  featureOptions,
  holdOptions,
  peerCallerOptions,
  port,
} from '../kube/component/componentoptions.ts';
import { bool, commaList, duration } from '../kube/component/options.ts';
import { HARMLESS_WEBHOOKS } from './otherwebhooks.ts';

/**
 * Options of castai-pod-pinner-webhook, as flags or environment variables.
 *
 * Ports: 8443 admission (HTTPS), 9091 health and metrics (HTTP).
 *
 * RBAC, cluster-wide: autoscaling.cast.ai rebalanceplans get, list, watch; admissionregistration.k8s.io
 * mutatingwebhookconfigurations list, watch, and get, patch of `castai-pod-pinner-webhook`; pods list, watch, patch
 * (gates that the pod pinner has left); nodes get. In its namespace: secrets
 * create, and get, list, watch, update of `castai-pod-pinner-webhook-ca` and `castai-pod-pinner-webhook-cert`;
 * leases create, and get, update, patch of `castai-pod-pinner-webhook`; get of lease `castai-pod-pinner`; get of
 * configmap `castai-kentroller-features`. In each of FEATURES_WATCH_NAMESPACES: configmaps list, watch.
 */
export const options = z.object({
  ...componentOptions({ name: 'castai-pod-pinner-webhook', healthPort: 9091, qps: 50 }),
  ...peerCallerOptions({ name: 'castai-pod-pinner-webhook' }),
  ...featureOptions(),
  podPinnerWebhookEnabled: bool
    .default(true)
    .meta({ description: 'pods are pinned at admission, where no ConfigMap of features says otherwise' }),
  ...holdOptions(),
  port: port(8443).meta({ description: 'port of the admission server' }),
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
  pinnerLease: z
    .string()
    .default('castai-pod-pinner')
    .meta({ description: "Lease of the pod pinner's leader" }),
  takeTimeout: duration.default(1_000).meta({ description: 'how long a pod waits for a slot at most' }),
  coexistence: z.enum(['auto', 'on', 'off']).default('auto').meta({
    description:
      'pins are decided after all other webhooks: always, never, or while one is there that may change where a pod fits',
  }),
  harmlessWebhooks: commaList.default([...HARMLESS_WEBHOOKS]).meta({
    description: 'MutatingWebhookConfigurations that change no selector, affinity or toleration of a pod',
  }),
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
});

export type Options = z.output<typeof options>;
