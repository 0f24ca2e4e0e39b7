import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type ClientDuplexStream, status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { loadPinningServices, type TakeReplies, type TakeRequests } from '../../api/pinning.ts';
import type { KubeClient } from '../client/client.ts';
import { createLogger } from '../component/log.ts';
import { hangUp } from '../testing/hangup.ts';
import { callStrangely, connectStranger, openStrangeSession } from '../testing/stranger.ts';
import { until } from '../testing/until.ts';
import { dialPeer, servePeers } from './peer.ts';

/** Strangers at the port of our components, beside a caller that may call. */

const log = createLogger({ component: 'peer-test', level: 'silent' });
const { slots } = loadPinningServices();
const TAKE = slots.Take?.path ?? '';
const FRIEND = 'system:serviceaccount:castai-agent:friend';
const SOON = { timeoutMs: 30_000, everyMs: 20 };

type Slots = Client & { Take(): ClientDuplexStream<TakeRequests, TakeReplies> };

/** An API server that knows the token `friend`, and a server of ours that asks it. */
const serve = async (
  t: Pick<Test, 'teardown'>,
  o: {
    readonly callers?: readonly string[];
    readonly audiences?: readonly string[];
    readonly limits?: object;
    readonly acceptedMs?: number;
    /** Milliseconds of a review; there is one at a time then. */
    readonly reviewMs?: number;
    /** What each review waits for before its answer. */
    readonly answer?: Promise<unknown>;
  } = {},
) => {
  let last: Promise<unknown> = Promise.resolve();
  const asked: string[] = [];
  const friends = new Set(['friend']);
  const served: unknown[] = [];
  const client = {
    request: async (_method: string, _path: string, { body }: { body: { spec: { token: string } } }) => {
      const { token } = body.spec;
      const { reviewMs } = o;
      if (reviewMs !== undefined) {
        last = last.then(() => sleep(reviewMs));
        await last;
      }
      asked.push(token);
      await o.answer;
      return friends.has(token)
        ? {
            status: {
              authenticated: true,
              user: { username: FRIEND },
              audiences: o.audiences ?? ['precision-packer'],
            },
          }
        : { status: { authenticated: false } };
    },
  } as unknown as KubeClient;
  const Take = (call: ClientDuplexStream<TakeRequests, TakeReplies>): void => {
    call.on('data', (message) => {
      served.push(message);
      call.write({ replies: [] } as never);
    });
    call.on('end', () => call.end());
    call.resume();
  };
  const { callers = [FRIEND], limits = {}, acceptedMs } = o;
  const peers = await servePeers({
    client,
    host: '127.0.0.1',
    advertise: '127.0.0.1',
    port: 0,
    callers,
    services: [{ definition: slots, implementation: { Take, ChooseSides: hangUp } as never }],
    log,
    limits,
    ...(acceptedMs !== undefined && { acceptedMs }),
  });
  t.teardown(() => peers.close());
  const [address = '', certificate = ''] = ['peer-address', 'peer-certificate'].map(
    (end) => Object.entries(peers.annotations).find(([key]) => key.endsWith(end))?.[1],
  );
  const dial = (token: string): Slots => {
    const peer = dialPeer({ address, certificate }, { definition: slots, token: async () => token });
    t.teardown(() => peer.close());
    return peer as Slots;
  };
  const port = Number(address.split(':')[1]);
  return { asked, friends, served, dial, port };
};

/** The stream of a call, and the code with which it ended. */
const open = (peer: Slots) => {
  const call = peer.Take();
  const { promise: ended, resolve } = Promise.withResolvers<status>();
  call.on('error', (error) => resolve((error as { code?: status }).code ?? status.UNKNOWN));
  call.on('end', () => resolve(status.OK));
  call.resume();
  call.write({ requests: [], used: [], returned: [] });
  return { call, ended };
};

t.test(
  'attack: 4,000 bogus tokens cost a few reviews, and an honest caller is served meanwhile',
  async (t) => {
    const { asked, served, dial, port } = await serve(t);
    const since = performance.now();
    const session = await openStrangeSession({ port });
    t.teardown(() => session?.destroy());
    const calls = Array.from({ length: 4_000 }, (_, i) => callStrangely(session, TAKE, `bogus-${i}`));
    const { call } = open(dial('friend'));
    await until('the honest caller is served', () => served.length > 0, SOON);
    call.end();
    const statuses = new Set(await Promise.all(calls));
    t.notOk(statuses.has(status.OK));
    const seconds = (performance.now() - since) / 1000;
    t.ok(asked.length <= 41 + 20 * seconds, `${asked.length} reviews in ${seconds} s`);
  },
);

