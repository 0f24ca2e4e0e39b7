import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { pino } from 'pino';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { parse } from '../../kube/component/options.ts';
import { options } from '../options.ts';
import { webhookServer } from '../server.ts';
import { makeAuthority, makeLeaf } from './x509.ts';

/** The server as the API server meets it: over TLS, on connections that are kept. */

interface Line {
  readonly level: number;
  readonly msg: string;
}

const lines: Line[] = [];
const sink = new Writable({
  write: (chunk, _encoding, done) => {
    lines.push(JSON.parse(String(chunk)) as Line);
    done();
  },
});
const log = pino({}, sink);
const server = webhookServer({
  log,
  admission: {
    ownNamespace: 'castai-agent',
    isMoved: () => false,
    isCoexisting: () => false,
    take: () => Promise.reject(new Error('nobody is asked')),
    log,
    observe: () => {},
  },
});
const authority = await makeAuthority(Date.now(), 1);
const makeOne = () => makeLeaf(authority, ['127.0.0.1'], Date.now(), 1);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

server.load(await makeOne());
await server.app.listen({ host: '127.0.0.1', port: 0 });
const { port } = server.app.server.address() as AddressInfo;
t.teardown(async () => {
  agent.destroy();
  await server.app.close();
});

const BODY = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'r', operation: 'CREATE', resource: { group: '', resource: 'pods' }, namespace: 'n' },
});

/** One review over a connection of the agent: status, the header, the serial of the certificate that was met. */
const ask = async (over: Agent) => {
  const call = request({
    host: '127.0.0.1',
    port,
    path: '/mutate',
    method: 'POST',
    agent: over,
    ca: authority.cert,
    headers: { 'content-type': 'application/json' },
  });
  call.end(BODY);
  const [response] = (await once(call, 'response')) as [import('node:http').IncomingMessage];
  const socket = response.socket as TLSSocket;
  const met = { serial: socket.getPeerCertificate().serialNumber, protocol: response.httpVersion };
  await response.resume().toArray();
  return { status: response.statusCode, connection: response.headers.connection, socket, ...met };
};

t.test('a new certificate is served to new connections, and those that are open go on', async (t) => {
  const first = await ask(agent);
  t.match(first, { status: 200, protocol: '1.1', connection: 'keep-alive' });
  server.load(await makeOne());
  const kept = await ask(agent);
  t.equal(kept.socket, first.socket, 'the same connection');
  t.equal(kept.status, 200);
  const other = new Agent();
  t.not((await ask(other)).serial, first.serial);
  other.destroy();
});

t.test('a handshake that ends early is one line of no alarm', async (t) => {
  lines.length = 0;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end();
  const began = Date.now();
  while (lines.length === 0 && Date.now() - began < 5_000) await new Promise(setImmediate);
  t.match(lines, [{ level: 30, msg: /^http: TLS handshake error from 127\.0\.0\.1:\d+: EOF$/ }]);
  t.equal((await ask(agent)).status, 200, 'and everything goes on');
});

t.test('told to stop, it serves on for 15 s, within what the kubelet allows', async (t) => {
  const o = parse(options, { argv: [], env: { POD_NAMESPACE: 'n' }, name: 'webhook' });
  t.equal(o.shutdownDelay, 15_000);
  const manifest = readFileSync(
    new URL('../../manifests/base/webhook/deployment.yaml', import.meta.url),
    'utf8',
  );
  const deployment = parseAllDocuments(manifest)[0]?.toJS() as {
    spec: { template: { spec: { terminationGracePeriodSeconds: number } } };
  };
  t.ok(deployment.spec.template.spec.terminationGracePeriodSeconds * 1_000 > o.shutdownDelay);
  server.leave();
  const last = await ask(agent);
  t.match(last, { status: 200, connection: 'close' });
  await once(last.socket, 'close');
  t.pass('the connection is closed after the answer');
});
