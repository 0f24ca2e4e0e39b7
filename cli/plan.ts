import type { RebalancePlanSpec, Savings } from '../api/kinds/rebalanceplan.ts';
import { GROUP_VERSION } from '../api/labels.ts';
import { hasEnded, podName } from '../api/pods.ts';
import { clusterOf } from '../planner/cluster/clusterview.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import { provision } from '../planner/provision.ts';
import type { RebalanceResult, rebalance } from '../planner/rebalance.ts';
import { mayBeClaimed } from '../planner/scheduling/resourceclaims.ts';
import { rebalanceWithScoped } from '../planner/scopedparts.ts';
import { unseenOf } from './files/unseen.ts';
import { UsageError } from './flags.ts';
import type { Outcome } from './outcome.ts';
import { format } from './outputformat.ts';
import { type Input, type Request, requestOf } from './request.ts';
import { withoutRefused } from './verified.ts';

const planObject = (name: string, spec: RebalancePlanSpec, savings: Savings | undefined) => ({
  apiVersion: GROUP_VERSION,
  kind: 'RebalancePlan',
  metadata: { name },
  spec,
  ...(savings && { status: { savings } }),
});

/** The cost of --max-workload-percent and --max-cluster-percent, as a sentence. */
const radiusCost = (limited: Savings | undefined, free: Savings | undefined): string => {
  const cost =
    Number(free?.projectedSavingsCostMonthly ?? 0) - Number(limited?.projectedSavingsCostMonthly ?? 0);
  return `The limits on what one node may hold cost ${Math.max(0, cost).toFixed(2)} USD a month.`;
};

const EMPTY_PLAN: RebalancePlanSpec = {
  execute: false,
  nodeClaimsToAdd: [],
  nodeClaimsToDelete: [],
  podsToMigrate: [],
};

/** A warning where a pending pod may wait for devices of a DeviceClass, and DeviceClasses were not read. */
const unreadClasses = ({ deviceClasses, pods, nodes }: Snapshot): readonly string[] => {
  if (deviceClasses) return [];
  const resourceOf = mayBeClaimed(nodes);
  for (const pod of pods) {
    const resource = pod.spec.nodeName || hasEnded(pod) ? undefined : resourceOf(pod);
    if (resource === undefined) continue;
    return [
      `DeviceClasses were not read, so pod ${podName(pod)} is planned as if nodes advertised ${resource}: grant list on deviceclasses of resource.k8s.io, or add them to the snapshot.`,
    ];
  }
  return [];
};

/** Where the prices are not those of now, in sentences. */
const gapsOf = ({ prices }: Request): readonly string[] =>
  prices.gaps.length === 0 ? [] : [`Planned with ${prices.summary}.`, ...prices.gaps];

/** The plan as it is printed; nothing where it was refused. */
const print = async (
  name: string,
  { plan, isRefused }: { readonly plan: RebalanceResult['plan']; readonly isRefused: boolean },
  output: string | undefined,
): Promise<string> =>
  isRefused ? '' : await format(planObject(name, plan?.spec ?? EMPTY_PLAN, plan?.savings), output);

/** `plan rebalance|provision`: prints one RebalancePlan. Throws UsageError. */
export const planCommand = async (
  input: Input,
  planner: { readonly rebalance: typeof rebalance; readonly provision: typeof provision } = {
    rebalance: rebalanceWithScoped,
    provision,
  },
): Promise<Outcome> => {
  const { flags } = input;
  const what = flags.words[1];
  if (what !== 'rebalance' && what !== 'provision') {
    throw new UsageError(`plan takes rebalance or provision, not '${what ?? ''}'.`);
  }
  const request = await requestOf(input, what);
  const { planName } = request;
  const output = flags.values.get('output');
  const unseen = unseenOf(clusterOf(request.snapshot, request.catalogue));
  if (what === 'rebalance') {
    const result = withoutRefused(request, planner.rebalance(request));
    const { blastRadius, ...free } = request;
    if (blastRadius) input.step?.('Searching without the limits on what one node may hold');
    const without = blastRadius && planner.rebalance(free);
    return {
      out: await print(planName, result, output),
      err: [
        ...gapsOf(request),
        ...unseen,
        ...(result.warnings ?? []),
        ...(result.goesPast ?? []),
        ...(result.reason ? [result.reason] : []),
        ...(without ? [radiusCost(result.plan?.savings, without.plan?.savings)] : []),
        ...result.skippedNodes.map((each) => `Node ${each.name} is left out: ${each.reasons.join('; ')}.`),
      ],
      code: result.isRefused ? 4 : 0,
    };
  }
  const result = withoutRefused(request, planner.provision(request));
  return {
    out: await print(planName, result, output),
    err: [
      ...gapsOf(request),
      ...(result.warnings ?? []),
      ...unseen,
      ...(result.reason ? [result.reason] : []),
      ...unreadClasses(request.snapshot),
      ...result.unplaced.map((each) => `Pod ${each.namespace}/${each.name} can't be placed: ${each.reason}.`),
    ],
    code: result.isRefused ? 4 : result.unplaced.length > 0 ? 3 : 0,
  };
};
