import { INSTALL_NAMESPACE, REGION } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import { printable } from '../../api/text/printable.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { KubeError, messageOf } from '../../kube/errors.ts';
import { type Check, type CheckState, type Found, isSeen, look } from '../../kube/preflight/check.ts';
import type { Reading } from '../../kube/preflight/facts.ts';
import { gatherCluster, gatherInstallation, readConfigurations } from '../../kube/preflight/gather.ts';
import { checkInstallation, checkInstaller, checkOtherWebhooks } from '../../kube/preflight/installation.ts';
import { findOutside } from '../../kube/preflight/installed.ts';
import { missingToInstall } from '../../kube/preflight/installer.ts';
import { checkKarpenter } from '../../kube/preflight/karpenter.ts';
import { checkKinds } from '../../kube/preflight/kinds.ts';
import { checkKubernetes } from '../../kube/preflight/kubernetes.ts';
import { poolBlocker } from '../../planner/model/nodepool.ts';
import { toSentence } from '../cluster.ts';
import { type Flags, UsageError } from '../flags.ts';
import type { Outcome } from '../outcome.ts';
import { format } from '../outputformat.ts';
import { type CloudNodes, checkCloud } from './cloudrights.ts';
import { checkSchedulers } from './schedulers.ts';
import { checkSoftPins, readSoftPins } from './softpins.ts';
import { tableOf } from './table.ts';

/** `check`: what a cluster lacks for precision-packer, before and after it is installed; it changes nothing. */

const LONGEST_MS = 120_000;

export const CHECK_FLAGS = ['kubeconfig', 'namespace', 'region', 'scheduler-config', 'output'];

/** 0 nothing is lacking, 1 something is, 2 something could not be seen. */
const codeOf = (checks: readonly Check[]): Outcome['code'] => {
  if (checks.some(({ state }) => state === 'lacks')) return 1;
  return checks.some(({ state }) => state === 'unknown') ? 2 : 0;
};

const cloudNodesOf = async (
  client: KubeClient,
  flags: Flags,
  signal: AbortSignal,
): Promise<Found<CloudNodes>> => {
  const named = flags.values.get('region');
  const nodes = await look(async () => (await client.list<Node>(NODES, { signal })).items);
  if (!isSeen(nodes)) return named === undefined ? nodes : { value: { region: named, machines: [] } };
  const onAws = nodes.value.filter(({ spec }) => spec?.providerID?.startsWith('aws://'));
  const regions = onAws.map(({ metadata }) => metadata.labels?.[REGION]);
  return {
    value: {
      region: named ?? regions.find((region) => region !== undefined),
      machines: onAws.flatMap(({ spec }) => spec?.providerID ?? []),
    },
  };
};

/** What is looked at where nothing is installed yet. */
const readBefore = async (o: Reading, namespace: string) => {
  const [missing, outside] = await Promise.all([
    missingToInstall(o, namespace),
    look(() => findOutside(o, namespace)),
  ]);
  return { missing, outside };
};

const readChecks = async (
  client: KubeClient,
  flags: Flags,
  { signal, ...cloudAt }: { readonly endpoint?: string; readonly signal: AbortSignal },
): Promise<readonly Check[]> => {
  const namespace = flags.values.get('namespace') ?? INSTALL_NAMESPACE;
  const o = { client, signal };
  const cluster = await gatherCluster(o, poolBlocker);
  const [installation, nodes] = await Promise.all([
    gatherInstallation(o, namespace),
    cloudNodesOf(client, flags, signal),
  ]);
  const file = flags.values.get('scheduler-config');
  const [cloud, schedulers, isSoft, configurations] = await Promise.all([
    checkCloud(nodes, { signal, ...cloudAt }),
    checkSchedulers(client, { namespace, file, signal }),
    look(() => readSoftPins(o, namespace)),
    installation?.configurations ?? readConfigurations(o),
  ]);
  return [
    ...checkKubernetes(cluster.version),
    ...checkKarpenter(cluster),
    ...cloud.map((each) => ({ name: 'cloud', ...each })),
    ...(installation
      ? [
          ...checkKinds(cluster.schemas),
          ...checkInstallation(installation),
          ...checkSoftPins({ isOn: isSoft, version: cluster.version, outside: installation.outside }),
        ]
      : checkInstaller(await readBefore(o, namespace))),
    ...checkOtherWebhooks(configurations),
    ...schedulers.map((each) => ({ name: 'extender', ...each })),
  ];
};

const countsOf = (checks: readonly Check[]): Readonly<Record<CheckState, number>> => {
  const count = (state: CheckState): number => checks.filter((each) => each.state === state).length;
  return {
    fine: count('fine'),
    note: count('note'),
    lacks: count('lacks'),
    unknown: count('unknown'),
    skipped: count('skipped'),
  };
};

/** Whether there is an API server that takes our credentials. Throws UsageError, since nothing else could be looked at. */
const knock = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  try {
    await client.request('GET', '/version', { signal });
  } catch (error) {
    const isAnswer = error instanceof KubeError && error.status !== undefined && error.status !== 401;
    if (!isAnswer) throw new UsageError(toSentence(messageOf(error)), { cause: error });
  }
};

/**
 * Looks at the cluster and says in a sentence each what it has and lacks; `endpoint` is where AWS answers, if not where its
 * regions say. Throws UsageError.
 */
export const checkCommand = async (
  client: KubeClient,
  flags: Flags,
  o: { readonly endpoint?: string } = {},
): Promise<Outcome> => {
  const [, ...more] = flags.words;
  if (more.length > 0) throw new UsageError(`check takes no argument, but was given '${more.join(' ')}'.`);
  const output = flags.values.get('output') ?? 'table';
  if (!['table', 'json', 'yaml'].includes(output)) {
    throw new UsageError(`-o must be table, json or yaml, not '${output}'.`);
  }
  const signal = AbortSignal.timeout(LONGEST_MS);
  await knock(client, signal);
  const checks = await readChecks(client, flags, { ...o, signal });
  const counts = countsOf(checks);
  const out = output === 'table' ? tableOf(checks, counts) : await format({ counts, checks }, output);
  return {
    out: output === 'table' ? out.split('\n').map(printable).join('\n') : out,
    err: [],
    code: codeOf(checks),
  };
};
