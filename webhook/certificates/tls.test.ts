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
import { createWebhookServer } from '../server.ts';
import { idleAdmissions } from '../testing/idleadmissions.ts';
import { createAuthority, issueLeaf } from './issue.ts';

/** A line of the log. */
interface LogLine {
  readonly level: number;
  readonly msg: string;
}

const lines: LogLine[] = [];
const sink = new Writable({
  write: (chunk, _encoding, done) => {
    lines.push(JSON.parse(String(chunk)) as LogLine);
    done();
  },
});
const log = pino({}, sink);
const server = createWebhookServer({
  log,
  ...idleAdmissions(log),
});
const authority = await createAuthority(Date.now(), 1);
const issueServerLeaf = () => issueLeaf(authority, ['127.0.0.1'], Date.now(), 1);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

server.setCertificate(await issueServerLeaf());
server.setPaths(['/mutate']);
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

/** Posts one review over a connection of the agent, like the API server. */
const post = async (through: Agent) => {
  const call = request({
    host: '127.0.0.1',
    port,
    path: '/mutate',
    method: 'POST',
    agent: through,
    ca: authority.cert,
    headers: { 'content-type': 'application/json' },
  });
  call.end(BODY);
  const [response] = (await once(call, 'response')) as [import('node:http').IncomingMessage];
  const socket = response.socket as TLSSocket;
  const peer = { serial: socket.getPeerCertificate().serialNumber, protocol: response.httpVersion };
  await response.resume().toArray();
  return { status: response.statusCode, connection: response.headers.connection, socket, ...peer };
};

t.test('a new certificate is served to new connections, and open ones continue', async (t) => {
  const first = await post(agent);
  t.match(first, { status: 200, protocol: '1.1', connection: 'keep-alive' });
  server.setCertificate(await issueServerLeaf());
  const kept = await post(agent);
  t.equal(kept.socket, first.socket, 'the same connection');
  t.equal(kept.status, 200);
  const other = new Agent();
  t.not((await post(other)).serial, first.serial);
  other.destroy();
});

t.test('an aborted handshake is logged in one line of level info', async (t) => {
  lines.length = 0;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end();
  const deadline = Date.now() + 5_000;
  while (lines.length === 0 && Date.now() < deadline) await new Promise(setImmediate);
  t.match(lines, [{ level: 30, msg: /^http: TLS handshake error from 127\.0\.0\.1:\d+: EOF$/ }]);
  t.equal((await post(agent)).status, 200, 'the server still answers');
});

t.test(
  'draining takes 15 s, less than the grace period of the pod, and closes connections after an answer',
  async (t) => {
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
    server.startDraining();
    const last = await post(agent);
    t.match(last, { status: 200, connection: 'close' });
    await once(last.socket, 'close');
    t.pass('the connection is closed after the answer');
  },
);
