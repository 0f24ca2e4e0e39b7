import { type ChannelOptions, makeGenericClientConstructor } from '@grpc/grpc-js';
import { loadPinningServices } from '../../api/pinning.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { dialPeer, findPeer } from '../../kube/grpc/peer.ts';
import {
  addressOf,
  explainRemote,
  identify,
  type Remote,
  remoteCredentials,
  remoteOptions,
} from '../../kube/grpc/remote.ts';
import type { Dialed } from './stream.ts';

const CHANNEL: ChannelOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
  // A channel of its own for each stream: a pooled subchannel that hangs would be used again.
  'grpc.use_local_subchannel_pool': 1,
};

/** Dials the kentroller that holds the Lease; resolves to undefined while none does. */
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
        const current = await findPeer(client, lease);
        return !current || (current.address === target.address && current.certificate === target.certificate);
      },
    };
  };
};

/** Dials an autoscaler outside the cluster by its URL; the API key and the cluster id travel as metadata. */
export const dialExternal = (
  remote: Remote,
  o: { readonly apiKey: string; readonly clusterId: string },
): (() => Promise<Dialed>) => {
  const Pinning = makeGenericClientConstructor(loadPinningServices().pinning, 'Pinning');
  const address = addressOf(remote);
  const interceptors = [identify({ 'x-api-key': o.apiKey, 'x-cluster-id': o.clusterId })];
  return async () => ({
    client: new Pinning(address, await remoteCredentials(remote), {
      ...CHANNEL,
      ...remoteOptions(remote),
      interceptors,
    }),
    peer: address,
    isCurrent: async () => true,
    explain: (message) => explainRemote(address, message),
  });
};
