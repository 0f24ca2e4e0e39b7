import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { DoorLimits } from '../kube/doors/limits.ts';
import { connectStranger, headOf, statusOf } from '../kube/testing/stranger.ts';
import { createAuthority, issueLeaf } from './certificates/issue.ts';
import { createTestServer, makeReview, makeWebPod } from './testing/reviews.ts';

/** Requests that an API server never sends, over TLS. */

const MiB = 2 ** 20;

const serve = async (limits: Partial<DoorLimits>) => {
  const made = createTestServer(limits);
  const { server } = made;
  server.setCertificate(await issueLeaf(await createAuthority(Date.now(), 1), ['127.0.0.1'], Date.now(), 1));
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => server.app.close());
  return { ...made, port: (server.app.server.address() as AddressInfo).port };
};

const { pinner, path, port } = await serve({});
/** A server that waits for nobody for long. */
const hasty = await serve({ headMs: 1_000, requestMs: 2_000 });
pinner.reply = { nodeName: 'node-1', intentId: 'pin/1', plan: 'plan', way: 'assign', reason: '' };
const connect = () => connectStranger({ port, isSecure: true });
const connectHasty = () => connectStranger({ port: hasty.port, isSecure: true });

const honest = async (): Promise<number | undefined> => {
  const caller = await connectStranger({ port, isSecure: true, from: '127.0.0.1' });
  const body = JSON.stringify(makeReview(makeWebPod()));
  caller.write(headOf(path, Buffer.byteLength(body)).replace('host: x', 'host: x\r\nconnection: close'));
  caller.write(body);
  return statusOf(await caller.ended);
};

t.test('attack: a body over 3 MiB is refused before a byte of it is sent', async (t) => {
  const stranger = await connect();
  stranger.write(headOf(path, 3 * MiB + 1));
  t.equal(statusOf(await stranger.ended), 400);
});

t.test('attack: brackets in brackets are refused with their first piece', async (t) => {
  const strangers = await Promise.all(Array.from({ length: 16 }, connect));
  for (const stranger of strangers) {
    stranger.write(headOf(path, 3 * MiB));
    stranger.write('{"x":'.concat('['.repeat(1_000)));
  }
  for (const stranger of strangers) t.equal(statusOf(await stranger.ended), 400);
  t.equal(await honest(), 200);
});

t.test('attack: a body of tiny values is refused before it is parsed', async (t) => {
  const stranger = await connect();
  stranger.write(headOf(path, 3 * MiB));
  stranger.write(`{"x":[${'[],'.repeat(100_000)}`);
  t.equal(statusOf(await stranger.ended), 400);
});

t.test('attack: a body that never ends is cut', async (t) => {
  const stranger = await connectHasty();
  stranger.write(headOf(path, 100));
  stranger.write('{');
  t.ok([408, undefined].includes(statusOf(await stranger.ended)));
});

t.test('attack: a head that never ends is cut', async (t) => {
  const stranger = await connectHasty();
  stranger.write('POST /mutate HTTP/1.1\r\nhost: x\r\nx-slow: ');
  t.ok([408, undefined].includes(statusOf(await stranger.ended)));
});

t.test(
  'a connection that never asks is closed without an answer, which its next request would take',
  async (t) => {
    // Go opens more connections than it uses; an answer there is read as that of the request sent meanwhile.
    const stranger = await connectHasty();
    t.equal(await stranger.ended, '');
  },
);

t.test('attack: a connection without a handshake is cut', async (t) => {
  const stranger = await connectStranger({ port: hasty.port });
  t.equal(await stranger.ended, '');
});

t.test('attack: requests sent all at once on one connection are not gathered', async (t) => {
  const stranger = await connect();
  pinner.reply = new Promise(() => {}) as never;
  const body = JSON.stringify(makeReview(makeWebPod()));
  stranger.write((headOf(path, Buffer.byteLength(body)) + body).repeat(50));
  t.equal(await stranger.ended, '', 'it is cut before the first answer');
});
