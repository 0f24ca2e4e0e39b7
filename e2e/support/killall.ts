import { readdirSync, readFileSync } from 'node:fs';
import { PODS } from '../../api/resources.ts';
import { until } from '../../kube/testing/until.ts';
import type { Stage } from './stage.ts';
import { kubectl } from './uninstall.ts';

/** Ends our components as a lost machine does: no process gets a signal that it could act upon. */

const NAMESPACE = 'castai-agent';

/** Processes of these pods, by the environment that their manifests give them. */
const processesOf = (pods: ReadonlySet<string>): readonly number[] =>
  readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const name = environment.find((each) => each.startsWith('POD_NAME='))?.slice('POD_NAME='.length);
      return name !== undefined && pods.has(name) ? [Number(pid)] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });

/** Kills all processes of our pods and takes the pods away; a container that is started again dies before it works. */
export const killAll = async (stage: Pick<Stage, 'client' | 'ground'>): Promise<void> => {
  const { items } = await stage.client.list(PODS, { namespace: NAMESPACE });
  const pods = new Set(items.map(({ metadata }) => metadata.name));
  const kill = (): number => {
    const pids = processesOf(pods);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    return pids.length;
  };
  for (const kind of ['deployment', 'replicaset']) {
    await kubectl(stage, 'delete', kind, '--all', `--namespace=${NAMESPACE}`, '--cascade=orphan');
  }
  const timer = setInterval(kill, 50);
  try {
    kill();
    await kubectl(stage, 'delete', 'pod', '--all', `--namespace=${NAMESPACE}`, '--grace-period=0', '--force');
    await until('no process of ours is left', () => kill() === 0, { timeoutMs: 60_000, everyMs: 1_000 });
  } finally {
    clearInterval(timer);
  }
};
