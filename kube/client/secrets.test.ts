import { writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NAMESPACES } from '../../api/resources.ts';
import { kubeErrorOf } from '../testing/kubeerror.ts';
import { connect, type KubeClient } from './client.ts';
import { readKubeconfig } from './kubeconfig.ts';

/** Credentials of ours, and servers and files that would give them away. */

const TOKEN = 'SECRET-TOKEN';

const kubeconfigOf = (
  t: Pick<Test, 'testdir'>,
  server: string,
  user: object,
  cluster: object = {},
): string => {
  const path = join(t.testdir(), 'kubeconfig');
  const config = {
    clusters: [{ name: 'c', cluster: { server, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
};

const serve = async (t: Pick<Test, 'teardown'>, listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const connectTo = (t: Test, server: string, o: object = {}): KubeClient => {
  const client = connect({
    kubeconfig: kubeconfigOf(t, server, { token: TOKEN }),
    userAgent: 'secrets',
    ...o,
  });
  t.teardown(() => client.close());
  return client;
};

/** All that a log shows of an error. */
const shown = (error: unknown): string =>
  error instanceof Error ? `${error.message} ${error.stack} ${shown(error.cause)}` : String(error);

t.test('attack: our token does not follow a redirect of the API server', async (t) => {
  const seen: string[] = [];
  const thief = await serve(t, (request, response) => {
    seen.push(String(request.headers.authorization));
    response.end('{}');
  });
  const api = await serve(t, (_, response) => void response.writeHead(307, { location: thief }).end());
  const error = await kubeErrorOf(connectTo(t, api).get(NAMESPACES, { name: 'n' }));
  t.match(error.message, /redirect \(307\), which is not followed/);
  t.same(seen, []);
});

t.test('attack: an answer that is cut short is not read back in the error', async (t) => {
  const api = await serve(t, (_, response) => void response.end(`{"status":{"token":${TOKEN}`));
  const error = await kubeErrorOf(connectTo(t, api).request('POST', '/token'));
  t.match(error.message, /cut short/);
  t.notMatch(shown(error), /SECRET/);
});

t.test('attack: what a credential plugin prints is not read back in the error', async (t) => {
  const exec = (script: string): string =>
    kubeconfigOf(t, 'https://127.0.0.1:1', {
      exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script] },
    });
  const failing = connect({ kubeconfig: exec(`echo ${TOKEN}`), userAgent: 'secrets', env: process.env });
  t.teardown(() => failing.close());
  const error = await kubeErrorOf(failing.get(NAMESPACES, { name: 'n' }));
  t.match(error.message, /credential plugin sh .* something else than an ExecCredential/);
  t.notMatch(shown(error), /SECRET/);
});

t.test('attack: a kubeconfig that is not valid is not quoted', (t) => {
  const path = join(t.testdir(), 'kubeconfig');
  writeFileSync(path, `users:\n- name: u\n  user: {token: ${TOKEN}\n  : ]`);
  try {
    readKubeconfig(path);
    t.fail('it was read');
  } catch (error) {
    t.match(error, { name: 'OptionsError' });
    t.notMatch(shown(error), /SECRET/);
  }
  t.end();
});

t.test('attack: a password in the address of the API server is refused, and not read back', (t) => {
  for (const server of ['https://user:pa55@api', 'https://user:pa/55@api']) {
    try {
      readKubeconfig(kubeconfigOf(t, server, {}));
      t.fail(server);
    } catch (error) {
      t.match(error, { name: 'OptionsError' });
      t.notMatch(shown(error), /pa\/?55/);
    }
  }
  t.end();
});

t.test('attack: nobody reads credentials off a plain connection that was not asked for', (t) => {
  const read = (server: string, user: object, cluster = {}) =>
    readKubeconfig(kubeconfigOf(t, server, user, cluster)).cluster.server;
  for (const user of [{ token: TOKEN }, { tokenFile: 'token' }, { username: 'u', password: 'p' }])
    t.throws(() => read('http://10.0.0.1:8080', user), /without TLS: use https, or set insecure-skip-tls/);
  const skips = { 'insecure-skip-tls-verify': true };
  t.equal(read('http://10.0.0.1:8080', { token: TOKEN }, skips), 'http://10.0.0.1:8080');
  t.equal(read('http://10.0.0.1:8080', {}), 'http://10.0.0.1:8080', 'there is nothing to read');
  t.equal(read('http://127.0.0.1:8080', { token: TOKEN }), 'http://127.0.0.1:8080');
  t.end();
});

t.test('attack: reviews of strangers\u2019 tokens use up none of our own rate', async (t) => {
  const api = await serve(t, (_, response) => void response.end('{"metadata":{"name":"n"}}'));
  // One request, and the next after a quarter of an hour.
  const client = connectTo(t, api, { qps: 0.001, burst: 1 });
  for (let i = 0; i < 50; i++) await client.request('POST', '/tokenreviews', { hasOwnPace: true });
  t.equal((await client.get(NAMESPACES, { name: 'n' })).metadata.name, 'n');
});
