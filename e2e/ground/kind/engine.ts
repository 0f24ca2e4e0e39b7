import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, run, searchPath } from '../host/command.ts';
import { type GroundProcess, isAlive, startProcess } from '../host/processes.ts';
import { cgroupFolders, createCgroup } from '../node/cgroups.ts';
import { privateMounts } from '../node/mounts.ts';
import { GivenUp, READY_WITHIN_MS, until } from '../ready.ts';

/** A Docker engine: one of ours, or the machine's own. */
export interface Engine {
  /** Environment with which `docker` and `kind` work on it; empty for the machine's own. */
  readonly env: Readonly<Record<string, string>>;
}

export interface EngineOptions {
  /** The folder of its socket, logs and pids; a ground's, or a scratch folder. */
  readonly dir: string;
  /** The folder of Debian's files. */
  readonly files: string;
  /** The folder of images, containers and volumes. */
  readonly dataRoot: string;
  /** Prefix of the command that puts it into a network namespace. */
  readonly enter: readonly string[];
  readonly cgroup: string;
  /** The network of kind's nodes, in CIDR notation. */
  readonly subnet?: string;
}

/** Weight of all containers together, in processes of a busy machine: with one process's, API servers starve. */
const CPU_SHARES = '10240';
const SYS_RESOURCE = 24n;

/** What `docker` and `kind` need to find the engine of a ground. */
export function engineEnv(dir: string, files: string): Record<string, string> {
  return {
    DOCKER_HOST: `unix://${join(dir, 'docker.sock')}`,
    PATH: `${join(files, 'usr/bin')}:${searchPath()}`,
  };
}

/** Runs `docker` on an engine. */
export function docker(
  engine: Engine,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return run(['docker', ...args], { ...options, env: { ...engine.env, ...options.env } });
}

/**
 * Starts Debian's dockerd in a mount namespace, where folders of its own cover those of the machine that it would write
 * to, and in the network namespace of `enter`. Returns when it answers; it ends with its process.
 */
export async function startEngine(o: EngineOptions): Promise<Engine & { readonly process: GroundProcess }> {
  const { dir, files } = o;
  const own = join(dir, 'engine');
  for (const folder of ['places', 'exec', 'bin']) mkdirSync(join(own, folder), { recursive: true });
  mkdirSync(o.dataRoot, { recursive: true });
  writeRuncWrapper(join(own, 'bin', 'runc'), join(files, 'usr/sbin/runc'));
  const config = join(own, 'daemon.json');
  writeFileSync(
    config,
    JSON.stringify(
      o.subnet === undefined
        ? {}
        : { 'default-address-pools': [{ base: o.subnet, size: Number(o.subnet.split('/')[1]) }] },
    ),
  );
  createCgroup(o.cgroup);
  weigh(o.cgroup);
  const env = engineEnv(dir, files);
  const libraries = ['usr/lib', 'lib'].map((folder) => join(files, folder, 'x86_64-linux-gnu')).join(':');
  const process = startProcess(dir, {
    name: 'dockerd',
    argv: [
      ...o.enter,
      ...privateMounts(own, [
        ...['sh', '-c', WITH_MODULES, 'sh', join(own, 'places')],
        ...[join(files, 'usr/sbin/dockerd'), `--config-file=${config}`, `--host=${env.DOCKER_HOST}`],
        ...[`--data-root=${o.dataRoot}`, `--exec-root=${join(own, 'exec')}`, `--pidfile=${own}/pid`],
        ...[`--cgroup-parent=${o.cgroup}`, '--bridge=none'],
      ]),
    ],
    env: {
      PATH: `${join(own, 'bin')}:${join(files, 'usr/bin')}:${join(files, 'usr/sbin')}:${searchPath()}`,
      LD_LIBRARY_PATH: libraries,
    },
  });
  await until('the Docker engine answers', READY_WITHIN_MS, async () => {
    if (!isAlive(process)) throw new GivenUp(`dockerd has ended: see ${process.log}`);
    await docker({ env }, ['version']);
    return true;
  });
  return { env, process };
}

// kind mounts /lib/modules into its nodes; where a machine has none, dockerd would make it.
const WITH_MODULES = `set -e
  places=$1; shift
  if [ ! -d /lib/modules ]; then
    mkdir -p "$places/modules/upper" "$places/modules/work"
    mount -t overlay overlay -o "lowerdir=/usr/lib,upperdir=$places/modules/upper,workdir=$places/modules/work" /usr/lib
    mkdir -p /usr/lib/modules
  fi
  # Otherwise dockerd sets it, and drops what comes from the machine.
  echo 1 > /proc/sys/net/ipv4/ip_forward
  exec "$@"`;

/** Puts a runc into the PATH that takes from a container what root itself has not, without which runc fails. */
function writeRuncWrapper(path: string, runc: string): void {
  const bounds = /^CapBnd:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const lacks = ((BigInt(`0x${bounds}`) >> SYS_RESOURCE) & 1n) === 0n;
  const strip = `last=
for argument in "$@"; do
  case $last in
    --bundle | -b) sed -i 's/,"CAP_SYS_RESOURCE"//g' "$argument/config.json" ;;
    --process | -p) sed -i 's/,"CAP_SYS_RESOURCE"//g' "$argument" ;;
  esac
  last=$argument
done
`;
  writeFileSync(path, `#!/bin/sh\n${lacks ? strip : ''}exec ${runc} "$@"\n`);
  chmodSync(path, 0o755);
}

function weigh(cgroup: string): void {
  for (const folder of cgroupFolders(cgroup)) {
    // A group weighs no more than the one that it is in.
    for (const shares of [join(folder, '..', 'cpu.shares'), join(folder, 'cpu.shares')])
      if (existsSync(shares)) writeFileSync(shares, CPU_SHARES);
  }
}
