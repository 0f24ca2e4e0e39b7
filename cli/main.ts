import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { printable, printableLines } from '../api/text/printable.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import { createProgress, type Progress } from './entry/progress.ts';
import { type Flags, parseFlags, UsageError } from './flags.ts';
import { KUBECTL_GET, readSnapshot } from './inputfiles.ts';
import type { Outcome } from './outcome.ts';
import { type Input, PLAN_FLAGS, PLAN_SWITCHES } from './request.ts';

const HELP = `precision-packer report                    [--html FILE] [-o table|json|yaml] [flags]
precision-packer plan rebalance|provision  [-o json|yaml] [flags]
precision-packer explain pod|node NAME     [flags]
precision-packer check                     [-o table|json|yaml] [--namespace NAMESPACE] [--kubeconfig FILE]
precision-packer uninstall                 [--yes] [--namespace NAMESPACE] [--kubeconfig FILE]

  --kubeconfig FILE         read this cluster; only uninstall --yes changes it (KUBECONFIG or ~/.kube/config)
  --snapshot FILE[,FILE]    read a snapshot instead, - for stdin: JSON or YAML, as printed by ${KUBECTL_GET}; also folders and gzip
  --prices aws|table        prices of now from AWS, read only, or the list prices that come with us (aws where
                            there are credentials, else table)
  --keep WHAT[,WHAT]        capacity-type, architecture, zone, family: pods move only to machines that are like theirs in this
  --region REGION           region whose prices count (that of the nodes)
  --catalog FILE            instance types and prices instead, in the file format of Karpenter's kwok provider
  -o, --output FORMAT       json (the default) or yaml; report also table, its default
  --quiet                   tell no progress on standard error
  --html FILE               also write the report as an HTML page that shows nodes and pods before and after
  --name NAME               name of the plan
  --seed N                  seed of the search: same input and seed, same plan (1)
  --time-budget DURATION    maximum time for a search (10s; report: 3s, for its plan and up to 4 to compare it with)
  --scope NODES|KEY=VALUE   nodes that may be replaced, by comma-separated names or labels (all)
  --price-overlay FILE      discounts on list prices: {"discounts": [{"family": "m5", "percent": 30}]}; a discount may have "instances": 10
                            for that many reserved instances, or "hourlyCommitment": 2.5 for a Savings Plan of 2.5 USD per hour
  --commitments PERCENT     the cluster's part of the account's Savings Plans and Reserved Instances, where AWS tells them (100)
  --interruption-cost USD   cost of one interrupted pod on spot, weighed with the interruption rate of its instance type (0)
  --interruption-rates FILE monthly interruption rates in percent: {"otherwise": 5, "byType": {"m5.large": 12}}
  --max-interruption-percent P  maximum monthly interruption rate of spot instance types to buy
  --max-workload-percent P  maximum part of a workload's pods on one node
  --max-cluster-percent P   maximum part of the cluster's pods on one node
  --preferences POLICY      preferred node and pod affinity and ScheduleAnyway spread: Respect (the default, as in Karpenter) or Ignore
  --max-nodes N             maximum number of nodes to replace
  --min-age-seconds N       minimum age of a node that may be replaced
  --min-cluster-size N      minimum number of nodes in the cluster; no plan below it

Waive reasons against replacing a node:
  ${PLAN_SWITCHES.map((each) => `--${each}`).join('\n  ')}

Check, before an installation or after it; it says in a sentence each what the cluster lacks, and changes nothing:
  --namespace NAMESPACE     where precision-packer is or will be installed (castai-agent)
  --scheduler-config FILE   also look at this policy file of a kube-scheduler of your own (KubeSchedulerConfiguration)
  --region REGION           region in which the AWS credentials here are tried, by dry runs (that of the nodes)

Uninstall, without any of our components; it prints what it would undo and changes nothing without --yes:
  --yes                     undo it: plans, reservations, cordons, gates, nominations, placeholders, marks, finalizers
  --namespace NAMESPACE     where precision-packer is or was installed (castai-agent)

Exit codes: 0 done, 1 invalid input, 3 a pod can't be placed (the plan for the others is printed),
4 the plan was refused by its own check (none is printed), 5 uninstall: something is left to undo.
Of check: 0 nothing is lacking, 1 something is, 2 something could not be seen, or check could not look at all.
`;

/** Characters; a message may quote what it is about. */
const LONGEST_MESSAGE = 2000;

/** Errors whose message is printed without a stack: the input is invalid, not the program. */
const INPUT_ERRORS = new Set([
  'UsageError',
  'SnapshotError',
  'CatalogueError',
  'QuantityError',
  'OverlayError',
  'InterruptionRatesError',
]);

/** Shown while a command works; its result alone goes to standard output. */
const tell = (progress: Progress, line: string): void => {
  progress.clear();
  process.stderr.write(`${printable(line)}\n`);
};

/** Progress on standard error, which a terminal that can't go back in a line sees as a file does. */
const progressOf = (flags: Flags): Progress => {
  const { stderr } = process;
  const mode = stderr.isTTY && process.env.TERM !== 'dumb' ? 'rewrite' : 'lines';
  return createProgress({
    mode: flags.values.get('quiet') === 'true' ? 'none' : mode,
    write: (text) => void stderr.write(text),
    clock: () => performance.now(),
    ...(stderr.columns && { columns: stderr.columns }),
  });
};

