import { z } from 'zod';
import {
  componentOptions,
  featureOptions,
  holdOptions,
  peerCallerOptions,
  peerServerOptions,
  port,
  remoteServerOptions,
  schedulerOptions,
} from '../kube/component/componentoptions.ts';
import { bool, commaList, duration } from '../kube/component/options.ts';
import { secretKey } from '../kube/component/secrettext.ts';

/**
 * Options of castai-pod-pinner, as flags or environment variables.
 *
 * Ports: 8080 extender verbs (HTTP, or HTTPS), 9091 health and metrics (HTTP), 9443 slots for the webhook (gRPC over TLS).
 *
 * Rights: manifests/base/pod-pinner/rbac.yaml, and in each other namespace of FEATURES_WATCH_NAMESPACES configmaps list, watch.
 */
export const options = z.object({
  ...componentOptions({ name: 'castai-pod-pinner', healthPort: 9091, qps: 200 }),
  ...peerServerOptions(),
  ...peerCallerOptions({ name: 'castai-pod-pinner' }),
  ...featureOptions(),
  podPinnerEnabled: bool
    .default(true)
    .meta({ description: 'whether pods are pinned, unless a features ConfigMap says otherwise' }),
  ...holdOptions(),
  ...schedulerOptions(),
  port: port(8080).meta({ description: 'port of the extender verbs' }),
  verbsCertFile: z
    .string()
    .default('')
    .meta({ description: 'PEM file of the certificate of the extender verbs; plain HTTP when empty' }),
  verbsKeyFile: z.string().default('').meta({ description: 'PEM file of the key of that certificate' }),
  verbsClientCaFile: z.string().default('').meta({
    description:
      "PEM file of the authorities of kube-scheduler's client certificate; callers are not authenticated when empty",
  }),
  verbsClientNames: commaList.default(['system:kube-scheduler']).meta({
    description: 'common names of the client certificates that may call the extender verbs',
  }),
  autoscalerLease: z
    .string()
    .default('castai-kentroller')
    .meta({ description: 'Lease of the autoscaler in the cluster' }),
  ...remoteServerOptions({
    description: 'host:port of an autoscaler outside the cluster; empty for the one in the cluster',
  }),
  apiKey: secretKey('sent to the autoscaler outside the cluster'),
  clusterId: z.string().default('').meta({ description: 'sent to the autoscaler' }),
  keepRefused: duration.default(60_000).meta({
    description: 'how long pods that a kubelet rejected are kept for inspection before they are deleted',
  }),
});

export type Options = z.output<typeof options>;
