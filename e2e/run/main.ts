import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { locateCatalogue } from '../ground/aws/catalogue.locate.ts';
import { type Ground, type GroundOptions, up } from '../ground/ground.ts';
import { progressOn } from '../ground/progress.ts';
import { installComponents } from '../support/components.ts';
import { findTests, type Need } from './suites.ts';
import { closingLine, NOTHING, sum, type Tally, tallyOf } from './tally.ts';

/** Runs every test of the checkout: `--only unit` without a cluster, `--only ground` the rest, all when left out. */

const BIN = './node_modules/.bin';
const FILE_TIMEOUT_S = 600;
/** Grounds of two checkouts on one machine do not meet. */
const RUN = `test-${createHash('sha256').update(process.cwd()).digest('hex').slice(0, 6)}`;
const progress = progressOn(process.stdout);
const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => stopping.abort(new Error(`ended by ${name}`)));
}

interface Done {
  readonly code: number;
  readonly output: string;
}

const runToEnd = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Done> =>
  new Promise((resolve, reject) => {
    stopping.signal.throwIfAborted();
    const [command = '', ...args] = argv;
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      signal: stopping.signal,
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      process.stdout.write(text);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });

const check = async (title: string, argv: readonly string[]): Promise<Tally> => {
  process.stdout.write(`# ${title}\n`);
  const { code } = await runToEnd(argv);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
};

const runTests = async (
  need: Need,
  jobs: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Tally> => {
  const paths = findTests()
    .filter((file) => file.need === need)
    .map((file) => file.path);
  if (paths.length === 0) return NOTHING;
  process.stdout.write(`# ${paths.length} files that need ${need}\n`);
  const flags = ['--reporter=tap', `--jobs=${jobs}`, `--timeout=${FILE_TIMEOUT_S}`];
  const { code, output } = await runToEnd([`${BIN}/tap`, ...flags, ...paths], env);
  return tallyOf(output, code);
};

const onGround = async (options: GroundOptions, work: (ground: Ground) => Promise<Tally>): Promise<Tally> => {
  const ground = await up({ ...options, progress });
  try {
    return await work(ground);
  } finally {
    await ground.down();
  }
};

const envOf = (ground: Ground): Record<string, string> => ({
  KUBECONFIG: ground.kubeconfig,
  GROUND_NAME: ground.name,
  SUITE_HOST: ground.hostAddress,
});

/** Our kinds and Karpenter's, for suites that need no controller behind them. */
const applyDefinitions = async (ground: Ground): Promise<void> => {
  const { crds } = await locateCatalogue();
  const files = ['manifests/base/crds', ...crds].flatMap((folder) => ['-f', folder]);
  await ground.kubectl(['apply', '--server-side', ...files]);
  await ground.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
};

const runUnits = async (): Promise<Tally> =>
  sum(
    await check('types, lint, format, generated files', ['make', '--no-print-directory', 'verify']),
    await runTests('nothing', 2),
  );

const runOnGrounds = async (): Promise<Tally> => {
  const shared = await onGround({ name: `${RUN}-a` }, async (ground) => {
    await applyDefinitions(ground);
    return runTests('api-server', 1, envOf(ground));
  });
  const own = await runTests('own-ground', 1);
  const whole = await onGround({ name: `${RUN}-b`, cloud: true, realNode: true }, async (ground) => {
    await installComponents(ground, progress);
    return runTests('whole-cluster', 1, envOf(ground));
  });
  return [shared, own, whole].reduce(sum);
};

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : 'all';
let tally = NOTHING;
try {
  if (only !== 'ground') tally = sum(tally, await runUnits());
  if (only !== 'unit') tally = sum(tally, await runOnGrounds());
} catch (error) {
  process.stdout.write(`not ok - ${error instanceof Error ? error.message : String(error)}\n`);
  tally = sum(tally, { passed: 0, failed: 1, skipped: 0 });
}
process.stdout.write(`${closingLine(tally)}\n`);
process.exitCode = tally.failed === 0 ? 0 : 1;
