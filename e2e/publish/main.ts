import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../kube/errors.ts';
import { ARCHITECTURES, type Architecture } from '../ground/image/architecture.ts';
import { cacheRoot } from '../ground/paths.ts';
import { gpgSigner } from './charts.ts';
import { credentialsFor } from './credentials.ts';
import { imagePlans, publish } from './publish.ts';

const USAGE =
  'usage: make push REGISTRY=registry.example.com/folder [VERSION=0.1.0] [ARCHITECTURES=amd64,arm64] [SIGN_KEY=name]';

/** Pushes image and charts: `make push`. */
async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      registry: { type: 'string', default: '' },
      version: { type: 'string', default: '' },
      architectures: { type: 'string', default: '' },
      'sign-key': { type: 'string', default: '' },
    },
  });
  const [host = ''] = values.registry.split('/');
  if (host === '') throw new Error(USAGE);
  const asked = values.architectures === '' ? ARCHITECTURES : values.architectures.split(',');
  const architectures = asked.filter((one): one is Architecture =>
    ARCHITECTURES.some((known) => known === one),
  );
  if (architectures.length < asked.length)
    throw new Error(`ARCHITECTURES are ${ARCHITECTURES.join(' and ')}`);
  const root = join(import.meta.dirname, '..', '..');
  const cache = cacheRoot(env);
  const folder = env.DOCKER_CONFIG || join(homedir(), '.docker');
  await publish({
    root,
    cache,
    registry: values.registry,
    credentials: await credentialsFor(host, join(folder, 'config.json')),
    plans: await imagePlans(root, cache, architectures),
    ...(values.version !== '' && { version: values.version }),
    ...(values['sign-key'] !== '' && { sign: gpgSigner(values['sign-key']) }),
    say: (line) => process.stdout.write(`${line}\n`),
  });
}

try {
  await main(process.argv.slice(2), process.env);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
