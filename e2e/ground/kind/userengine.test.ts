import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { paced } from '../../../kube/testing/pace.ts';
import { alone } from '../../run/alone.ts';
import { hasDocker } from '../backend.ts';
import { clearGround } from '../clear.ts';
import { attach } from '../ground.ts';
import { run } from '../host/command.ts';
import { createNetwork, inside } from '../host/network.ts';
import { isAlive } from '../host/processes.ts';
import { SILENT } from '../host/progress.ts';
import { cgroupOf } from '../node/cgroups.ts';
import { cacheRoot } from '../paths.ts';
import { canUnpackPackages } from './debian.ts';
import { docker, startEngine } from './engine.ts';
import { copyDataRoot, NODE_IMAGE, nodeImage } from './nodeimage.ts';

/** A user's own Docker engine: the ground uses the one that DOCKER_HOST names, with the image of KIND_IMAGE, and leaves it as it was. */

const skip =
  canUnpackPackages() && !(await hasDocker()) ? false : 'needs root on Debian, without an engine that runs';

t.setTimeout(paced(1_800_000));

alone('it brings up one of kind');

t.test('a ground on the engine of DOCKER_HOST', { skip }, async (t) => {
  // Short, because of the sockets in it.
  const dir = mkdtempSync('/var/tmp/pp-user-');
  t.teardown(async () => {
    await clearGround(dir);
    rmSync(dir, { recursive: true, force: true });
  });
  const image = await nodeImage(cacheRoot(process.env), SILENT);
  const namespace = join(dir, 'netns');
  const addresses = await createNetwork(namespace, undefined);
  const subnet = `10.90.${addresses.index}.128/25`;
  await run(['ip', 'route', 'add', subnet, 'via', addresses.inner]);
  const dataRoot = join(dir, 'docker');
  await copyDataRoot(image.dataRoot, dataRoot);
  const cgroup = cgroupOf(dir);
  const engine = await startEngine({
    dir,
    files: image.engine,
    dataRoot,
    enter: inside(namespace),
    cgroup,
    subnet,
  });
  await docker(engine, ['volume', 'create', 'theirs']);

  const state = join(dir, 'state');
  mkdirSync(state);
  const env = {
    ...process.env,
    ...engine.env,
    GROUND: 'kind',
    GROUND_STATE_DIR: state,
    KIND_IMAGE: NODE_IMAGE,
  };
  const make = async (command: string): Promise<void> => {
    const plain = ['--name', 'user', '--no-cloud', '--no-real-node'];
    const args = ['e2e/ground/main.ts', command, ...plain];
    await run([process.execPath, ...args], { env, timeoutMs: paced(900_000) });
  };
  await make('up');
  const ground = attach('user', env);
  t.teardown(() => ground.down().catch(() => {}));
  t.equal(ground.backend, 'kind');
  t.equal(await ground.kubectl(['get', '--raw=/readyz']), 'ok', 'the host reaches its API server');
  t.strictSame(ground.processes(), [], 'the ground starts no engine of its own');
  const containers = () => docker(engine, ['ps', '--all', '--format={{.Names}} {{.Image}}']);
  t.equal(await containers(), `precision-packer-user-control-plane ${NODE_IMAGE}\n`);

  await make('down');
  t.equal(await containers(), '', 'its nodes are gone');
  t.equal(await docker(engine, ['volume', 'ls', '--quiet']), 'theirs\n', 'nothing else is');
  t.ok(isAlive(engine.process), 'the engine runs on');
});
