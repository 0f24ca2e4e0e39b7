import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { connectStranger, headOf, STRANGE_ADDRESS, statusOf } from '../../kube/testing/stranger.ts';
import { until } from '../../kube/testing/until.ts';
import { createExtenderServer } from './server.ts';

/** Requests that a kube-scheduler never sends. */

const MiB = 2 ** 20;

/** Milliseconds that the next verb keeps the thread. */
let keepMs = 0;
const app = createExtenderServer({
  leader: () => {
    if (keepMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, keepMs);
    keepMs = 0;
    return undefined;
  },
  log: createLogger({ component: 'hostile', level: 'silent' }),
  limits: { headMs: 1_000, requestMs: 2_000, heldBytes: 4 * MiB },
});
await app.listen({ host: '127.0.0.1', port: 0 });
t.teardown(() => app.close());
const { port } = app.server.address() as AddressInfo;

const POD = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [] } };

const honest = async (): Promise<number | undefined> => {
  const caller = await connectStranger({ port, from: '127.0.0.1' });
  const names = Array.from({ length: 5_000 }, (_, i) => `ip-10-0-${i}.eu-central-1.compute.internal`);
  const body = JSON.stringify({ Pod: POD, Nodes: null, NodeNames: names });
  caller.write(headOf('/filter', Buffer.byteLength(body)) + body);
  return statusOf(await caller.ended);
};

t.test('attack: a body over 2 MiB is refused before a byte of it is sent', async (t) => {
  const stranger = await connectStranger({ port });
  stranger.write(headOf('/filter', 2 * MiB + 1));
  t.equal(statusOf(await stranger.ended), 400);
});

t.test('attack: a body without a length is cut at 2 MiB', async (t) => {
  const stranger = await connectStranger({ port });
  stranger.write('POST /filter HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n');
  stranger.write('transfer-encoding: chunked\r\n\r\n');
  const piece = Buffer.alloc(64 * 1024, 0x20);
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')]);
  for (let i = 0; i < 40; i++) stranger.write(chunk);
  t.equal(statusOf(await stranger.ended), 400);
});

t.test('attack: thirteen unfinished bodies leave room for an honest one, and are cut', async (t) => {
  const strangers = await Promise.all(Array.from({ length: 13 }, () => connectStranger({ port })));
  for (const stranger of strangers) {
    stranger.write(headOf('/filter', 2 * MiB));
    stranger.write(Buffer.alloc(MiB, 0x20));
  }
  t.equal(await honest(), 200);
  const answers = await Promise.all(strangers.map(({ ended }) => ended));
  t.ok(answers.every((answer) => [undefined, 408, 503].includes(statusOf(answer))));
});

t.test('attack: a head that never ends is cut', async (t) => {
  const stranger = await connectStranger({ port });
  stranger.write('POST /filter HTTP/1.1\r\nhost: x\r\nx-slow: ');
  t.ok([408, undefined].includes(statusOf(await stranger.ended)));
});

t.test('attack: brackets in brackets are not parsed', async (t) => {
  for (const path of ['/filter', '/prioritize', '/bind']) {
    const stranger = await connectStranger({ port });
    const body = `{"Pod":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    stranger.write(headOf(path, body.length) + body);
    const answer = await stranger.ended;
    t.equal(statusOf(answer), 400);
    t.match(answer, /nested more than 64 deep/);
  }
});

t.test(
  'attack: forty good requests of a stranger are answered in turn with that of kube-scheduler',
  async (t) => {
    const body = JSON.stringify({ Pod: POD, Nodes: null, NodeNames: ['a', 'b'] });
    const order: string[] = [];
    let begun = 0;
    app.server.on('request', () => begun++);
    const prepare = async (who: string, from: string) => {
      const caller = await connectStranger({ port, from });
      caller.write(headOf('/filter', body.length) + body.slice(0, -1));
      caller.socket.once('data', () => order.push(who));
      return caller;
    };
    const strangers = await Promise.all(
      Array.from({ length: 40 }, () => prepare('stranger', STRANGE_ADDRESS)),
    );
    const scheduler = await prepare('kube-scheduler', '127.0.0.1');
    const all = [...strangers, scheduler];
    await until('all requests have begun', () => begun === all.length, { timeoutMs: 20_000 });
    const answers = all.map(({ socket }) => once(socket, 'data'));
    // All others have arrived by the time that the first has been worked on.
    keepMs = 500;
    for (const { socket } of all) socket.write(body.slice(-1));
    await Promise.all(answers);
    for (const { socket } of all) socket.destroy();
    t.equal(order.length, 41);
    t.ok(order.indexOf('kube-scheduler') < 20, `${order.indexOf('kube-scheduler')} strangers came first`);
  },
);
