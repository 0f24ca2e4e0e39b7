import { readFile } from 'node:fs/promises';
import {
  type ChannelOptions,
  type Client,
  credentials,
  type handleBidiStreamingCall,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { generate } from 'selfsigned';
import { valueAt } from '../../api/records/valueat.ts';
import { LEASES } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { messageOf } from '../errors.ts';
import { getOrUndefined } from '../ignore.ts';
import { TtlCache } from '../ttlcache.ts';

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
/** Milliseconds until an accepted token is reviewed again, which ends the use of a revoked one. */
const REVIEW_TTL_MS = 60_000;
const REVIEWS_KEPT = 256;
const TOKEN_SECONDS = 3600;

export interface PeerServer {
  readonly annotations: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export interface PeerTarget {
  readonly address: string;
  readonly certificate: string;
}

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: { readonly username?: string };
    readonly audiences?: readonly string[];
    readonly error?: string;
  };
}

/** A service whose calls are all bidirectional streams. */
interface PeerService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
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

/** Asks the API server for the user of a token; accepted tokens are cached for a minute. */
const createTokenReviewer = (client: KubeClient, callers: readonly string[]) => {
  const users = new TtlCache<string>({ ttlMs: REVIEW_TTL_MS, maxSize: REVIEWS_KEPT, now: Date.now });
  return async (metadata: Metadata): Promise<string> => {
    const token = String(metadata.get('authorization')[0] ?? '').replace(/^Bearer /, '');
    if (token === '') throw new Error('the call has no ServiceAccount token in its authorization metadata');
    const known = users.get(token);
    if (known !== undefined) return known;
    const review = await client.request<TokenReview>('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [PEER_AUDIENCE] },
      },
    });
    const user = review.status?.user?.username;
    if (!review.status?.authenticated || !user) {
      throw new Error(
        `the API server does not accept the token: ${review.status?.error ?? 'not authenticated'}`,
      );
    }
    if (callers.length > 0 && !callers.includes(user))
      throw new Error(`${user} may not call this service; add it to PEER_CALLERS`);
    users.set(token, user);
    return user;
  };
};

type Authenticate = (metadata: Metadata) => Promise<string>;

/** The implementation behind authentication: a call starts only after its token was accepted. */
const authenticated = (service: PeerService, authenticate: Authenticate, log: Logger) => {
  const entries = Object.entries(service.definition).map(([rpc, method]) => {
    const inner = valueAt(service.implementation, rpc);
    if (!inner) throw new Error(`no implementation for ${method.path}`);
    const refuse = (error: unknown): { code: number; details: string } => {
      const details = messageOf(error);
      log.warn({ rpc: method.path, error: details }, 'peer call refused');
      return { code: status.UNAUTHENTICATED, details };
    };
    const stream: handleBidiStreamingCall<unknown, unknown> = (call) => {
      call.pause();
      authenticate(call.metadata).then(
        () => (inner as handleBidiStreamingCall<unknown, unknown>)(call),
        (error) => call.emit('error', refuse(error)),
      );
    };
    return [rpc, stream] as const;
  });
  return Object.fromEntries(entries) as UntypedServiceImplementation;
};

/**
 * Serves gRPC to other components; throws when the port is taken. `advertise` is this process's address for callers;
 * `callers` are the permitted user names, any authenticated one when empty.
 */
export const servePeers = async (o: {
  readonly client: KubeClient;
  readonly host: string;
  readonly advertise: string;
  readonly port: number;
  readonly callers: readonly string[];
  readonly services: readonly PeerService[];
  readonly log: Logger;
}): Promise<PeerServer> => {
  const pems = await makeCertificate();
  const server = new Server({
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
  });
  const authenticate = createTokenReviewer(o.client, o.callers);
  for (const service of o.services) {
    server.addService(service.definition, authenticated(service, authenticate, o.log));
  }
  const secure = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(pems.private), cert_chain: Buffer.from(pems.cert) },
  ]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${o.host}:${o.port}`, secure, (error, bound) =>
      error
        ? reject(new Error(`cannot serve peers on ${o.host}:${o.port}: ${error.message}`, { cause: error }))
        : resolve(bound),
    );
  });
  return {
    annotations: { [ADDRESS]: `${o.advertise}:${port}`, [CERTIFICATE]: pems.cert },
    close: () =>
      new Promise((resolve) => {
        const force = setTimeout(() => server.forceShutdown(), 2_000);
        server.tryShutdown(() => {
          clearTimeout(force);
          resolve();
        });
      }),
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
