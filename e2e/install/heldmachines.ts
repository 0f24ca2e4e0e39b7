import { NODE_CLAIMS } from '../../api/resources.ts';
import { updateIfThere } from '../../kube/update.ts';
import type { Stage } from '../support/stage.ts';

const HOLD = 'test.example/hold';

/**
 * Keeps the NodeClaims that a stage began with once they are deleted, so that a plan which removes them can't end: it waits until
 * they are gone. Returns what lets them go.
 */
export const holdMachines = async ({ client, machines }: Stage): Promise<() => Promise<void>> => {
  const change = async (of: (finalizers: readonly string[]) => readonly string[]): Promise<void> => {
    const signal = AbortSignal.timeout(60_000);
    for (const name of machines) {
      await updateIfThere(
        { client, resource: NODE_CLAIMS, ref: { name }, fieldManager: 'e2e-hold', signal },
        ({ metadata: { finalizers = [] } }) => ({ metadata: { finalizers: of(finalizers) } }),
      );
    }
  };
  await change((finalizers) => [...finalizers, HOLD]);
  return () => change((finalizers) => finalizers.filter((one) => one !== HOLD));
};
