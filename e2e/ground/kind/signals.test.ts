import t from 'tap';
import { paced } from '../../../kube/testing/pace.ts';
import { until } from '../../../kube/testing/until.ts';
import { alone } from '../../run/alone.ts';
import { endsBy, startMake } from '../../run/endingscene.ts';
import { hasDocker } from '../backend.ts';
import { isAlive, recordedProcesses } from '../host/processes.ts';
import { processesIn } from '../node/cgroups.ts';
import { groundDir } from '../paths.ts';
import { allRecords } from '../record.ts';
import { canUnpackPackages } from './debian.ts';

/** With an engine of its own: containers are no processes that carry the name of the run. */

const skip =
  canUnpackPackages() && !(await hasDocker()) ? false : 'needs root on Debian, without an engine that runs';

t.setTimeout(paced(900_000));

alone('it brings up some of kind');

for (const command of ['up', 'demo']) {
  t.test(`Ctrl-C of make ${command} GROUND=kind`, { skip }, async (t) => {
    const run = startMake(t, [command], { GROUND: 'kind' });
    const hasContainers = (): boolean =>
      allRecords(run.root).some(
        ({ name, cgroup }) =>
          recordedProcesses(groundDir({ GROUND_STATE_DIR: run.root }, name)).some(isAlive) &&
          processesIn(cgroup).length > 0,
      );
    await until('a node of kind has begun', hasContainers, {
      timeoutMs: 600_000,
      everyMs: 50,
      signal: run.over,
    });
    await endsBy(t, run, 'SIGINT', -(run.child.pid ?? 0));
  });
}
