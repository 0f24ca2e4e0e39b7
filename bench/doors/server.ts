import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { loadPinningServices, type TakeReplies, type TakeRequests } from '../../api/pinning.ts';
import { createPolicyServer, DEFAULT_CLUSTER } from '../../kentroller/policies/api/server.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { servePeers } from '../../kube/grpc/peer.ts';
import { hangUp } from '../../kube/testing/hangup.ts';
import { createAuthority, issueLeaf } from '../../webhook/certificates/issue.ts';
import { createWebhookServer } from '../../webhook/server.ts';
import { idleAdmissions } from '../../webhook/testing/idleadmissions.ts';
import { CALLER, PATH, TOKEN } from './known.ts';

/** One of our servers alone, as its component starts it: `server.ts webhook|peers|policies`. The API server is a stub. */

const log = createLogger({ component: 'doors', level: 'silent' });
const say = (line: object): void => void process.stdout.write(`listening ${JSON.stringify(line)}\n`);

const serveWebhook = async (): Promise<void> => {
  const server = createWebhookServer({
    log,
    ...idleAdmissions(log),
  });
  server.setCertificate(await issueLeaf(await createAuthority(Date.now(), 1), ['127.0.0.1'], Date.now(), 1));
  server.setPaths([PATH]);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  say({ port: (server.app.server.address() as AddressInfo).port });
};

/** Milliseconds that the API server takes for a review. */
const REVIEW_MS = 5;

/** An API server that knows one caller. */
const reviewer = (authenticated: object, more: (path: string) => unknown = () => ({})): KubeClient =>
  ({
    request: async (
      _method: string,
      path: string,
      o: { readonly body?: { readonly spec?: { readonly token?: string } } },
    ) => {
      await sleep(REVIEW_MS);
      if (!path.endsWith('/tokenreviews')) return more(path);
      return o.body?.spec?.token === TOKEN
        ? { status: { authenticated: true, ...authenticated } }
        : { status: { authenticated: false } };
    },
  }) as unknown as KubeClient;
const KNOWN = { user: { username: CALLER }, audiences: ['precision-packer'] };

const servePolicyPort = async (): Promise<void> => {
  const client = Object.assign(
    reviewer(KNOWN, () => ({ status: { allowed: true } })),
    {
      get: async () => ({ metadata: { name: 'default', uid: 'u', generation: 1 }, spec: {} }),
    },
  );
  const server = createPolicyServer({ client, clusterId: DEFAULT_CLUSTER, log });
  server.setSecureContext(
    await issueLeaf(await createAuthority(Date.now(), 1), ['127.0.0.1'], Date.now(), 1),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  say({ port: (server.address() as AddressInfo).port });
};

const servePeerPort = async (): Promise<void> => {
  const client = reviewer(KNOWN);
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
    services: [
      { definition: loadPinningServices().slots, implementation: { Take, ChooseSides: hangUp } as never },
    ],
    log,
  });
  const [address = '', certificate = ''] = ['peer-address', 'peer-certificate'].map(
    (end) => Object.entries(peers.annotations).find(([key]) => key.endsWith(end))?.[1],
  );
  say({ port: Number(address.split(':')[1]), certificate });
};

const SERVERS: ReadonlyMap<string | undefined, () => Promise<void>> = new Map([
  ['webhook', serveWebhook],
  ['peers', servePeerPort],
  ['policies', servePolicyPort],
]);
await SERVERS.get(process.argv[2])?.();
process.on('SIGTERM', () => process.exit(0));
