import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Registry } from 'prom-client';
import t from 'tap';
import { connectStranger, headOf, statusOf } from '../testing/stranger.ts';
import { serveHealth } from './health.ts';
import { createLogger } from './log.ts';

const log = createLogger({ component: 'test', level: 'silent' });

t.test('health, readiness with its reason, metrics', async (t) => {
  const registry = new Registry();
  new Counter({ name: 'things_total', help: 'h', registers: [registry] }).inc(2);
  let ready: true | string = 'cache is not filled';
  const health = await serveHealth({ port: 0, host: '127.0.0.1', ready: () => ready, registry, log });
  t.teardown(() => health.close());
  const get = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${health.port}${path}`);
    return [response.status, await response.text()];
  };
  t.same(await get('/healthz'), [200, 'ok']);
  t.same(await get('/readyz'), [503, 'cache is not filled']);
  ready = true;
  t.same(await get('/readyz?verbose'), [200, 'ok']);
  t.match(await get('/metrics'), [200, /things_total 2/]);
  t.same(await get('/other'), [404, 'not found']);
  const { port } = health;
  await t.rejects(serveHealth({ port, host: '127.0.0.1', ready: () => true, registry, log }), {
    name: 'OptionsError',
    message: /cannot listen on port \d+: it is in use/,
  });
});

t.test('attack: a head that never ends and a body are refused by the health endpoints', async (t) => {
  const registry = new Registry();
  const limits = { headMs: 1_000, requestMs: 1_000 };
  const health = await serveHealth({ port: 0, host: '127.0.0.1', ready: () => true, registry, log, limits });
  t.teardown(() => health.close());
  const slow = await connectStranger({ port: health.port });
  slow.write('GET /metrics HTTP/1.1\r\nx-slow: ');
  t.equal(statusOf(await slow.ended), 408);
  const silent = await connectStranger({ port: health.port });
  t.equal(await silent.ended, '', 'nobody asked');
  const big = await connectStranger({ port: health.port });
  big.write(headOf('/metrics', 10_000_000));
  t.equal(statusOf(await big.ended), 413);
});

t.test('attack: thirty callers who ask for metrics without end take turns with the kubelet', async (t) => {
  const registry = new Registry();
  const pace = { perSecond: 5, burst: 5 };
  const health = await serveHealth({ port: 0, host: '127.0.0.1', ready: () => true, registry, log, pace });
  t.teardown(() => health.close());
  const { port } = health;
  const strangers = await Promise.all(Array.from({ length: 30 }, () => connectStranger({ port })));
  const since = performance.now();
  let answered = 0;
  for (const { socket } of strangers) {
    const ask = (): void => void socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
    socket.on('data', () => {
      answered++;
      ask();
    });
    ask();
  }
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    const kubelet = await connectStranger({ port, from: '127.0.0.1' });
    kubelet.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    t.equal(statusOf(await kubelet.ended), 200);
  }
  const most = pace.burst + ((performance.now() - since) / 1000) * pace.perSecond;
  t.ok(answered + 1 <= most + 1, `${answered} answers for strangers, ${most} for all`);
  for (const { socket } of strangers) socket.destroy();
});

t.test('attack: as many callers as connections, who wait for metrics, fail no probe', async (t) => {
  const registry = new Registry();
  const pace = { perSecond: 5, burst: 5 };
  const limits = { connections: 8 };
  const health = await serveHealth({
    port: 0,
    host: '127.0.0.1',
    ready: () => true,
    registry,
    log,
    pace,
    limits,
  });
  t.teardown(() => health.close());
  const { port } = health;
  let isOver = false;
  /** Asks without end on one connection, and comes back at once when it is cut. */
  const stranger = async (from: string): Promise<void> => {
    while (!isOver) {
      const { socket, ended } = await connectStranger({ port, from });
      const ask = (): void => void socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
      socket.on('data', ask);
      ask();
      sockets.add(socket);
      if (isOver) socket.destroy();
      await ended;
      sockets.delete(socket);
    }
  };
  const sockets = new Set<Socket>();
  const strangers = Array.from({ length: 8 }, (_, i) => stranger(`127.0.1.${i + 1}`));
  while (sockets.size < 8) await sleep(5);
  const answers: (number | undefined)[] = [];
  for (let i = 0; i < 9; i++) {
    const kubelet = await connectStranger({ port, from: '127.0.0.1' });
    kubelet.write(`GET ${i % 2 ? '/healthz' : '/readyz'} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    answers.push(statusOf(await kubelet.ended));
  }
  t.strictSame(
    answers,
    answers.map(() => 200),
  );
  isOver = true;
  for (const socket of sockets) socket.destroy();
  await Promise.all(strangers);
});

t.test(
  'attack: one caller who asks for health without end waits with those who ask for metrics',
  async (t) => {
    const registry = new Registry();
    const pace = { perSecond: 1, burst: 1 };
    const health = await serveHealth({ port: 0, host: '127.0.0.1', ready: () => true, registry, log, pace });
    t.teardown(() => health.close());
    const { socket } = await connectStranger({ port: health.port });
    let answered = 0;
    const ask = (): void => void socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    const since = performance.now();
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on('data', () => (++answered === 13 ? resolve() : ask()));
    ask();
    await promise;
    t.ok(performance.now() - since >= 1_000, `${performance.now() - since} ms`);
    socket.destroy();
  },
);
