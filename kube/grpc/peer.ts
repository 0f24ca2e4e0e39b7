import { readFile } from 'node:fs/promises';
import {
  type ChannelOptions,
  type Client,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { Registry } from 'prom-client';
import { generate } from 'selfsigned';
import { LEASES } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { isHeaderToken } from '../component/secrettext.ts';
import { messageOf } from '../errors.ts';
import { getOrUndefined } from '../ignore.ts';
import { Authentication, type PeerService } from './authentication.ts';
import { createGrpcDoor, type GrpcLimits } from './door.ts';
import { createTokenReview, TokenReviewer } from './tokenreviewer.ts';

/**
 * gRPC between our components: the leader creates a key in memory and publishes address and certificate on its Lease;
 * callers trust exactly that certificate and authenticate with a ServiceAccount token for our audience. See
 * docs/designs/0001-peers-by-lease.md.
 */

export const PEER_AUDIENCE = 'precision-packer';
const ADDRESS = 'autoscaling.cast.ai/peer-address';
const CERTIFICATE = 'autoscaling.cast.ai/peer-certificate';
const SERVER_NAME = 'peer.precision-packer';
const CERTIFICATE_DAYS = 365;
const TOKEN_SECONDS = 3600;

export interface PeerServer {
  readonly annotations: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export interface PeerTarget {
  readonly address: string;
  readonly certificate: string;
}

const makeCertificate = async () => {
  const notAfterDate = new Date(Date.now() + CERTIFICATE_DAYS * 86_400_000);
  return generate([{ name: 'commonName', value: SERVER_NAME }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 600_000),
    notAfterDate,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: SERVER_NAME }] },
    ],
  });
};

/**
 * Serves gRPC to other components; throws when the port is taken. `advertise` is this process's address for callers;
 * `callers` are the permitted user names.
 */
export const servePeers = async (o: {
  readonly client: KubeClient;
  readonly host: string;
  readonly advertise: string;
  readonly port: number;
  readonly callers: readonly string[];
  readonly services: readonly PeerService[];
  readonly log: Logger;
  readonly limits?: Partial<GrpcLimits>;
  readonly metrics?: Registry;
  /** Milliseconds for which an accepted token is not reviewed again. */
  readonly acceptedMs?: number;
}): Promise<PeerServer> => {
  const { callers, acceptedMs } = o;
  const pems = await makeCertificate();
  const door = createGrpcDoor({
    name: 'peers',
    credentials: ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(pems.private), cert_chain: Buffer.from(pems.cert) },
    ]),
    limits: o.limits,
    metrics: o.metrics,
  });
  const reviewer = new TokenReviewer({
    review: createTokenReview(o.client, PEER_AUDIENCE),
    audience: PEER_AUDIENCE,
    callers,
    ...(acceptedMs !== undefined && { acceptedMs }),
  });
  const authentication = new Authentication(reviewer, door, o.log);
  for (const service of o.services) door.server.addService(service.definition, authentication.guard(service));
  const port = await door.listen(o.host, o.port);
  return {
    annotations: { [ADDRESS]: `${o.advertise}:${port}`, [CERTIFICATE]: pems.cert },
    close: () => door.close(),
  };
};

/** The address and certificate on the Lease; undefined without a leader or a server. */
export const findPeer = async (
  client: KubeClient,
  lease: { readonly namespace: string; readonly name: string },
): Promise<PeerTarget | undefined> => {
  const found = await getOrUndefined(client.get(LEASES, lease));
  const address = found?.metadata.annotations?.[ADDRESS];
  const certificate = found?.metadata.annotations?.[CERTIFICATE];
  return found?.spec?.holderIdentity && address && certificate ? { address, certificate } : undefined;
};

/** A client of the leader's service, with methods named like the rpcs. Close it when done. */
export const dialPeer = (
  target: PeerTarget,
  o: {
    readonly definition: ServiceDefinition;
    readonly token: () => Promise<string>;
    readonly options?: ChannelOptions;
  },
): Client => {
  const tls = credentials.createSsl(Buffer.from(target.certificate));
  const bearer = credentials.createFromMetadataGenerator((_, callback) => {
    o.token().then(
      (token) => {
        const metadata = new Metadata();
        // The error for a value that no header can hold would name it.
        if (!isHeaderToken(token)) {
          callback(new Error('the token for the peer is no token: it holds a space or a line break'));
          return;
        }
        metadata.set('authorization', `Bearer ${token}`);
        callback(null, metadata);
      },
      (error: unknown) =>
        callback(new Error(`cannot get a token for the peer: ${messageOf(error)}`, { cause: error })),
    );
  });
  const Peer = makeGenericClientConstructor(o.definition, 'Peer');
  return new Peer(target.address, credentials.combineChannelCredentials(tls, bearer), {
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.default_authority': SERVER_NAME,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 5_000,
    // The address is a pod's.
    'grpc.enable_http_proxy': 0,
    ...o.options,
  });
};

/**
 * The token that authenticates us: the projected file, read each time since the kubelet rotates it. Outside the cluster
 * it is requested for the ServiceAccount and kept for half its life.
 */
export const peerToken = (o: {
  readonly client: KubeClient;
  readonly tokenFile?: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}): (() => Promise<string>) => {
  const { tokenFile } = o;
  if (tokenFile) return async () => (await readFile(tokenFile, 'utf8')).trim();
  let kept: { token: string; until: number } | undefined;
  return async () => {
    if (kept && kept.until > Date.now()) return kept.token;
    const path = `/api/v1/namespaces/${encodeURIComponent(o.namespace)}/serviceaccounts/${encodeURIComponent(o.serviceAccount)}/token`;
    const answer = await o.client.request<{ status: { token: string } }>('POST', path, {
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: [PEER_AUDIENCE], expirationSeconds: TOKEN_SECONDS },
      },
    });
    kept = { token: answer.status.token, until: Date.now() + (TOKEN_SECONDS * 1000) / 2 };
    return kept.token;
  };
};
