import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { generate } from 'selfsigned';
import t from 'tap';
import { type ClientMessage, loadPinningServices, type ServerMessage } from '../../api/pinning.ts';
import { createLogger, type Logger } from '../../kube/component/log.ts';
import { checkRemote, plainRemote, type Remote } from '../../kube/grpc/remote.ts';
import { dialExternal } from './dial.ts';
import { Results } from './results.ts';
import { IntentStore } from './store.ts';
import { followStream } from './stream.ts';

/** The stream from an autoscaler outside the cluster, over real TLS. */

interface Pair {
  readonly cert: string;
  readonly key: string;
}

const folder = mkdtempSync(join(tmpdir(), 'autoscaler-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const silent = createLogger({ component: 'autoscaler', level: 'silent' });
const KEY = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

const authority = async (name: string): Promise<Pair> => {
  const extensions = [{ name: 'basicConstraints', cA: true, critical: true } as const];
  const made = await generate([{ name: 'commonName', value: name }], { ...KEY, extensions });
  return { cert: made.cert, key: made.private };
};
const leaf = async (ca: Pair, ip: string, validTo = new Date(Date.now() + 3_600_000)): Promise<Pair> => {
  const made = await generate([{ name: 'commonName', value: 'leaf' }], {
    ...KEY,
    ca,
    notBeforeDate: new Date(Date.now() - 7_200_000),
    notAfterDate: validTo,
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip }] }],
  });
  return { cert: made.cert, key: made.private };
};
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const [ours, theirs] = await Promise.all([authority('ours'), authority('theirs')]);
const [right, otherName, expired, client, stranger] = await Promise.all([
  leaf(ours, '127.0.0.1'),
  leaf(ours, '127.0.0.2'),
  leaf(ours, '127.0.0.1', new Date(Date.now() - 3_600_000)),
  leaf(ours, '127.0.0.1'),
  leaf(theirs, '127.0.0.1'),
]);
const files = {
  ca: file('ca.pem', ours.cert),
  otherCa: file('other-ca.pem', theirs.cert),
  cert: file('cert.pem', client.cert),
  key: file('key.pem', client.key),
  otherCert: file('other-cert.pem', stranger.cert),
  otherKey: file('other-key.pem', stranger.key),
  nonsense: file('nonsense.pem', 'nonsense'),
};

type Call = ServerDuplexStream<ClientMessage, ServerMessage>;

/** An autoscaler that sends one intent to every client. */
const serve = async (t: { teardown(end: () => void): void }, secured: ServerCredentials) => {
  const keys: string[] = [];
  const server = new Server();
  server.addService(loadPinningServices().pinning, {
    Stream: (call: Call) => {
      keys.push(String(call.metadata.get('x-api-key')[0]));
      call.on('error', () => {}).resume();
      const pin = { namespace: 'n', pod: { name: 'p', uid: 'u' } };
      call.write({ version: 1, upsert: { id: 'a', plan: 'p', nodeClaim: 'c', nodeName: '', pin } });
      call.write({ version: 1, synced: {} });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', secured, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  t.teardown(() => server.forceShutdown());
  return { port, keys };
};

/** Resolves with the first outcome of following the stream: its full state, or the log line of the failure. */
const outcomeOf = async (
  remote: Remote,
  connectTimeoutMs = 10_000,
): Promise<{ readonly reason?: string; readonly intents: number }> => {
  const stopping = new AbortController();
  const store = new IntentStore(silent);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const log = {
    ...silent,
    info: () => {},
    debug: () => {},
    warn: (fields: { reason?: string }, message: string) => {
      if (message === 'failed streaming pod pinning actions, restarting...') resolve(fields.reason);
    },
  } as unknown as Logger;
  const following = followStream({
    dial: dialExternal(remote, { apiKey: 'secret', clusterId: '' }),
    store,
    results: new Results(),
    clientId: 'me',
    clusterId: '',
    signal: stopping.signal,
    connectTimeoutMs,
    log,
    onState: (isSynced) => isSynced && resolve(undefined),
  });
  const reason = await promise;
  stopping.abort();
  await following;
  return { ...(reason === undefined ? {} : { reason }), intents: store.size };
};

const tls = (pair: Pair): ServerCredentials =>
  ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(pair.cert), private_key: Buffer.from(pair.key) },
  ]);
const mutual = (pair: Pair): ServerCredentials =>
  ServerCredentials.createSsl(
    Buffer.from(ours.cert),
    [{ cert_chain: Buffer.from(pair.cert), private_key: Buffer.from(pair.key) }],
    true,
  );
