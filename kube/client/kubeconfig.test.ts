import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import t from 'tap';
import { credentialsOf } from './credentials.ts';
import { inCluster, readKubeconfig } from './kubeconfig.ts';

const directory = mkdtempSync(join(tmpdir(), 'kubeconfig-test-'));
t.teardown(() => rmSync(directory, { recursive: true }));

const write = (name: string, config: object): string => {
  const path = join(directory, name);
  writeFileSync(path, JSON.stringify(config));
  return path;
};

const cluster = (name: string, server: string, more: object = {}): object => ({
  name,
  cluster: { server, ...more },
});

const one = (o: { server?: string; cluster?: object; user?: object; current?: string }): object => ({
  clusters: [cluster('c', o.server ?? 'https://one', o.cluster)],
  users: [{ name: 'u', user: o.user ?? {} }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  'current-context': o.current ?? 'x',
});

t.test('of several files the first with an entry wins', async (t) => {
  const first = write('first', { clusters: [cluster('c', 'https://first')] });
  const second = write('second', one({ server: 'https://second', user: { token: 'abc' } }));
  t.equal(readKubeconfig([first, second].join(delimiter)).cluster.server, 'https://first');
  t.equal(readKubeconfig([second, first].join(delimiter)).cluster.server, 'https://second');
});

t.test('paths in a kubeconfig are relative to its folder', async (t) => {
  const path = write(
    'relative',
    one({ cluster: { 'certificate-authority': 'ca.crt' }, user: { tokenFile: 'token' } }),
  );
  const target = readKubeconfig(path);
  t.equal(target.cluster.caFile, join(directory, 'ca.crt'));
  t.equal(target.user.tokenFile, join(directory, 'token'));
});

t.test('the error names what cannot be used', async (t) => {
  const table: [string, object, RegExp][] = [
    ['no-context', one({ current: 'y' }), /has no context 'y'; choose one with 'kubectl config use-context'/],
    ['no-cluster', { ...one({}), clusters: [] }, /has no cluster 'c'/],
    ['no-user', { ...one({}), users: [] }, /has no user 'u'/],
    ['no-url', one({ server: 'somewhere' }), /names the server 'somewhere', which is not a URL/],
    ['proxy', one({ cluster: { 'proxy-url': 'http://p' } }), /uses proxy-url, which is not supported/],
    ['provider', one({ user: { 'auth-provider': { name: 'oidc' } } }), /uses auth-provider, which is not/],
    ['empty', {}, /has no context ''/],
  ];
  for (const [name, config, message] of table)
    t.throws(() => readKubeconfig(write(name, config)), { name: 'OptionsError', message }, name);
});

/** Entries beside the chosen ones that kubectl takes, too, since it looks at what it uses. */
const beside = (more: { clusters?: object; users?: object; contexts?: object }): object => {
  const config = one({ user: { token: 'abc' } }) as Record<string, unknown>;
  for (const [list, entry] of Object.entries(more)) config[list] = [...(config[list] as object[]), entry];
  return config;
};

t.test('an odd entry that is not chosen does not refuse the whole kubeconfig', async (t) => {
  const table: [string, object][] = [
    ['exec-without-version', { users: { name: 'other', user: { exec: { command: 'aws' } } } }],
    ['exec-without-command', { users: { name: 'other', user: { exec: {} } } }],
    ['context-without-cluster', { contexts: { name: 'dev', context: { cluster: '', namespace: 'dev' } } }],
    ['cluster-without-server', { clusters: { name: 'other', cluster: {} } }],
    ['no-names', { users: {}, clusters: {}, contexts: {} }],
    ['nothing', { users: null as never, clusters: null as never, contexts: null as never }],
  ];
  for (const [name, more] of table) {
    const { user, cluster } = readKubeconfig(write(name, beside(more)));
    t.match({ user, cluster }, { user: { token: 'abc' }, cluster: { server: 'https://one' } }, name);
  }
});

t.test('what is missing of the chosen entries is named, with its place', async (t) => {
  const table: [string, object, RegExp][] = [
    [
      'version',
      one({ user: { exec: { command: 'aws' } } }),
      /users\[0\]\.user\.exec\.apiVersion is missing; comp/,
    ],
    ['command', one({ user: { exec: { apiVersion: 'v1' } } }), /users\[0\]\.user\.exec\.command is missing/],
    ['server', one({ cluster: { server: '' } }), /clusters\[0\]\.cluster\.server is missing/],
    [
      'cluster',
      { ...one({}), contexts: [{ name: 'x', context: { user: 'u' } }] },
      /the kubeconfig \S+cluster is not valid: contexts\[0\]\.context\.cluster is missing/,
    ],
  ];
  for (const [name, config, message] of table)
    t.throws(() => readKubeconfig(write(name, config)), { name: 'OptionsError', message }, name);
});

t.test('a field of a user that is set to nothing counts as not set', async (t) => {
  const user = { token: 'abc', 'as-groups': [], 'as-user-extra': {}, 'as-uid': '', 'auth-provider': null };
  t.equal(readKubeconfig(write('empty-fields', one({ user }))).user.token, 'abc');
  for (const set of [{ 'as-groups': ['admins'] }, { 'as-user-extra': { a: ['b'] } }, { 'as-uid': '1' }]) {
    const message = /uses as-[a-z-]+, which is not supported/;
    t.throws(() => readKubeconfig(write('set-fields', one({ user: { token: 'abc', ...set } }))), { message });
  }
});

t.test('a pod finds its server and its token', async (t) => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
  const target = inCluster(env, directory);
  t.equal(target.cluster.server, 'https://[fd00::1]:6443');
  t.equal(target.user.tokenFile, join(directory, 'token'));
  writeFileSync(join(directory, 'token'), 'first\n');
  const credentials = credentialsOf(target);
  t.same((await credentials.identity()).headers, { authorization: 'Bearer first' });
  writeFileSync(join(directory, 'token'), 'second\n');
  t.same((await credentials.identity()).headers, { authorization: 'Bearer first' }, 'kept for a minute');
  t.equal(credentials.renew(), true);
  t.same(
    (await credentials.identity()).headers,
    { authorization: 'Bearer second' },
    'or until it is refused',
  );
});
