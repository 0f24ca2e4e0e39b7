import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';
import { followVerbFiles, verbTlsOf } from './certificates.ts';
import { createExtenderServer } from './server.ts';

/** The verbs over TLS, asked as kube-scheduler does and as strangers do. */

const log = createLogger({ component: 'certificates', level: 'silent' });
const KEY = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
const SCHEDULER = 'system:kube-scheduler';

interface Pair {
  readonly cert: string;
  readonly key: string;
}

const authorityOf = async (name: string): Promise<Pair> => {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...KEY,
    extensions: [{ name: 'basicConstraints', cA: true, critical: true }],
  });
  return { cert: made.cert, key: made.private };
};

const certificateOf = async (ca: Pair, name: string): Promise<Pair> => {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...KEY,
    ca,
    extensions: [
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  return { cert: made.cert, key: made.private };
};

const serverAuthority = await authorityOf('server authority');
const clientAuthority = await authorityOf('client authority');
const dir = t.testdir({});
const certFile = join(dir, 'tls.crt');
const keyFile = join(dir, 'tls.key');
const clientCaFile = join(dir, 'ca.crt');
const renew = async (): Promise<void> => {
  const { cert, key } = await certificateOf(serverAuthority, 'pod pinner');
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
};
await renew();
writeFileSync(clientCaFile, clientAuthority.cert);

const OPTIONS = {
  verbsCertFile: certFile,
  verbsKeyFile: keyFile,
  verbsClientCaFile: clientCaFile,
  verbsClientNames: [SCHEDULER],
};
const tls = verbTlsOf(OPTIONS);
if (!tls) throw new Error('TLS is configured');
const app = createExtenderServer({ leader: () => undefined, tls, log });
const following = new AbortController();
const server = app.server as unknown as Server;
await followVerbFiles(server, tls.files, { signal: following.signal, log, everyMs: 20 });
await app.listen({ host: '127.0.0.1', port: 0 });
const { port } = server.address() as AddressInfo;
t.teardown(async () => {
  following.abort();
  await app.close();
});

const BODY = JSON.stringify({ Pod: { metadata: { name: 'p', uid: 'u' } }, NodeNames: ['a'] });

const ask = async (o: RequestOptions) => {
  const call = request({
    host: '127.0.0.1',
    port,
    path: '/filter',
    method: 'POST',
    ca: serverAuthority.cert,
    agent: false,
    headers: { 'content-type': 'application/json' },
    ...o,
  });
  call.end(BODY);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const serial = (response.socket as TLSSocket).getPeerCertificate().serialNumber;
  const body = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode, serial, body };
};

t.test('kube-scheduler is answered, with a client certificate in its tlsConfig', async (t) => {
  const { status, body } = await ask(await certificateOf(clientAuthority, SCHEDULER));
  t.equal(status, 200, body);
  t.same((JSON.parse(body) as { NodeNames: unknown }).NodeNames, ['a']);
});

t.test('attack: a stranger without a certificate is not answered', async (t) => {
  await t.rejects(ask({}));
});

t.test('attack: a stranger with a certificate of its own making is not answered', async (t) => {
  const own = await authorityOf('client authority');
  await t.rejects(ask(await certificateOf(own, SCHEDULER)));
});

t.test('attack: a certificate of the same authority for another user is refused', async (t) => {
  const { status, body } = await ask(await certificateOf(clientAuthority, 'system:node:a'));
  t.equal(status, 403);
  t.match(JSON.parse(body), { Error: /system:node:a may not call the extender/ });
});

t.test('a certificate that is renewed in its file is served without a restart', async (t) => {
  const client = await certificateOf(clientAuthority, SCHEDULER);
  const { serial } = await ask(client);
  writeFileSync(keyFile, 'half of a key');
  t.equal((await ask(client)).serial, serial, 'until the files are whole, the one in use stays');
  await renew();
  const wait = { timeoutMs: 10_000, everyMs: 20 };
  await until('the new one', async () => (await ask(client)).serial !== serial, wait);
  t.equal((await ask(client)).status, 200);
});

t.test('settings that contradict each other are refused with a sentence', async (t) => {
  const plain = { verbsCertFile: '', verbsKeyFile: '', verbsClientCaFile: '' };
  t.equal(verbTlsOf({ ...OPTIONS, ...plain }), undefined);
  t.match(verbTlsOf({ ...OPTIONS, verbsClientCaFile: '' }), { callers: undefined });
  t.throws(() => verbTlsOf({ ...OPTIONS, verbsKeyFile: '' }), /belong together/);
  t.throws(() => verbTlsOf({ ...OPTIONS, verbsCertFile: '', verbsKeyFile: '' }), /needs TLS/);
});