const trusting: Partial<Remote> = { isPlain: false, caFile: files.ca };

const GOOD: readonly (readonly [string, ServerCredentials, Partial<Remote>])[] = [
  ['TLS, with the file of its authority', tls(right), trusting],
  [
    'mutual TLS, with a certificate of ours',
    mutual(right),
    { ...trusting, certFile: files.cert, keyFile: files.key },
  ],
  ['TLS turned off', ServerCredentials.createInsecure(), {}],
];
for (const [what, server, settings] of GOOD) {
  t.test(`${what}: the stream is followed, and the API key goes along`, async (t) => {
    const { port, keys } = await serve(t, server);
    const outcome = await outcomeOf({ ...plainRemote(`https://127.0.0.1:${port}/`), ...settings });
    t.same(outcome, { intents: 1 });
    t.same(keys, ['secret']);
  });
}

const BAD: readonly (readonly [string, ServerCredentials, Partial<Remote>, RegExp])[] = [
  [
    'no authority is named',
    tls(right),
    { isPlain: false },
    /not issued by a trusted authority.* GRPC_CA_FILE/,
  ],
  [
    'another authority is named',
    tls(right),
    { ...trusting, caFile: files.otherCa },
    /GRPC_CA_FILE to the PEM file of its authority/,
  ],
  [
    'the certificate is for another host',
    tls(otherName),
    trusting,
    /set GRPC_URL to a host name in the certificate/,
  ],
  ['the certificate has expired', tls(expired), trusting, /has expired/],
  [
    'the server does not speak TLS',
    ServerCredentials.createInsecure(),
    trusting,
    /set GRPC_DISABLE_TLS to true/,
  ],
  [
    'a client certificate is required and none is sent',
    mutual(right),
    trusting,
    /GRPC_CERT_FILE and GRPC_KEY_FILE/,
  ],
  [
    'a certificate of another authority is shown',
    mutual(right),
    { ...trusting, certFile: files.otherCert, keyFile: files.otherKey },
    /GRPC_CERT_FILE and GRPC_KEY_FILE/,
  ],
  [
    'the file of the authority is not there',
    tls(right),
    { ...trusting, caFile: '/none.pem' },
    /^GRPC_CA_FILE can't be read: .*none/,
  ],
  [
    'the file of the certificate holds none',
    tls(right),
    { ...trusting, certFile: files.nonsense, keyFile: files.nonsense },
    /GRPC_CERT_FILE or GRPC_KEY_FILE is not a usable PEM file/,
  ],
];
for (const [what, server, settings, expected] of BAD) {
  t.test(`${what}: one sentence says what to do`, async (t) => {
    const { port } = await serve(t, server);
    const { reason, intents } = await outcomeOf({ ...plainRemote(`127.0.0.1:${port}`), ...settings });
    t.match(reason, expected);
    t.equal(intents, 0);
  });
}

t.test('a refused connection is logged at once', async (t) => {
  const { reason } = await outcomeOf(plainRemote('127.0.0.1:1'));
  t.match(reason, /ECONNREFUSED/);
});

t.test('a peer that accepts the connection and sends nothing is dropped in time', async (t) => {
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
  const { port } = mute.address() as AddressInfo;
  const remote = { ...plainRemote(`127.0.0.1:${port}`), ...trusting };
  t.match((await outcomeOf(remote, 200)).reason, /no connection within 200 ms/);
});

t.test('a certificate that is renewed in its file is used for the next connection', async (t) => {
  const caFile = file('changing.pem', theirs.cert);
  const { port } = await serve(t, tls(right));
  const remote = { ...plainRemote(`127.0.0.1:${port}`), ...trusting, caFile };
  t.match((await outcomeOf(remote)).reason, /GRPC_CA_FILE/);
  writeFileSync(caFile, ours.cert);
  t.same(await outcomeOf(remote), { intents: 1 });
});

t.test('settings that contradict each other are refused with a sentence', async (t) => {
  const remote = plainRemote('there:443');
  t.throws(() => checkRemote({ ...remote, certFile: 'a' }), /set both or neither/);
  t.throws(() => checkRemote({ ...remote, caFile: 'a' }), /GRPC_DISABLE_TLS is true/);
  t.doesNotThrow(() => checkRemote({ ...remote, isPlain: false, caFile: 'a', certFile: 'b', keyFile: 'c' }));
});
