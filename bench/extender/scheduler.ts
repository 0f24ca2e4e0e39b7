import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bed } from '../support/bed.ts';
import { UNTHROTTLED } from '../support/pinner.ts';

/** A separate kube-scheduler for the pods that name it, with an extender where a URL is given. */
export interface Scheduler {
  stop(): Promise<void>;
}

export const startScheduler = async (
  bed: Bed,
  name: string,
  extender?: string,
  verbs: readonly ('filter' | 'prioritize')[] = ['filter', 'prioritize'],
): Promise<Scheduler> => {
  const { ground } = bed;
  const file = join(ground.dir, `${name}.json`);
  const configuration = {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    leaderElection: { leaderElect: false },
    clientConnection: { kubeconfig: ground.kubeconfig, qps: UNTHROTTLED, burst: UNTHROTTLED },
    profiles: [{ schedulerName: name }],
    ...(extender
      ? {
          extenders: [
            {
              urlPrefix: extender,
              ...Object.fromEntries(verbs.map((verb) => [`${verb}Verb`, verb])),
              weight: 1,
              nodeCacheCapable: true,
              httpTimeout: '30s',
            },
          ],
        }
      : {}),
  };
  writeFileSync(file, JSON.stringify(configuration));
  const program = await ground.program('controlplane');
  ground.addProcess({ name, argv: [program, 'scheduler', `--config=${file}`, '--secure-port=0'] });
  return { stop: () => ground.stopProcess(name) };
};
