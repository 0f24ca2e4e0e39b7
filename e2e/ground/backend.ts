import { run } from './host/command.ts';

/** The way to build a ground: our own programs in a network namespace, or kind's containers. */
export type Backend = 'modules' | 'kind';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The backend that GROUND names; otherwise modules on Linux as root without a Docker engine, else kind. Throws when
 * GROUND names another one, or when neither can run.
 */
export async function chooseBackend(env: Environment): Promise<Backend> {
  const chosen = env.GROUND;
  if (chosen === 'modules' || chosen === 'kind') return chosen;
  if (chosen !== undefined && chosen !== '') throw new Error(`GROUND is modules or kind, not ${chosen}`);
  if (await hasDocker()) return 'kind';
  if (process.platform === 'linux' && process.getuid?.() === 0) return 'modules';
  throw new Error(
    'the ground needs root on Linux, or a running Docker engine: https://docs.docker.com/engine/install',
  );
}

/** Whether a Docker engine answers. */
export async function hasDocker(): Promise<boolean> {
  try {
    await run(['docker', 'info', '--format', '{{.ServerVersion}}'], { timeoutMs: 5_000 });
    return true;
  } catch {
    return false;
  }
}
