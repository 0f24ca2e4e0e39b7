import { type ClientDuplexStream, credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { type ClientMessage, loadPinningServices, type ServerMessage } from '../../api/pinning.ts';
import { dialExternal } from '../../extender/intents/dial.ts';
import { Results } from '../../extender/intents/results.ts';
import { IntentStore } from '../../extender/intents/store.ts';
import { followStream } from '../../extender/intents/stream.ts';
import { createLogger } from '../../kube/component/log.ts';
import { plainRemote } from '../../kube/grpc/remote.ts';

/**
 * A client of the pin stream: `streamclient.ts ADDRESS ours|echo`. The echo answers each message and stores nothing.
 */

const [address = '', mode = 'ours'] = process.argv.slice(2);
const ended = new AbortController();
process.on('SIGTERM', () => ended.abort());

const echo = (): void => {
  const Pinning = makeGenericClientConstructor(loadPinningServices().pinning, 'Pinning');
  const client = new Pinning(address, credentials.createInsecure());
  const call = (client as unknown as { Stream(): ClientDuplexStream<ClientMessage, ServerMessage> }).Stream();
  call.on('data', ({ upsert, version }: ServerMessage) => {
    if (upsert)
      call.write({ result: { intentId: upsert.id, version, state: 'UNKNOWN', reason: '', bound: 0 } });
  });
  call.on('error', () => {});
  call.write({ hello: { clientId: mode, clusterId: '', lastVersion: 0 } });
  ended.signal.addEventListener('abort', () => {
    call.cancel();
    client.close();
  });
};

const ours = async (): Promise<void> => {
  const log = createLogger({ component: 'streamclient', level: 'error' });
  const dial = dialExternal(plainRemote(address), { apiKey: '', clusterId: '' });
  await followStream({
    dial,
    store: new IntentStore(log),
    results: new Results(),
    clientId: mode,
    clusterId: '',
    signal: ended.signal,
    log,
  });
};

if (mode === 'echo') echo();
else await ours();
