import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { CHART, helm, objectsIn, program } from '../charts/tools.ts';
import { run } from '../ground/host/command.ts';
import { until } from '../ground/ready.ts';
import { registryConfig } from '../install/registry.ts';
import { gpgSigner } from './charts.ts';
import { RegistryClient } from './client.ts';
import { credentialsFor } from './credentials.ts';
import { INDEX, type Published } from './image.ts';
import { publish } from './publish.ts';

/** Image and charts in a registry, which is distribution's own. */

const MINUTES = { timeout: 540_000 };
const DIGEST = /^sha256:[a-f0-9]{64}$/;

const freePort = async (): Promise<number> => {
  const server = createNetServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** A registry with its content in `folder`. */
async function startRegistry(
  test: { teardown(end: () => Promise<void>): void },
  folder: string,
): Promise<string> {
  const host = `127.0.0.1:${await freePort()}`;
  const file = join(folder, 'registry.yml');
  writeFileSync(file, registryConfig(folder, host));
  const child = spawn(await program('registry'), ['serve', file], { stdio: 'ignore' });
  test.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  await until('the registry answers', 120_000, async () => (await fetch(`http://${host}/v2/`)).ok);
  return host;
}

/** A checkout, as far as a push reads it. */
const CHECKOUT = {
  'package.json': '{"version": "0.1.0"}',
  manifests: { overlays: { some: { 'kustomization.yaml': '' } } },
};

const plan = (architecture: 'amd64' | 'arm64', text: string): Published => ({
  name: 'docker.io/library/thing:1',
  architecture,
  layers: [
    {
      name: 'only',
      key: `${architecture}-${text}`,
      fill: async (to) => writeFileSync(join(to, 'hello'), text),
    },
  ],
  config: { Entrypoint: ['/hello'], User: '1:1', WorkingDir: '/', Env: [] },
  sbom: `{"of": "${architecture}"}`,
});

t.test(
  'image and charts are pushed, and Helm installs from there what names the image by digest',
  MINUTES,
  async (t) => {
    const folder = t.testdir({ cache: {}, pulled: {}, root: CHECKOUT });
    const host = await startRegistry(t, folder);
    const said: string[] = [];
    const push = (cache: string) =>
      publish({
        root: join(folder, 'root'),
        cache: join(folder, cache),
        registry: `${host}/platform`,
        version: '1.2.3',
        plans: [plan('amd64', 'one'), plan('arm64', 'two')],
        say: (line) => said.push(line),
      });
    const image = await push('cache');
    t.equal(await push('other'), image, 'two builds, same digest');
    const [name, digest = ''] = image.split('@');
    t.equal(name, `${host}/platform/precision-packer`);
    t.match(digest, DIGEST);

    const client = new RegistryClient({ host, repository: 'platform/precision-packer' });
    const index = JSON.parse((await client.manifest('1.2.3', INDEX)) ?? '{}');
    t.same(
      index.manifests.map((one: { platform: object }) => one.platform),
      [
        { architecture: 'amd64', os: 'linux' },
        { architecture: 'arm64', os: 'linux' },
      ],
    );
    for (const { digest: of, platform } of index.manifests) {
      const linked =
        (await fetch(`http://${host}/v2/platform/precision-packer/referrers/${of}`).then((r) =>
          r.ok ? r.text() : undefined,
        )) ?? (await client.manifest(of.replace(':', '-'), INDEX));
      const [entry] = JSON.parse(linked ?? '{}').manifests;
      t.equal(
        entry.artifactType,
        'application/vnd.cyclonedx+json',
        `the list of contents of ${platform.architecture}`,
      );
    }

    const pulled = join(folder, 'pulled');
    for (const chart of [
      'precision-packer',
      'precision-packer-crds',
      'castai-kentroller',
      'castai-pod-pinner',
    ]) {
      const from = `oci://${host}/platform/charts/${chart}`;
      await helm('pull', from, '--version=1.2.3', '--plain-http', `--destination=${pulled}`);
    }
    const byHelm = await helm(
      'template',
      'release',
      join(pulled, 'precision-packer-1.2.3.tgz'),
      '--namespace=castai-agent',
    );
    t.equal(byHelm.split(`image: ${image}`).length, 5, 'by digest, with no value set');
    const inTree = await helm('template', 'release', CHART, '--namespace=castai-agent');
    t.same([...objectsIn(byHelm).keys()], [...objectsIn(inTree).keys()]);

    const kustomization = readFileSync(
      join(folder, 'root', 'dist', 'kustomize', 'kustomization.yaml'),
      'utf8',
    );
    t.match(kustomization, `newName: ${name}`);
    t.match(kustomization, `digest: ${digest}`);
    t.equal(said.length, 14);
  },
);

t.test('charts are signed, and Helm verifies them', MINUTES, async (t) => {
  const folder = t.testdir({
    cache: {},
    pulled: {},
    root: CHECKOUT,
  });
  // gpg's agent listens on a socket there, whose path may have a hundred characters.
  const home = mkdtempSync(join(tmpdir(), 'gpg-'));
  const before = process.env.GNUPGHOME;
  process.env.GNUPGHOME = home;
  t.teardown(async () => {
    await run(['gpgconf', '--kill', 'gpg-agent']).catch(() => {});
    rmSync(home, { recursive: true, force: true });
    if (before === undefined) delete process.env.GNUPGHOME;
    else process.env.GNUPGHOME = before;
  });
  const unattended = ['gpg', '--batch', '--passphrase', '', '--pinentry-mode', 'loopback'];
  await run([...unattended, '--quick-generate-key', 'tester@example.com', 'rsa2048', 'sign', 'never']);
  const ring = join(folder, 'ring.gpg');
  await run(['gpg', '--batch', '--output', ring, '--export', 'tester@example.com']);
  const host = await startRegistry(t, folder);
  await publish({
    root: join(folder, 'root'),
    cache: join(folder, 'cache'),
    registry: host,
    plans: [plan('amd64', 'one')],
    sign: gpgSigner('tester@example.com'),
    say: () => {},
  });
  const pull = [
    'pull',
    `oci://${host}/charts/castai-kentroller`,
    '--plain-http',
    '--verify',
    `--keyring=${ring}`,
  ];
  await t.resolves(helm(...pull, `--destination=${join(folder, 'pulled')}`));
});

t.test('a registry with logins gets them, and nobody else does', async (t) => {
  const seen: { readonly path: string; readonly authorization: string | undefined }[] = [];
  const record = (request: IncomingMessage): string => {
    seen.push({ path: request.url ?? '', authorization: request.headers.authorization });
    request.resume();
    return request.url ?? '';
  };
  const elsewhere = createServer((request, response) => {
    record(request);
    response.writeHead(201).end();
  }).listen(0, '127.0.0.1');
  const basic = `Basic ${Buffer.from('robot:s3cret').toString('base64')}`;
  const registry = createServer((request, response) => {
    const path = record(request);
    const { authorization } = request.headers;
    if (path.startsWith('/token')) {
      if (authorization === basic) response.end('{"token": "pass"}');
      else response.writeHead(401).end();
    } else if (authorization !== 'Bearer pass')
      response
        .writeHead(401, {
          'www-authenticate': `Bearer realm="http://${hostOf(registry)}/token",service="registry"`,
        })
        .end();
    else if (request.method === 'POST')
      response.writeHead(202, { location: `http://${hostOf(elsewhere)}/upload?state=1` }).end();
    else response.writeHead(request.method === 'HEAD' ? 404 : 403).end('{"errors": [{"code": "DENIED"}]}');
  }).listen(0, '127.0.0.1');
  await Promise.all([once(registry, 'listening'), once(elsewhere, 'listening')]);
  t.teardown(() => [registry, elsewhere].map((server) => server.close()));
  const host = hostOf(registry);
  const dir = t.testdir({
    'config.json': JSON.stringify({
      auths: { [host]: { auth: Buffer.from('robot:s3cret').toString('base64') } },
    }),
  });
  const credentials = await credentialsFor(host, join(dir, 'config.json'));
  const client = new RegistryClient({ host, repository: 'a/b', credentials });
  await client.pushBlob(`sha256:${'0'.repeat(64)}`, new Blob(['x']));
  const upload = seen.find(({ path }) => path.startsWith('/upload'));
  t.match(upload?.path, 'state=1');
  t.match(upload?.path, 'digest=sha256');
  t.equal(upload?.authorization, undefined, 'an upload elsewhere is given no credentials');
  t.match(
    seen.find(({ path }) => path.startsWith('/token'))?.path,
    `scope=${encodeURIComponent('repository:a/b:pull,push')}`,
  );
  const denied = await client.pushManifest('1', INDEX, '{}').catch((error: Error) => error);
  t.match(denied, { message: /answers 403 to PUT of a\/b\/manifests\/1: the account may not push there/ });
  const stranger = new RegistryClient({
    host,
    repository: 'a/b',
    credentials: { username: 'robot', password: 'wr0ng' },
  });
  const refused = await stranger.manifest('1', INDEX).catch((error: Error) => error);
  t.match(refused, { message: /gives no token/ });
  t.notMatch(JSON.stringify([String(denied), String(refused)]), /s3cret|wr0ng|cm9ib3Q|Bearer|Basic/);
});

t.test('credentials come from the file that docker login writes, or from its helpers', async (t) => {
  const auth = Buffer.from('user:pa:ss').toString('base64');
  const dir = t.testdir({
    'config.json': JSON.stringify({
      auths: {
        'a.example.com': { auth },
        'https://b.example.com': { identitytoken: 'tok' },
        'c.example.com': {},
      },
      credHelpers: { 'd.example.com': 'ecr-login', 'e.example.com': 'broken' },
    }),
    'none.json': `{"auths": {"a.example.com": {"auth": "${auth}"`,
  });
  const file = join(dir, 'config.json');
  const ask = async (name: string): Promise<string> => {
    if (name.includes('broken')) throw new Error('s3cret');
    return '{"ServerURL": "", "Username": "AWS", "Secret": "s"}';
  };
  const of = (host: string) => credentialsFor(host, file, ask);
  t.same(await of('a.example.com'), { username: 'user', password: 'pa:ss' });
  t.same(await of('b.example.com'), { username: '<token>', password: 'tok' });
  t.equal(await of('c.example.com'), undefined);
  t.same(await of('d.example.com'), { username: 'AWS', password: 's' });
  t.equal(await of('constructor'), undefined);
  t.equal(await credentialsFor('a.example.com', join(dir, 'absent.json')), undefined);
  const failures = [of('e.example.com'), credentialsFor('a.example.com', join(dir, 'none.json'))];
  for (const failure of failures) {
    const error = await failure.catch((e: Error) => e);
    t.type(error, Error);
    t.notMatch(String(error), /s3cret|dXNlcjpwYTpzcw/);
  }
});

function hostOf(server: { address(): unknown }): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
