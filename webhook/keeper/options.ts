import { z } from 'zod';
import { basicOptions, electionOptions, featureOptions } from '../../kube/component/componentoptions.ts';
import { commaList, duration } from '../../kube/component/options.ts';
import { pinningAtAdmissionOptions } from '../admissionoptions.ts';

/**
 * Options of castai-pod-pinner-webhook-keeper, as flags or environment variables. It listens on no port.
 *
 * Rights: manifests/base/webhook-keeper/rbac.yaml, and in each other namespace of FEATURES_WATCH_NAMESPACES configmaps list, watch.
 */
export const options = z.object({
  ...basicOptions({ qps: 20 }),
  // The name that the webhook's replicas elected by before: no two leaders during an upgrade.
  ...electionOptions({ lease: 'castai-pod-pinner-webhook' }),
  ...featureOptions(),
  ...pinningAtAdmissionOptions(),
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
    .meta({ description: 'Secret with the certificate that all replicas of the webhook serve' }),
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
});

export type Options = z.output<typeof options>;
