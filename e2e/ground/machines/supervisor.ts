import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Logger } from '../../../kube/component/log.ts';
import type { CloudControl } from '../aws/control/client.ts';
import type { InstanceView } from '../aws/control/types.ts';
import type { Machines } from './machines.ts';
import { deleteOrphanedNodes } from './nodes.ts';
import { planSteps } from './plan.ts';

export interface SupervisorOptions {
  readonly control: CloudControl;
  readonly machines: Machines;
  readonly client: KubeClient;
  readonly log: Logger;
  readonly pollMs: number;
  /** Interval of the check on Nodes; EKS's cloud-controller-manager uses 5 s. */
  readonly nodesEveryMs: number;
  readonly signal: AbortSignal;
}

/**
 * Keeps one machine running for each instance that has joined, until the signal aborts. It keeps no state: a supervisor
 * that starts after another was killed takes over the machines that it finds.
 */
export const supervise = async (options: SupervisorOptions): Promise<void> => {
  const { control, machines, client, log, pollMs, nodesEveryMs, signal } = options;
  const cannotStart = new Set<string>();
  let nodesLookedAt = 0;

  const start = async (instance: InstanceView): Promise<void> => {
    try {
      await machines.start(instance);
      log.info(
        { instance: instance.id, node: instance.name, type: instance.instanceType },
        'machine started',
      );
    } catch (error) {
      // A machine whose boot fails: it runs and is paid for, and never joins.
      cannotStart.add(instance.id);
      log.error({ err: error, instance: instance.id }, 'machine did not boot');
    }
  };

  const round = async (): Promise<void> => {
    const instances = await control.instances();
    const steps = planSteps(instances, machines.observe(), Date.now());
    await Promise.all(
      steps.stop.map(async (id) => {
        await machines.stop(id);
        log.info({ instance: id }, 'machine stopped');
      }),
    );
    await Promise.all(steps.start.filter(({ id }) => !cannotStart.has(id)).map(start));
    if (Date.now() - nodesLookedAt < nodesEveryMs) return;
    nodesLookedAt = Date.now();
    for (const node of await deleteOrphanedNodes(client, instances))
      log.info({ node }, 'node of a terminated instance deleted');
  };

  while (!signal.aborted) {
    await round().catch((error: unknown) => log.warn({ err: error }, 'round failed, trying again'));
    await sleep(pollMs, undefined, { signal }).catch(() => {
      // Aborted: the loop ends.
    });
  }
};
