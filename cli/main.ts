import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Snapshot } from '../planner/model/snapshot.ts';
import { type Flags, readFlags, UsageError } from './flags.ts';
import type { Outcome } from './plan.ts';
import { readSnapshot } from './read.ts';
import { type Input, PLAN_FLAGS, PLAN_SWITCHES } from './request.ts';

const HELP = `precision-packer report                    --catalog FILE [--html FILE] [-o table|json|yaml] [flags]
precision-packer plan rebalance|provision  --catalog FILE [-o json|yaml] [flags]
precision-packer explain pod|node NAME     --catalog FILE [flags]

  --kubeconfig FILE         the cluster to read, and only to read; KUBECONFIG or ~/.kube/config when left out
  --snapshot FILE[,FILE]    read these files instead: a v1 List, as kubectl get nodes,pods,nodepools,nodeclaims,daemonsets,replicasets,pdb,pvc,pv,storageclasses,csinodes,namespaces -A -o json prints it; - is stdin
  --catalog FILE            instance types and prices in the file format of Karpenter's kwok provider
  -o, --output FORM         json, yaml; report has table too, and begins with it
  --html FILE               writes the report as one page, with a picture of nodes and pods before and after
  --name NAME               name of the plan
  --seed N                  same input and seed, same plan (1)
  --time-budget DURATION    the search ends then at the latest (10s; of a report 3s)
  --scope NODES|KEY=VALUE   nodes that may be replaced, by names or by labels; all when left out
  --price-overlay FILE      discounts on list prices: {"discounts": [{"family": "m5", "percent": 30}]}; with "instances": 10 for so many
                            reserved machines, or "hourlyCommitment": 2.5 for a Savings Plan of so many USD an hour
  --interruption-cost USD   what it costs when one pod on a spot machine is interrupted: weighed with how often its type is (0)
  --interruption-rates FILE percent of spot machines taken back in a month: {"otherwise": 5, "byType": {"m5.large": 12}}
  --max-interruption-percent P  spot types that are taken back more often are not bought
  --max-workload-percent P  of a workload's pods, one node holds at most this part
  --max-cluster-percent P   of the cluster's pods, one node holds at most this part
  --preferences POLICY      preferred affinity, to nodes and pods, and ScheduleAnyway spread: Respect (the default, as Karpenter's) or Ignore
  --max-nodes N, --min-age-seconds N, --min-cluster-size N
  ${PLAN_SWITCHES.map((each) => `--${each}`).join('\n  ')}

Exit codes: 0 done, 1 bad input, 3 a pod can't be placed (the plan for the rest is printed),
4 the plan was refused by its own check (none is printed).
`;

const INPUT_ERRORS = new Set([
  'UsageError',
  'SnapshotError',
  'CatalogueError',
  'QuantityError',
  'OverlayError',
  'InterruptionRatesError',
]);

const snapshotFor = async (flags: Flags): Promise<Snapshot> => {
  const files = flags.values.get('snapshot');
  const kubeconfig = flags.values.get('kubeconfig');
  if (files !== undefined) {
    if (kubeconfig !== undefined) throw new UsageError('Give --snapshot or --kubeconfig, not both.');
    return readSnapshot(files);
  }
  const { readCluster } = await import('./cluster.ts');
  const usual = join(homedir(), '.kube', 'config');
  return readCluster(kubeconfig ?? (process.env.KUBECONFIG || (existsSync(usual) ? usual : undefined)));
};

const run = async (argv: readonly string[]): Promise<Outcome> => {
  if (argv.length === 0 || argv.includes('--help') || argv.includes('-h'))
    return { out: HELP, err: [], code: 0 };
  const flags = readFlags(argv, new Set<string>(PLAN_FLAGS), new Set(PLAN_SWITCHES));
  const input: Input = {
    flags,
    snapshot: () => snapshotFor(flags),
    clock: () => performance.now(),
    now: Date.now(),
  };
  // Each command loads what it needs itself: a report on a snapshot has no use for a client of the cluster.
  switch (flags.words[0]) {
    case 'plan':
      return (await import('./plan.ts')).planCommand(input);
    case 'report':
      return (await import('./report.ts')).reportCommand(input);
    case 'explain':
      return (await import('./explain.ts')).explainCommand(input);
  }
  throw new UsageError(`The command '${flags.words[0] ?? ''}' is not known; --help lists those that are.`);
};

try {
  const outcome = await run(process.argv.slice(2));
  process.stdout.write(outcome.out);
  for (const line of outcome.err) process.stderr.write(`${line}\n`);
  process.exitCode = outcome.code;
} catch (error) {
  if (!(error instanceof Error) || !INPUT_ERRORS.has(error.name)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
