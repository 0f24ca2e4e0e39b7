import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { messageOf } from '../../kube/errors.ts';
import { buildPrograms } from './build/build.ts';
import { programsFor } from './build/programs.ts';
import { requireTools, toolsFor } from './build/tools.ts';
import { attach, down, type Ground, type GroundOptions, up } from './ground.ts';
import { isAlive, recordedProcesses } from './host/processes.ts';
import { progressOn, SILENT } from './host/progress.ts';
import { componentsImage } from './image/image.ts';
import { loadComponents } from './image/images.ts';
import { NODE_IMAGE, nodeImage } from './kind/nodeimage.ts';
import { cacheRoot, groundDir, stateRoot } from './paths.ts';
import { allRecords, readRecord } from './record.ts';

const USAGE = `usage: node e2e/ground/main.ts COMMAND [--name NAME]
  up [--no-cloud] [--no-real-node]  bring up a cluster; the last line is the path of its kubeconfig
  build [PROGRAM ...]               build what a ground runs, or the programs named, and print where they lie
  down                              end it and remove all but its logs
  kind-image                        build a node image for kind without a registry, and print its name
  image                             build our components' image; a ground of that name with a real node gets it
  status                            the grounds that are there, and their processes
  kubectl -- ARGS                   kubectl on it
`;

async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      name: { type: 'string', default: env.GROUND_NAME ?? 'default' },
      'no-cloud': { type: 'boolean', default: false },
      'no-real-node': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  const options: GroundOptions = {
    name: values.name,
    cloud: !values['no-cloud'],
    realNode: !values['no-real-node'],
    progress: progressOn(process.stderr),
    env,
  };
  switch (command) {
    case 'up':
      process.stdout.write(`${(await up(options)).kubeconfig}\n`);
      return;
    case 'build':
      return build(rest, options);
    case 'down':
      return down(values.name, env);
    case 'kind-image':
      await nodeImage(cacheRoot(env), progressOn(process.stderr));
      process.stdout.write(`${NODE_IMAGE}\n`);
      return;
    case 'image':
      return image(values.name, env);
    case 'status':
      return printStatus(env);
    case 'kubectl':
      return kubectl(attach(values.name, env), rest);
    default:
      throw new Error(`${command} is not a command\n${USAGE}`);
  }
}

async function build(names: readonly string[], options: GroundOptions): Promise<void> {
  const { cloud = false, realNode = false, progress = SILENT, env = {} } = options;
  await requireTools(toolsFor(realNode), progress);
  const wanted = names.length > 0 ? names : programsFor({ cloud, realNode });
  const paths = await buildPrograms(wanted, { cache: cacheRoot(env), progress });
  for (const path of paths.values()) process.stdout.write(`${path}\n`);
}

// On the caller's terminal, so that `logs --follow` and `exec -it` work as usual.
async function kubectl(ground: Ground, args: readonly string[]): Promise<void> {
  const program = await ground.program('controlplane');
  const child = spawn(program, ['kubectl', `--kubeconfig=${ground.kubeconfig}`, ...args], {
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
}

async function image(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const isUp = readRecord(groundDir(env, name))?.realNode === true;
  const path = isUp ? await loadComponents(attach(name, env)) : await componentsImage(cacheRoot(env));
  process.stdout.write(`${path}\n`);
}

function printStatus(env: NodeJS.ProcessEnv): void {
  const records = allRecords(stateRoot(env));
  if (records.length === 0) process.stdout.write('no ground is up\n');
  for (const record of records) {
    const dir = groundDir(env, record.name);
    process.stdout.write(
      `${record.name}: ${record.isReady ? 'up' : 'not ready'}, ${record.address}, ${dir}/kubeconfig\n`,
    );
    for (const one of recordedProcesses(dir)) {
      process.stdout.write(
        `  ${one.name.padEnd(20)} ${isAlive(one) ? `runs as ${one.pid}` : 'has ended'}, ${one.log}\n`,
      );
    }
  }
}

try {
  await main(process.argv.slice(2), process.env);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
