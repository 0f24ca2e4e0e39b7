import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { loadPinningServices, type TakeReplies, type TakeRequests } from '../../api/pinning.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { servePeers } from '../../kube/grpc/peer.ts';
import { createAuthority, issueLeaf } from '../../webhook/certificates/issue.ts';
import { createWebhookServer } from '../../webhook/server.ts';
import { CALLER, PATH, TOKEN } from './known.ts';

/** One of our servers alone, as its component starts it: `server.ts webhook|peers`. The API server is a stub. */

const log = createLogger({ component: 'doors', level: 'silent' });
const say = (line: object): void => void process.stdout.write(`listening ${JSON.stringify(line)}\n`);

const serveWebhook = async (): Promise<void> => {
  const server = createWebhookServer({
    log,
    admission: {
      ownNamespace: 'castai-agent',
      isOwnerMoved: () => false,
      isCoexisting: () => false,
      take: () => Promise.reject(new Error('no slot is expected to be taken')),
      log,
      observe: () => {},
    },
  });
  server.setCertificate(await issueLeaf(await createAuthority(Date.now(), 1), ['127.0.0.1'], Date.now(), 1));
  server.setPaths([PATH]);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  say({ port: (server.app.server.address() as AddressInfo).port });
};

/** Milliseconds that the API server takes for a review. */
const REVIEW_MS = 5;

const servePeerPort = async (): Promise<void> => {
  const client = {
    request: async (_method: string, _path: string, { body }: { body: { spec: { token: string } } }) => {
      await sleep(REVIEW_MS);
      const user = { username: CALLER };
      return body.spec.token === TOKEN
        ? { status: { authenticated: true, user, audiences: ['precision-packer'] } }
        : { status: { authenticated: false } };
    },
  } as unknown as KubeClient;
  const Take = (call: ServerDuplexStream<TakeRequests, TakeReplies>): void => {
    call.on('data', () => call.write({ replies: [] }));
    call.on('end', () => call.end());
    call.resume();
  };
  const peers = await servePeers({
    client,
    host: '127.0.0.1',
    advertise: '127.0.0.1',
    port: 0,
    callers: [CALLER],
    services: [{ definition: loadPinningServices().slots, implementation: { Take } as never }],
    log,
  });
  const [address = '', certificate = ''] = ['peer-address', 'peer-certificate'].map(
    (end) => Object.entries(peers.annotations).find(([key]) => key.endsWith(end))?.[1],
  );
  say({ port: Number(address.split(':')[1]), certificate });
};

if (process.argv[2] === 'webhook') await serveWebhook();
else await servePeerPort();
process.on('SIGTERM', () => process.exit(0));
