import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { paced } from '../../kube/testing/pace.ts';
import { until } from '../../kube/testing/until.ts';
import { type AuditSenderOptions, createAuditSender } from './sender.ts';
import type { AuditEntry } from './trail.ts';

/** The audit trail over a real HTTP connection. */

const log = createLogger({ component: 'audit-test', level: 'silent' });
const SOON = { timeoutMs: 10_000, everyMs: 10 };

const entry = (n: number): AuditEntry => ({
  id: `id-${n}`,
  time: '2026-11-22T12:00:00.000Z',
  kind: 'decision',
  object: { kind: 'RebalancePlan', name: 'p' },
  reason: 'PlanStarted',
  message: `entry ${n}`,
});

interface Arrived {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: { readonly entries: readonly AuditEntry[]; readonly dropped: number };
}

/** An API with a scripted answer for each batch. */
const serve = async (
  t: Pick<Test, 'teardown'>,
  answer: (response: ServerResponse, n: number, entries: number) => void,
): Promise<{ readonly url: string; readonly arrived: Arrived[] }> => {
  const arrived: Arrived[] = [];
  const server = createServer((request, response) => {
    text(request)
      .then((body) => {
        const batch = JSON.parse(body) as Arrived['body'];
        arrived.push({ path: request.url ?? '', headers: request.headers, body: batch });
        answer(response, arrived.length, batch.entries.length);
      })
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`, arrived };
};

const ok = (response: ServerResponse, _n: number, entries: number): void =>
  void response.writeHead(200).end(JSON.stringify({ accepted: entries }));

const open = (url: string, o: Partial<AuditSenderOptions> = {}) =>
  createAuditSender({
    url,
    apiKey: 'secret',
    clusterId: 'shop',
    log,
    batchWindowMs: 5,
    firstWaitMs: 5,
    timeoutMs: 2_000,
    ...o,
  });

t.test('entries arrive in order, many at a time, with the key and the cluster', async (t) => {
  const { url, arrived } = await serve(t, ok);
  const remote = open(url, { batch: 100 });
  for (let n = 0; n < 250; n++) remote.add(entry(n));
  await remote.close();
  t.same(
    arrived.flatMap((a) => a.body.entries.map((e) => e.message)),
    Array.from({ length: 250 }, (_, n) => `entry ${n}`),
  );
  t.equal(arrived.length, 3);
  t.equal(arrived[0]?.path, '/api/v1/clusters/shop/audit');
  t.match(arrived[0]?.headers, { authorization: 'Bearer secret', 'x-cluster-id': 'shop' });
});

t.test('a batch with a retryable answer is sent again, nothing is lost', async (t) => {
  const answers = [
    (r: ServerResponse) => void r.writeHead(503).end(),
    (r: ServerResponse) => void r.destroy(),
    (r: ServerResponse) => void r.writeHead(429, { 'retry-after': '1' }).end(),
  ];
  const { url, arrived } = await serve(t, (response, n, entries) =>
    (answers[n - 1] ?? ok)(response, n, entries),
  );
  const remote = open(url);
  const since = performance.now();
  for (let n = 0; n < 20; n++) remote.add(entry(n));
  await until('it is taken', () => remote.waiting === 0 && arrived.length === 4, SOON);
  await remote.close();
  t.same(
    arrived.at(-1)?.body.entries.map((e) => e.id),
    Array.from({ length: 20 }, (_, n) => `id-${n}`),
  );
  t.ok(performance.now() - since > 950, 'Retry-After is waited for');
});

t.test('a rejected batch is dropped, and the next one reports the number', async (t) => {
  const { url, arrived } = await serve(t, (response, n, entries) =>
    n === 1
      ? void response.writeHead(400).end(JSON.stringify({ rejected: entries, reason: 'too old' }))
      : ok(response, n, entries),
  );
  const remote = open(url, { batch: 10 });
  for (let n = 0; n < 20; n++) remote.add(entry(n));
  await remote.close();
  t.equal(arrived.length, 2);
  t.equal(arrived[1]?.body.entries[0]?.id, 'id-10');
  t.equal(arrived[1]?.body.dropped, 10);
});

t.test('an API that never answers blocks nobody and fills no memory', async (t) => {
  let isAwake = false;
  const { url, arrived } = await serve(t, (response, n, entries) => {
    if (isAwake) ok(response, n, entries);
  });
  const remote = open(url, { maxWaiting: 100, batch: 10, timeoutMs: 200 });
  const since = performance.now();
  for (let n = 0; n < 20_000; n++) remote.add(entry(n));
  t.ok(performance.now() - since < paced(1_000), 'adding waits for nothing');
  t.ok(remote.waiting <= 100);
  await until('it was tried', () => arrived.length > 0, SOON);
  isAwake = true;
  await until('the other entries are accepted', () => remote.waiting === 0, SOON);
  await remote.close();
  const taken = arrived.findLast((a) => a.body.entries.some((e) => e.id === 'id-19999'));
  t.ok(taken, 'the newest entries are kept');
  t.ok(
    arrived.some((a) => a.body.dropped >= 19_900),
    'the number of lost entries is reported',
  );
});

t.test('closing while the API does not answer ends in time', async (t) => {
  const { url } = await serve(t, () => {});
  const remote = open(url);
  remote.add(entry(1));
  const since = performance.now();
  await remote.close(100);
  t.ok(performance.now() - since < paced(1_500));
});