t.test('attack: bogus tokens on many connections wait in turn with an honest one', async (t) => {
  const { asked, served, dial, port } = await serve(t, { limits: { offences: 10_000 }, reviewMs: 5 });
  const sessions = await Promise.all(Array.from({ length: 8 }, () => openStrangeSession({ port })));
  t.teardown(() => {
    for (const session of sessions) session?.destroy();
  });
  const calls = sessions.flatMap((session, at) =>
    Array.from({ length: 16 }, (_, i) => callStrangely(session, TAKE, `bogus-${at}-${i}`)),
  );
  await until('bogus tokens wait', () => asked.length >= 10, SOON);
  const before = asked.length;
  const { call } = open(dial('friend'));
  await until('the honest caller is served', () => served.length > 0, SOON);
  call.end();
  const turns = asked.indexOf('friend') - before;
  t.ok(turns < 25, `${turns} bogus tokens went first`);
  await Promise.all(calls);
});

t.test('attack: no more than four reviews are under way at once', async (t) => {
  const { promise: answer, resolve } = Promise.withResolvers<void>();
  const { asked, port } = await serve(t, { limits: { offences: 10_000 }, answer });
  const from = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.6'];
  const sessions = await Promise.all(from.map((each) => openStrangeSession({ port, from: each })));
  t.teardown(() => {
    for (const session of sessions) session?.destroy();
  });
  let ended = 0;
  const calls = sessions.flatMap((session, at) =>
    Array.from({ length: 20 }, async (_, i) => {
      const end = await callStrangely(session, TAKE, `bogus-${at}-${i}`);
      ended += 1;
      return end;
    }),
  );
  // No more than 64 wait: whoever is turned away has been behind all that could be asked.
  await until('the queue is full', () => ended >= 100 - 64 - 4, SOON);
  t.equal(asked.length, 4);
  resolve();
  await Promise.all(calls);
  t.ok(asked.length > 4, 'the others are reviewed once these have ended');
});

t.test('attack: a seventeenth stream on one connection waits', async (t) => {
  const { dial, served } = await serve(t);
  const peer = dial('friend');
  const streams = Array.from({ length: 16 }, () => open(peer));
  await until('sixteen streams are served', () => served.length === 16, SOON);
  open(peer);
  // Time enough for the seventeenth, were it let in: its call was sent before any of these.
  const last = streams.at(-1)?.call;
  let replies = 0;
  last?.on('data', () => replies++);
  for (let n = 1; n <= 20; n++) {
    last?.write({ requests: [], used: [], returned: [] });
    await until('the sixteenth is answered', () => replies >= n, SOON);
  }
  t.equal(served.length, 36, 'and the seventeenth is not');
  streams[0]?.call.end();
  await until('the seventeenth takes the place of one that has ended', () => served.length === 37, SOON);
  t.pass();
});

t.test('attack: one bogus token again and again is reviewed once', async (t) => {
  const { asked, port } = await serve(t);
  const session = await openStrangeSession({ port });
  t.teardown(() => session?.destroy());
  for (let i = 0; i < 20; i++) t.equal(await callStrangely(session, TAKE, 'same'), status.UNAUTHENTICATED);
  t.equal(asked.length, 1);
});

t.test('attack: a token that was reviewed without our audience is not accepted', async (t) => {
  for (const audiences of [[], ['https://kubernetes.default.svc']]) {
    const { dial, served } = await serve(t, { audiences });
    t.equal(await open(dial('friend')).ended, status.UNAUTHENTICATED);
    t.equal(served.length, 0);
  }
});

t.test('attack: a stream whose token was revoked is ended', async (t) => {
  const { dial, friends, served } = await serve(t, { acceptedMs: 200 });
  const { ended } = open(dial('friend'));
  await until('the stream stands', () => served.length > 0, SOON);
  friends.delete('friend');
  t.equal(await ended, status.UNAUTHENTICATED);
});

t.test('attack: a list of callers that is empty lets nobody in', async (t) => {
  const { dial, served } = await serve(t, { callers: [] });
  t.equal(await open(dial('friend')).ended, status.UNAUTHENTICATED);
  t.equal(served.length, 0);
});

t.test('attack: a connection on which nobody authenticates is closed', async (t) => {
  const { port } = await serve(t, { limits: { strangeMs: 500 } });
  const mute = await connectStranger({ port });
  const session = await openStrangeSession({ port });
  await mute.ended;
  await until('the session is closed', () => session?.destroyed, SOON);
  t.pass();
});

t.test('attack: calls of methods that nobody serves end the connection', async (t) => {
  const { port } = await serve(t);
  const session = await openStrangeSession({ port });
  t.teardown(() => session?.destroy());
  const statuses: (number | undefined)[] = [];
  for (let i = 0; i < 100; i++) statuses.push(await callStrangely(session, `/nobody/Serves${i}`, ''));
  t.equal(statuses[0], status.UNIMPLEMENTED);
  t.equal(statuses.at(-1), undefined);
});

t.test('attack: a message over 4 MiB ends its call', async (t) => {
  const { dial, served } = await serve(t);
  const { call, ended } = open(dial('friend'));
  call.write({ requests: [], used: ['x'.repeat(5 * 2 ** 20)], returned: [] });
  t.equal(await ended, status.RESOURCE_EXHAUSTED);
  t.ok(served.length <= 1);
});
