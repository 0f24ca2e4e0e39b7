import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { credentialsOf } from './credentials.ts';
import { readKubeconfig, type Target } from './kubeconfig.ts';

const V1 = 'client.authentication.k8s.io/v1';
const ENV = { PATH: process.env.PATH };

const answerOf = (status: object, apiVersion = V1): object => ({
  kind: 'ExecCredential',
  apiVersion,
  status,
});

/** The target of a kubeconfig in `folder` whose user has the plugin. */
const targetIn = (folder: string, exec: object, more: { user?: object; cluster?: object } = {}): Target => {
  const path = join(folder, 'kubeconfig');
  const config = {
    clusters: [{ name: 'c', cluster: { server: 'https://one', ...more.cluster } }],
    users: [{ name: 'u', user: { exec: { apiVersion: V1, ...exec }, ...more.user } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(path, JSON.stringify(config));
  return readKubeconfig(path);
};

/** A plugin that notes what it is told in a file of `folder`, and prints an answer. */
const notingPlugin = (folder: string, answer: object): object => ({
  command: process.execPath,
  args: [
    '-e',
    `require('node:fs').appendFileSync('${join(folder, 'told')}', process.env.KUBERNETES_EXEC_INFO + '\\n');
     console.log(process.env.ANSWER)`,
  ],
  env: [{ name: 'ANSWER', value: JSON.stringify(answer) }],
});

const toldIn = (folder: string): unknown[] =>
  readFileSync(join(folder, 'told'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const identityOf = (target: Target) => credentialsOf(target, ENV).identity();

t.test('a plugin is told what client-go tells it, and its token is used', async (t) => {
  const folder = t.testdir();
  const plugin = notingPlugin(folder, answerOf({ token: 'from-plugin' }));
  t.same((await identityOf(targetIn(folder, plugin))).headers, { authorization: 'Bearer from-plugin' });
  t.same(toldIn(folder), [{ kind: 'ExecCredential', apiVersion: V1, spec: { interactive: false } }]);
});

t.test('a plugin that asks for it is told about the cluster', async (t) => {
  const folder = t.testdir({ 'ca.crt': 'pem' });
  const plugin = { ...notingPlugin(folder, answerOf({ token: 't' })), provideClusterInfo: true };
  const cluster = {
    'certificate-authority': 'ca.crt',
    extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'a' } }],
  };
  await identityOf(targetIn(folder, plugin, { cluster }));
  t.match(toldIn(folder), [
    {
      spec: {
        cluster: {
          server: 'https://one',
          'certificate-authority-data': Buffer.from('pem').toString('base64'),
          config: { audience: 'a' },
        },
      },
    },
  ]);
});

t.test('a command with a slash is found beside its kubeconfig, wherever we are started', async (t) => {
  const folder = t.testdir();
  mkdirSync(join(folder, 'bin'));
  const command = join(folder, 'bin', 'login');
  writeFileSync(command, `#!/bin/sh\necho '${JSON.stringify(answerOf({ token: 'near' }))}'\n`);
  chmodSync(command, 0o755);
  t.same((await identityOf(targetIn(folder, { command: 'bin/login' }))).headers, {
    authorization: 'Bearer near',
  });
});

t.test(
  'a plugin runs once for requests at the same time, and again once its token has expired',
  async (t) => {
    const folder = t.testdir();
    const runs = async (expirationTimestamp: string | undefined): Promise<number> => {
      writeFileSync(join(folder, 'told'), '');
      const answer = answerOf({ token: 't', ...(expirationTimestamp && { expirationTimestamp }) });
      const credentials = credentialsOf(targetIn(folder, notingPlugin(folder, answer)), ENV);
      await Promise.all([1, 2, 3].map(() => credentials.identity()));
      return toldIn(folder).length;
    };
    t.equal(await runs(undefined), 1);
    t.equal(await runs('2099-01-01T00:00:00Z'), 1);
    t.equal(await runs('2001-01-01T00:00:00Z'), 2);
  },
);

t.test('a client certificate of a plugin is used, and another user is acted for', async (t: Test) => {
  const folder = t.testdir();
  const plugin = notingPlugin(folder, answerOf({ clientCertificateData: 'cert', clientKeyData: 'key' }));
  t.same(await identityOf(targetIn(folder, plugin, { user: { as: 'jane' } })), {
    headers: { 'impersonate-user': 'jane' },
    cert: 'cert',
    key: 'key',
  });
});

t.test('the error names a plugin and why it failed', async (t) => {
  const printing = (answer: unknown): object => ({
    command: 'echo',
    args: [typeof answer === 'string' ? answer : JSON.stringify(answer)],
  });
  const table: [string, object, RegExp][] = [
    [
      'exit',
      { command: 'sh', args: ['-c', 'echo log in first >&2; exit 1'] },
      /^the .* plugin sh .* failed: log in first$/,
    ],
    ['silent', { command: 'sh', args: ['-c', 'exit 7'] }, /failed: it ended with 7$/],
    ['killed', { command: 'sh', args: ['-c', 'kill -9 $$'] }, /failed: it ended with SIGKILL$/],
    [
      'missing',
      { command: 'no-such-login', installHint: 'Get it from us.' },
      /it is not installed: Get it from us\.$/,
    ],
    ['text', printing('hello'), /it printed something else than an ExecCredential$/],
    ['null', printing('null'), /it printed something else than an ExecCredential$/],
    [
      'no status',
      printing({ kind: 'ExecCredential', apiVersion: V1 }),
      /it gave no token and no certificate$/,
    ],
    ['half', printing(answerOf({ clientCertificateData: 'c' })), /it gave only one of certificate and key$/],
    ['version', printing(answerOf({ token: 't' }, `${V1}beta1`)), /it answered in another version than/],
    ['old', { ...printing({}), apiVersion: `${V1}alpha1` }, /its apiVersion '.*v1alpha1' is not one of/],
    ['terminal', { ...printing({}), interactiveMode: 'Always' }, /it asks at a terminal/],
    ['endless', { command: 'yes' }, /it ended with/],
  ];
  for (const [name, exec, message] of table)
    await t.rejects(identityOf(targetIn(t.testdir(), exec)), { kind: 'forbidden', message }, name);
});

t.test('whom the kubeconfig acts for is never dropped', (t) => {
  const folder = t.testdir();
  for (const user of [{ 'as-groups': ['admins'] }, { 'as-uid': '7' }, { 'as-user-extra': { a: ['b'] } }])
    t.throws(() => targetIn(folder, { command: 'echo' }, { user }), {
      name: 'OptionsError',
      message: new RegExp(`uses ${Object.keys(user)}, which is not supported`),
    });
  t.end();
});