/** Reads the snapshot from files, from the cluster of a kubeconfig, or from the cluster that this pod runs in. */
const loadSnapshot = async (flags: Flags): Promise<Snapshot> => {
  const files = flags.values.get('snapshot');
  const kubeconfig = flags.values.get('kubeconfig');
  if (files !== undefined) {
    if (kubeconfig !== undefined) throw new UsageError('Use either --snapshot or --kubeconfig, not both.');
    return readSnapshot(files);
  }
  const { readCluster } = await import('./cluster.ts');
  return readCluster(kubeconfigOf(flags), process.env);
};

/** The kubeconfig of the flags, of the environment, or the default one; undefined in a pod. */
const kubeconfigOf = (flags: Flags): string | undefined => {
  const byDefault = join(homedir(), '.kube', 'config');
  return (
    flags.values.get('kubeconfig') ??
    (process.env.KUBECONFIG || (existsSync(byDefault) ? byDefault : undefined))
  );
};

/** Runs a command that needs a client for the cluster, and no snapshot of it. */
const withClient = async (
  flags: Flags,
  command: (client: KubeClient) => Promise<Outcome>,
): Promise<Outcome> => {
  const { connectTo } = await import('./cluster.ts');
  const client = connectTo(kubeconfigOf(flags), process.env);
  try {
    return await command(client);
  } finally {
    client.close();
  }
};

const uninstall = async (argv: readonly string[]): Promise<Outcome> => {
  const { UNINSTALL_FLAGS, UNINSTALL_SWITCHES, uninstallCommand } = await import('./uninstall.ts');
  const flags = parseFlags(argv, new Set(UNINSTALL_FLAGS), new Set(UNINSTALL_SWITCHES));
  return withClient(flags, (client) => uninstallCommand({ client, flags, now: Date.now }));
};

const check = async (argv: readonly string[]): Promise<Outcome> => {
  const { CHECK_FLAGS, checkCommand } = await import('./check/command.ts');
  const flags = parseFlags(argv, new Set(CHECK_FLAGS), new Set());
  const endpoint = process.env.AWS_ENDPOINT_URL;
  return withClient(flags, (client) => checkCommand(client, flags, { ...(endpoint && { endpoint }) }));
};

const run = async (argv: readonly string[]): Promise<Outcome> => {
  if (argv.length === 0 || argv.includes('--help') || argv.includes('-h'))
    return { out: HELP, err: [], code: 0 };
  if (argv[0] === 'uninstall') return uninstall(argv);
  if (argv[0] === 'check') return check(argv);
  const flags = parseFlags(argv, new Set<string>(PLAN_FLAGS), new Set([...PLAN_SWITCHES, 'quiet']));
  const progress = progressOf(flags);
  // The search keeps the process busy and shows its time by its clock; all else waits for answers.
  const ticking = setInterval(progress.tick, 250).unref();
  try {
    return await runCommand({
      flags,
      readSnapshot: async () => {
        progress.step(flags.values.has('snapshot') ? 'Reading the snapshot' : 'Reading the cluster');
        const snapshot = await loadSnapshot(flags);
        progress.step('Finding instance types and prices');
        return snapshot;
      },
      readLive: async (region, machines) => {
        const { readLive } = await import('./prices/live.ts');
        const endpoint = process.env.AWS_ENDPOINT_URL;
        return readLive(region, {
          now: Date.now(),
          machines,
          ...(endpoint && { endpoint }),
          tell: (line) => tell(progress, line),
        });
      },
      step: progress.step,
      clock: () => {
        progress.tick();
        return performance.now();
      },
      now: Date.now(),
    });
  } finally {
    clearInterval(ticking);
    progress.clear();
  }
};

/** Commands are loaded on demand, so that each starts fast. */
const runCommand = async (input: Input): Promise<Outcome> => {
  const [word = ''] = input.flags.words;
  switch (word) {
    case 'plan':
      return (await import('./plan.ts')).planCommand(input);
    case 'report':
      return (await import('./report.ts')).reportCommand(input);
    case 'explain':
      return (await import('./explain.ts')).explainCommand(input);
  }
  throw new UsageError(`Unknown command '${word}': see --help for all commands.`);
};

// The SDK would tell at length which Node.js its versions of next year need.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

try {
  const outcome = await run(process.argv.slice(2));
  // Names come from a cluster or from files that others wrote; a terminal must not obey them.
  process.stdout.write(printableLines(outcome.out));
  for (const line of outcome.err) process.stderr.write(`${printable(line)}\n`);
  process.exitCode = outcome.code;
} catch (error) {
  if (!(error instanceof Error) || !INPUT_ERRORS.has(error.name)) throw error;
  process.stderr.write(`${printableLines(error.message.slice(0, LONGEST_MESSAGE))}\n`);
  // 1 says of a cluster that it lacks something.
  process.exitCode = process.argv[2] === 'check' ? 2 : 1;
}
