import { z } from 'zod';
import {
  basicOptions,
  featureOptions,
  healthOptions,
  holdOptions,
  peerCallerOptions,
  port,
  schedulerOptions,
} from '../kube/component/componentoptions.ts';
import { commaList, duration } from '../kube/component/options.ts';
import { HARMLESS_WEBHOOKS } from '../kube/otherwebhooks.ts';
import { pinningAtAdmissionOptions } from './admissionoptions.ts';

/**
 * Options of castai-pod-pinner-webhook, as flags or environment variables.
 *
 * Ports: 8443 admission (HTTPS), 9091 health and metrics (HTTP).
 *
 * Rights: manifests/base/webhook/rbac.yaml, and in each other namespace of FEATURES_WATCH_NAMESPACES configmaps list, watch.
 */
export const options = z.object({
  ...basicOptions({ qps: 50 }),
  ...healthOptions({ healthPort: 9091 }),
  ...peerCallerOptions({ name: 'castai-pod-pinner-webhook' }),
  ...featureOptions(),
  ...pinningAtAdmissionOptions(),
  ...holdOptions(),
  ...schedulerOptions(),
  port: port(8443).meta({ description: 'port of the admission server' }),
  configuration: z
    .string()
    .default('castai-pod-pinner-webhook')
    .meta({ description: 'MutatingWebhookConfiguration that the API server calls it by' }),
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
  shutdownDelay: duration
    .default(15_000)
    .meta({ description: 'time for which it still answers, unready, after SIGTERM' }),
});

export type Options = z.output<typeof options>;
