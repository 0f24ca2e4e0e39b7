import { type Client, type ClientDuplexStream, type handleBidiStreamingCall, status } from '@grpc/grpc-js';
import t from 'tap';
import {
  loadPinningServices,
  type TakeReplies,
  type TakeReply,
  type TakeRequest,
  type TakeRequests,
} from '../../api/pinning.ts';
import { LEASES } from '../../api/resources.ts';
import { connect } from '../client/client.ts';
import { createLogger } from '../component/log.ts';
import { hangUp } from '../testing/hangup.ts';
import { dialPeer, findPeer, peerToken, servePeers } from './peer.ts';

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'peer-test' });
t.teardown(() => client.close());
const log = createLogger({ component: 'peer-test', level: 'fatal' });
const namespace = `peer-${process.pid}`;
const { slots } = loadPinningServices();

const request: TakeRequest = {
  requestUid: 'r',
  namespace: 'n',
  ownerKind: 'ReplicaSet',
  ownerName: 'o',
  ownerUid: 'u',
  pod: '{}',
  coexisting: false,
};

interface Slots extends Client {
  Take(): ClientDuplexStream<TakeRequests, TakeReplies>;
}

/** One batch of one request, and the first reply. */
const call = async (peer: Client): Promise<TakeReply | undefined> => {
  const stream = (peer as Slots).Take();
  stream.write({ requests: [request] });
  for await (const { replies } of stream as AsyncIterable<TakeReplies>) {
    stream.end();
    return replies[0];
  }
  return undefined;
};

const take: handleBidiStreamingCall<TakeRequests, TakeReplies> = (stream) => {
  stream.on('data', ({ requests }: TakeRequests) => {
    const replies = requests.map(({ ownerUid }) => ({
      nodeName: `node-for-${ownerUid}`,
      intentId: '',
      plan: '',
      way: 'assign' as const,
      reason: '',
    }));
    stream.write({ replies });
  });
  stream.on('end', () => stream.end());
  stream.resume();
};

const account = (name: string) =>
  client.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
  });

t.before(async () => {
  await client.request('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
  });
  await account('friend');
  await account('stranger');
});
t.teardown(() => client.request('DELETE', `/api/v1/namespaces/${namespace}`));

const serve = () =>
  servePeers({
    client,
    host: '127.0.0.1',
    advertise: '127.0.0.1',
    port: 0,
    callers: [`system:serviceaccount:${namespace}:friend`],
    services: [{ definition: slots, implementation: { Take: take, ChooseSides: hangUp } }],
    log,
  });

t.test('no peer is found without a leader', async (t) => {
  t.equal(await findPeer(client, { namespace, name: 'none' }), undefined);
});

t.test(
  'a caller finds the leader by its Lease, trusts its certificate and authenticates by token',
  async (t) => {
    const server = await serve();
    t.teardown(() => server.close());
    const name = 'leader';
    await client.create(LEASES, {
      metadata: { name, namespace, annotations: server.annotations },
      spec: { holderIdentity: 'me', leaseDurationSeconds: 15 },
    });
    const target = await findPeer(client, { namespace, name });
    if (!target) throw new Error('the leader was not found');
    const dial = (serviceAccount: string) =>
      dialPeer(target, { definition: slots, token: peerToken({ client, namespace, serviceAccount }) });

    const friend = dial('friend');
    t.teardown(() => friend.close());
    t.match(await call(friend), { nodeName: 'node-for-u', way: 'assign' });

    const stranger = dial('stranger');
    t.teardown(() => stranger.close());
    await t.rejects(call(stranger), { code: status.UNAUTHENTICATED, details: /stranger may not call/ });

    const forged = dialPeer(target, { definition: slots, token: async () => 'not.a.token' });
    t.teardown(() => forged.close());
    await t.rejects(call(forged), { code: status.UNAUTHENTICATED });
  },
);

t.test('a server with another certificate than the Lease has is not trusted', async (t) => {
  const [one, other] = await Promise.all([serve(), serve()]);
  t.teardown(() => Promise.all([one.close(), other.close()]));
  const address = Object.entries(one.annotations).find(([key]) => key.endsWith('peer-address'))?.[1] ?? '';
  const certificate =
    Object.entries(other.annotations).find(([key]) => key.endsWith('certificate'))?.[1] ?? '';
  const peer = dialPeer(
    { address, certificate },
    { definition: slots, token: peerToken({ client, namespace, serviceAccount: 'friend' }) },
  );
  t.teardown(() => peer.close());
  await t.rejects(call(peer), { code: status.UNAVAILABLE });
});
