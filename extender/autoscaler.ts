import {
  type ChannelOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  makeGenericClientConstructor,
} from '@grpc/grpc-js';
import { loadPinningServices } from '../api/pinning.ts';
import type { KubeClient } from '../kube/client.ts';
import { dialPeer, findPeer } from '../kube/peer.ts';
import type { Dialed } from './stream.ts';

const CHANNEL: ChannelOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
  // One channel a stream: a pooled subchannel that is stuck would be handed out again.
  'grpc.use_local_subchannel_pool': 1,
};

/** Dials the kentroller that holds the Lease. */
export const dialLeader = (
  client: KubeClient,
  lease: { readonly namespace: string; readonly name: string },
  token: () => Promise<string>,
): (() => Promise<Dialed | undefined>) => {
  const { pinning } = loadPinningServices();
  return async () => {
    const target = await findPeer(client, lease);
    if (!target) return undefined;
    return {
      client: dialPeer(target, { definition: pinning, token, options: CHANNEL }),
      peer: target.address,
      isCurrent: async () => {
        const now = await findPeer(client, lease);
        return !now || (now.address === target.address && now.certificate === target.certificate);
      },
    };
  };
};

/** Dials an autoscaler outside the cluster, named by its URL; the API key goes along in the metadata. */
export const dialExternal = (o: {
  readonly url: string;
  readonly apiKey: string;
  readonly clusterId: string;
  readonly isPlain: boolean;
}): (() => Promise<Dialed>) => {
  const { pinning } = loadPinningServices();
  const Pinning = makeGenericClientConstructor(pinning, 'Pinning');
  const address = o.url.replace(/^[a-z]+:\/\//, '').replace(/\/$/, '');
  return async () => {
    const metadata = new Metadata();
    if (o.apiKey) metadata.set('x-api-key', o.apiKey);
    if (o.clusterId) metadata.set('x-cluster-id', o.clusterId);
    const channel = o.isPlain ? credentials.createInsecure() : credentials.createSsl();
    // Call credentials need TLS; an interceptor works on both.
    const identify: Interceptor = (options, next) =>
      new InterceptingCall(next(options), {
        start: (sent, listener, start) => {
          sent.merge(metadata);
          start(sent, listener);
        },
      });
    const client = new Pinning(address, channel, { ...CHANNEL, interceptors: [identify] });
    return { client, peer: address, isCurrent: async () => true };
  };
};
