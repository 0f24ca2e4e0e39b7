import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { NODES } from '../../api/resources.ts';
import { ApiProxy } from '../testing/apiproxy.ts';
import { upstreamOf, writeKubeconfig } from '../testing/kubeconfig.ts';
import { kubeErrorOf } from '../testing/kubeerror.ts';
import { scratch } from '../testing/scratch.ts';
import { createDefaultServiceAccount } from '../testing/unscheduledpod.ts';
import { connect, type KubeClient } from './client.ts';

const directory = t.testdir();
const { client, kubeconfig, namespace } = scratch(t, 'connect');

t.test('each connection problem gives one sentence that says what to do', async (t) => {
  const upstream = upstreamOf(kubeconfig);
  const free = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => free.once('listening', resolve));
  const { port } = free.address() as { port: number };
  await new Promise((resolve) => free.close(resolve));
  const via = (name: string, o: Partial<Parameters<typeof writeKubeconfig>[1]>): KubeClient => {
    const path = writeKubeconfig(join(directory, name), { ...upstream, ...o });
    const wrong = connect({ kubeconfig: path, userAgent: 'wrong' });
    t.teardown(() => wrong.close());
    return wrong;
  };
  const said = async (c: KubeClient): Promise<string> => (await kubeErrorOf(c.list(NODES))).message;
  t.match(
    await said(via('gone', { server: `https://127.0.0.1:${port}` })),
    /refused: is it running, and is the address/,
  );
  t.match(
    await said(via('name', { server: 'https://no-such-host.invalid' })),
    /name.*(check the server|check DNS)/,
  );
  const api = await ApiProxy.to(upstream);
  t.teardown(() => api.close());
  t.match(
    await said(via('ca', { server: `https://127.0.0.1:${api.port}` })),
    /certificate is not trusted: check cert/,
  );
  const path = writeKubeconfig(join(directory, 'token'), {
    server: upstream.server,
    ca: upstream.ca,
    token: 'bad',
  });
  const stranger = connect({ kubeconfig: path, userAgent: 'wrong' });
  t.teardown(() => stranger.close());
  t.match(await said(stranger), /does not accept our credentials \(401\): check the user/);
  const nobody = connect({ kubeconfig, userAgent: 'wrong' });
  t.teardown(() => nobody.close());
  const bad = join(directory, 'bad');
  writeFileSync(bad, 'clusters: [');
  t.throws(() => connect({ kubeconfig: bad, userAgent: 'x' }), {
    name: 'OptionsError',
    message: /is not valid/,
  });
  t.throws(() => connect({ kubeconfig: '/nowhere', userAgent: 'x' }), {
    message: /cannot read the kubeconfig/,
  });
  t.throws(() => connect({ userAgent: 'x', env: {} }), { message: /set KUBECONFIG or --kubeconfig/ });
});

t.test('the error names the permission that is missing, and a rotated token is read again', async (t) => {
  await createDefaultServiceAccount(client, namespace);
  const token = async (): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`;
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 600 },
    };
    return (await client.request<{ status: { token: string } }>('POST', path, { body })).status.token;
  };
  const upstream = upstreamOf(kubeconfig);
  const tokenFile = join(directory, 'token-file');
  writeFileSync(tokenFile, 'not yet');
  const path = join(directory, 'with-token-file');
  const ca = upstream.ca.toString('base64');
  writeFileSync(
    path,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: upstream.server, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { tokenFile: 'token-file' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  const account = connect({ kubeconfig: path, userAgent: 'account' });
  t.teardown(() => account.close());
  t.equal((await kubeErrorOf(account.list(NODES))).status, 401);
  writeFileSync(tokenFile, `${await token()}\n`);
  const refused = await kubeErrorOf(account.list(NODES));
  t.equal(refused.kind, 'forbidden');
  t.match(refused.message, /system:serviceaccount:.*cannot list resource "nodes".*\(403\): grant it/);
});
