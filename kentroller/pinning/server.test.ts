import {
  type Client,
  type ClientDuplexStream,
  credentials,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import t from 'tap';
import {
  type ClientMessage,
  type Intent,
  loadPinningServices,
  type ServerMessage,
} from '../../api/pinning.ts';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';
import { IntentRegistry } from './intentregistry.ts';
import { PinningServer } from './server.ts';

type Stream = ClientDuplexStream<ClientMessage, ServerMessage>;
type PinningClient = Client & { Stream(): Stream };

const { pinning } = loadPinningServices();
const WAIT = { timeoutMs: 5_000, everyMs: 5 };
const intent = (id: string, nodeName = 'n'): Intent => ({ id, plan: 'p', nodeClaim: 'c', nodeName });

const pinningServer = new PinningServer(createLogger({ component: 'pinning-test', level: 'silent' }));
const server = new Server();
server.addService(pinning, pinningServer.implementation);
const port = await new Promise<number>((resolve, reject) => {
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
    error ? reject(error) : resolve(bound),
  );
});
const Pinning = makeGenericClientConstructor(pinning, 'Pinning');
const client = new Pinning(`127.0.0.1:${port}`, credentials.createInsecure()) as unknown as PinningClient;
t.teardown(() => {
  client.close();
  server.forceShutdown();
});

/** A pinner's end of a stream, and the messages that it received. */
const join = () => {
  const call = client.Stream();
  const received: string[] = [];
  const end: { error?: ServiceError } = {};
  call.on('data', ({ upsert, removed, version }: ServerMessage) => {
    const what = upsert ? `${upsert.id} on ${upsert.nodeName}` : removed ? `no ${removed}` : 'synced';
    received.push(`${version} ${what}`);
  });
  call.on('error', (error: ServiceError) => {
    end.error = error;
  });
  call.write({ hello: { clientId: 'me', clusterId: '', lastVersion: 0 } });
  return { call, received, end };
};

t.test('a replica that is not the leader sends nothing', async (t) => {
  const { end, received } = join();
  await until('the stream ends', () => end.error, WAIT);
  t.equal(end.error?.code, status.UNAVAILABLE);
  t.same(received, [], 'above all no empty snapshot');
});

t.test(
  'a pinner gets all intents, synced, then changes; its results arrive; the end of the term ends the stream',
  async (t) => {
    const intentRegistry = new IntentRegistry();
    intentRegistry.replaceAll([intent('a'), intent('b')]);
    const stop = pinningServer.serve(intentRegistry);
    const { call, received, end } = join();
    await until('all intents', () => received.length === 3, WAIT);
    t.same(received, ['1 a on n', '2 b on n', '2 synced']);
    t.equal(intentRegistry.viewOf('p').connected, true);

    intentRegistry.replaceAll([intent('b', 'm')]);
    await until('the changes', () => received.length === 5, WAIT);
    t.same(received.slice(3).sort(), ['3 b on m', '4 no a']);

    call.write({ result: { intentId: 'b', version: 3, state: 'BOUND', reason: '', bound: 1 } });
    await until('the answer', () => intentRegistry.viewOf('p').acknowledged, WAIT);
    t.match(intentRegistry.resultOf('b'), { state: 'BOUND', bound: 1 });

    stop();
    await until('the stream ends', () => end.error, WAIT);
    t.equal(end.error?.code, status.UNAVAILABLE);
    await until('the board knows', () => !intentRegistry.viewOf('p').connected, WAIT);
  },
);

t.test('a pinner that reconnects receives the full state again', async (t) => {
  const intentRegistry = new IntentRegistry();
  intentRegistry.replaceAll([intent('a')]);
  const stop = pinningServer.serve(intentRegistry);
  const first = join();
  await until('all intents', () => first.received.length === 2, WAIT);
  first.call.cancel();
  await until('it is removed', () => !intentRegistry.viewOf('p').connected, WAIT);
  intentRegistry.replaceAll([intent('a', 'm'), intent('b')]);
  const second = join();
  await until('all intents again', () => second.received.length === 3, WAIT);
  t.same(second.received, ['2 a on m', '3 b on n', '3 synced']);
  second.call.cancel();
  stop();
});
