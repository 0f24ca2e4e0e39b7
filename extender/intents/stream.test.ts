import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  credentials,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import t from 'tap';
import {
  type ClientMessage,
  type Intent,
  loadPinningServices,
  type ServerMessage,
} from '../../api/pinning.ts';
import { createLogger, type Logger } from '../../kube/component/log.ts';
import { plainRemote } from '../../kube/grpc/remote.ts';
import { paced } from '../../kube/testing/pace.ts';
import { dialExternal } from './dial.ts';
import { Results } from './results.ts';
import { IntentStore } from './store.ts';
import { followStream } from './stream.ts';

const { pinning } = loadPinningServices();
const log = createLogger({ component: 'stream', level: 'silent' });
const CUTS = 1_000;
type Call = ServerDuplexStream<ClientMessage, ServerMessage>;

const intent = (id: string, nodeName = ''): Intent => ({
  id,
  plan: 'plan',
  nodeClaim: 'claim',
  nodeName,
  pin: { namespace: 'n', pod: { name: id, uid: id } },
});

const serve = async (stream: (call: Call) => void): Promise<{ port: number; server: Server }> => {
  const server = new Server();
  server.addService(pinning, { Stream: stream });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, server };
};

const until = async (what: string, ask: () => boolean, timeoutMs = 20_000): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!ask()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

/** A seeded generator of numbers between 0 and 1. */
const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const follow = (
  t: { teardown(end: () => Promise<void>): void },
  port: number,
  o: {
    readonly log?: Logger;
    readonly checkEveryMs?: number;
    readonly isCurrent?: () => Promise<boolean>;
  } = {},
) => {
  const store = new IntentStore(log);
  const results = new Results();
  const stopping = new AbortController();
  const Pinning = makeGenericClientConstructor(pinning, 'Pinning');
  const ended = followStream({
    dial: async () => ({
      client: new Pinning(`127.0.0.1:${port}`, credentials.createInsecure()) as Client,
      peer: 'suite',
      isCurrent: o.isCurrent ?? (async () => true),
    }),
    store,
    results,
    clientId: 'me',
    clusterId: '',
    signal: stopping.signal,
    log: o.log ?? log,
    backoff: { firstMs: 1, maxMs: 5 },
    connectTimeoutMs: 300,
    syncTimeoutMs: 300,
    checkEveryMs: o.checkEveryMs ?? 1_000,
  });
  t.teardown(async () => {
    stopping.abort();
    await ended;
  });
  return { store, results };
};

t.test('a stream cut 1,000 times at random points ends with the full state', async (t) => {
  const random = seeded(7);
  const world = new Map(Array.from({ length: 40 }, (_, at) => [`i${at}`, intent(`i${at}`)]));
  let cuts = 0;
  const acknowledged = new Map<string, number>();
  const { port, server } = await serve((call) => {
    call.on('error', () => {});
    call.on('data', ({ hello, result }: ClientMessage) => {
      if (result) acknowledged.set(result.intentId, result.version);
      if (!hello) return;
      // Each connection sends another full state and may break after any message.
      const name = `i${Math.floor(random() * 60)}`;
      if (random() < 0.5) world.delete(name);
      else world.set(name, intent(name, `node-${cuts}`));
      const mayBreak = cuts < CUTS;
      for (const each of world.values()) {
        if (mayBreak && random() < 0.05) break;
        call.write({ version: cuts, upsert: each });
      }
      if (!mayBreak) return void call.write({ version: cuts, synced: {} });
      if (random() < 0.5) call.write({ version: cuts, synced: {} });
      cuts++;
      if (random() < 0.5) call.end();
      else call.emit('error', { code: 14, details: 'cut' });
    });
  });
  t.teardown(() => server.forceShutdown());
  const { store } = follow(t, port);
  await until(
    'all cuts, then peace',
    () => cuts === CUTS && acknowledged.size > 0 && store.version === CUTS,
    paced(60_000),
  );
  t.same(new Set(store.list().map(({ intent }) => intent.id)), new Set(world.keys()));
  for (const { intent: held } of store.list()) t.same(held.nodeName, world.get(held.id)?.nodeName);
  await until('all acknowledged', () => [...world.keys()].every((id) => acknowledged.get(id) === CUTS));
});

t.test('an abort during the dial ends it', async (t) => {
  const { port, server } = await serve((call) => call.on('error', () => {}));
  t.teardown(() => server.forceShutdown());
  const stopping = new AbortController();
  const Pinning = makeGenericClientConstructor(pinning, 'Pinning');
  const ended = followStream({
    dial: async () => {
      stopping.abort();
      return {
        client: new Pinning(`127.0.0.1:${port}`, credentials.createInsecure()) as Client,
        peer: 'suite',
        isCurrent: async () => true,
      };
    },
    store: new IntentStore(log),
    results: new Results(),
    clientId: 'me',
    clusterId: '',
    signal: stopping.signal,
    log,
  });
  t.equal(await Promise.race([ended.then(() => 'ended'), sleep(5_000, 'stuck', { ref: false })]), 'ended');
});

t.test('an intent that the stream removes, or that the next state lacks, is dropped', async (t) => {
  const calls: Call[] = [];
  let world = ['a', 'b', 'c'];
  const { port, server } = await serve((call) => {
    call.on('error', () => {});
    call.on('data', ({ hello }: ClientMessage) => {
      if (!hello) return;
      for (const id of world) call.write({ version: 1, upsert: intent(id) });
      call.write({ version: 1, synced: {} });
      calls.push(call);
    });
  });
  t.teardown(() => server.forceShutdown());
  const { store } = follow(t, port);
  await until('synced', () => store.hasFullState && store.size === 3);
  calls[0]?.write({ version: 2, removed: 'b' });
  await until('removed', () => store.size === 2);
  world = ['c'];
  calls[0]?.end();
  await until('the next full state', () => store.size === 1);
  t.ok(store.get('c'));
});

t.test('an autoscaler that sends nothing, or that stopped leading, is left', async (t) => {
  let calls = 0;
  const { port, server } = await serve((call) => {
    call.on('error', () => {});
    call.resume();
    calls++;
  });
  t.teardown(() => server.forceShutdown());
  follow(t, port);
  await until('another attempt after the silence', () => calls >= 2);
  let isCurrent = true;
  let served = 0;
  const talking = await serve((call) => {
    call.on('error', () => {});
    call.on('data', () => {});
    call.write({ version: 1, synced: {} });
    served++;
  });
  t.teardown(() => talking.server.forceShutdown());
  const { store } = follow(t, talking.port, { checkEveryMs: 10, isCurrent: async () => isCurrent });
  await until('synced', () => store.hasFullState);
  isCurrent = false;
  await until('left', () => served >= 2);
});

t.test('an autoscaler outside gets the API key and the cluster id without TLS, too', async (t) => {
  let metadata: readonly unknown[] = [];
  const { port, server } = await serve((call) => {
    metadata = [call.metadata.get('x-api-key')[0], call.metadata.get('x-cluster-id')[0]];
    call.on('error', () => {});
    call.resume();
  });
  t.teardown(() => server.forceShutdown());
  const remote = plainRemote(`http://127.0.0.1:${port}/`);
  const dialed = await dialExternal(remote, { apiKey: 'secret', clusterId: 'cluster' })();
  t.teardown(() => dialed.client.close());
  const call = (dialed.client as Client & { Stream(): Call }).Stream();
  call.on('error', () => {});
  await until('called', () => metadata.length === 2);
  t.same(metadata, ['secret', 'cluster']);
});
