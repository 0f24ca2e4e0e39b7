import type { RebalanceMigrationPlan } from '../../../api/kinds/rebalancemigrationplan.ts';
import { valueAt } from '../../../api/records/valueat.ts';

/** Progress of a RebalanceMigrationPlan; pods as 'namespace/name'. */
export interface Progress {
  /** True once a provider has written any status. */
  readonly answered: boolean;
  readonly completed: readonly string[];
  readonly failed: readonly string[];
  /** Neither completed nor failed yet. */
  readonly open: readonly string[];
}

const NOTHING: Progress = { answered: false, completed: [], failed: [], open: [] };

const SUCCEEDED = /^(completed|succeeded|done)$/i;
const FAILED = /^failed$/i;

/**
 * Reads a provider's status. A pod's own final state (under 'namespace/name' or the bare name) counts before the phase
 * of the whole migration.
 */
export const progressOf = (migration: RebalanceMigrationPlan | undefined): Progress => {
  if (!migration) return NOTHING;
  const { phase, migrations = {} } = migration.status ?? {};
  const completed: string[] = [];
  const failed: string[] = [];
  const open: string[] = [];
  for (const { podNamespace, podName } of migration.spec.migrations) {
    const name = `${podNamespace}/${podName}`;
    const state = (valueAt(migrations, name) ?? valueAt(migrations, podName))?.state;
    if (state === 'Completed') completed.push(name);
    else if (state === 'Failed') failed.push(name);
    else if (SUCCEEDED.test(phase ?? '')) completed.push(name);
    else if (FAILED.test(phase ?? '')) failed.push(name);
    else open.push(name);
  }
  const answered = Boolean(phase) || Object.keys(migrations).length > 0;
  return { answered, completed, failed, open };
};
