import { z } from 'zod';
import { OUR_SCHEDULERS } from '../../api/pods.ts';
import type { Remote } from '../grpc/remote.ts';
import { bool, commaList, duration } from './options.ts';

/** A TCP port; 0 takes any free one. */
export const port = (otherwise: number) => z.coerce.number().int().min(0).max(65_535).default(otherwise);

/** Options of every component: place, rate limit and log. */
export const basicOptions = (o: {
  /** Requests per second to the API server; the burst is twice as many. */
  readonly qps: number;
}) => ({
  podNamespace: z.string().default('castai-agent').meta({ description: 'namespace of this pod' }),
  kubeconfig: z
    .string()
    .default('')
    .meta({ description: "kubeconfig outside a cluster; the pod's ServiceAccount when empty" }),
  qps: z.coerce
    .number()
    .positive()
    .default(o.qps)
    .meta({ description: 'requests per second to the API server' }),
  burst: z.coerce
    .number()
    .positive()
    .default(2 * o.qps)
    .meta({ description: 'burst of requests to the API server' }),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .meta({ description: 'lowest level that is logged' }),
});

/** Options of a component that answers health checks. */
export const healthOptions = (o: { readonly healthPort: number }) => ({
  host: z.string().default('0.0.0.0').meta({ description: 'address to listen on' }),
  healthPort: port(o.healthPort).meta({ description: 'port for health checks and metrics' }),
});

/** Options of a component whose replicas elect a leader. */
export const electionOptions = (o: { readonly lease: string }) => ({
  podName: z
    .string()
    .default('')
    .meta({ description: 'identity in the Lease; host name and process id when empty' }),
  leaseName: z.string().default(o.lease).meta({ description: 'Lease that the leader holds' }),
  leaseDuration: duration
    .default(15_000)
    .meta({ description: 'a Lease that was not renewed for this long is free' }),
  renewDeadline: duration
    .default(10_000)
    .meta({ description: 'a leader that could not renew its Lease for this long stops' }),
  retryPeriod: duration
    .default(2_000)
    .meta({ description: 'time between two attempts to get or renew the Lease' }),
});

/** Options of a component that answers health checks and elects a leader. */
export const componentOptions = (o: {
  /** Name of the Deployment, its Lease and its ServiceAccount. */
  readonly name: string;
  readonly healthPort: number;
  readonly qps: number;
}) => ({ ...basicOptions(o), ...healthOptions(o), ...electionOptions({ lease: o.name }) });

/** Options of a component that ConfigMaps turn on and off, see api/features.ts. */
export const featureOptions = () => ({
  featuresWatchNamespaces: commaList
    .default([])
    .meta({ description: 'namespaces to read ConfigMaps of features from; the own one when empty' }),
  dynamicConfigMapName: z
    .string()
    .default('castai-kentroller-dynamic-config')
    .meta({ description: 'name of the ConfigMap of features that overrides all others' }),
});

/** Options of a component whose leader serves others over kube/grpc/peer.ts. */
export const peerServerOptions = () => ({
  podIp: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'address at which other components reach this pod' }),
  peerHost: z
    .string()
    .default('0.0.0.0')
    .meta({ description: 'address on which other components are served' }),
  peerPort: port(9443).meta({ description: 'port on which other components are served (gRPC over TLS)' }),
  peerCallers: commaList
    .refine((names) => names.length > 0, {
      message: 'it names nobody: name the users that may call, or leave it out for the intended component',
    })
    .default([])
    .meta({ description: 'user names that may call; only the intended component when empty' }),
});

/** The users that may call a component's leader: those of the option, else the one that is meant to. */
export const peerCallersOf = (
  o: { readonly peerCallers: readonly string[]; readonly podNamespace: string },
  intended: string,
): readonly string[] =>
  o.peerCallers.length > 0 ? o.peerCallers : [`system:serviceaccount:${o.podNamespace}:${intended}`];

/** Options of a component that calls the leader of another over kube/grpc/peer.ts. */
export const peerCallerOptions = (o: { readonly name: string }) => ({
  serviceAccount: z
    .string()
    .default(o.name)
    .meta({ description: 'ServiceAccount to request a token for, when there is no token file' }),
  peerTokenFile: z
    .string()
    .default('')
    .meta({ description: 'projected ServiceAccount token for the audience precision-packer' }),
});

/** Options of a component that judges where pods fit. */
export const schedulerOptions = () => ({
  schedulerNames: commaList.default([...OUR_SCHEDULERS]).meta({
    description:
      'schedulers that place pods by the rules of kube-scheduler; pods of others are neither pinned nor moved',
  }),
});

/** Options of a component that releases abandoned held pods. */
export const holdOptions = () => ({
  pinHoldTimeout: duration
    .default(10_000)
    .meta({ description: 'time after which any replica releases a held pod that its node could take' }),
  pinHoldLimit: duration.default(15 * 60_000).meta({ description: 'longest time that a pod is held' }),
});

/** Options of a component that talks gRPC to a server outside the cluster, see kube/grpc/remote.ts. */
export const remoteServerOptions = (o: { readonly description: string }) => ({
  grpcUrl: z.string().default('').meta({ description: o.description }),
  grpcDisableTls: bool.default(false).meta({ description: 'talk to GRPC_URL without TLS' }),
  grpcCaFile: z.string().default('').meta({
    description:
      "PEM file of the authorities that are trusted for GRPC_URL's certificate; the public ones when empty",
  }),
  grpcCertFile: z.string().default('').meta({
    description: 'PEM file of the client certificate for GRPC_URL, if it asks for one',
  }),
  grpcKeyFile: z.string().default('').meta({ description: 'PEM file of the key of the client certificate' }),
});

/** The remote server of these options. */
export const remoteOf = (o: {
  readonly grpcUrl: string;
  readonly grpcDisableTls: boolean;
  readonly grpcCaFile: string;
  readonly grpcCertFile: string;
  readonly grpcKeyFile: string;
}): Remote => ({
  url: o.grpcUrl,
  isPlain: o.grpcDisableTls,
  caFile: o.grpcCaFile,
  certFile: o.grpcCertFile,
  keyFile: o.grpcKeyFile,
});
