import type { Pod } from '../../../api/objects.ts';
import { podName } from '../../../api/pods.ts';
import type { Snapshot } from '../../../planner/model/snapshot.ts';
import type { ProvisionRequest, ProvisionResult } from '../../../planner/provision.ts';
import { PlanningError } from '../../rebalanceplanclaim/plannerworker.ts';
import { PlanRefused } from '../../rebalanceplanclaim/verified.ts';
import type { CycleOptions } from '../cycleoptions.ts';

const PLANNING_TIMEOUT_MS = 60_000;

export type Request = Omit<ProvisionRequest, 'snapshot'>;

/** Searches for a plan; throws PlanRefused for one that breaks a rule. */
const search = async (o: CycleOptions, request: Request, snapshot: Snapshot): Promise<ProvisionResult> => {
  const { result, faults } = await o.provisioning({ ...request, snapshot }, PLANNING_TIMEOUT_MS, o.signal);
  if (faults.length === 0) return result;
  o.log.error({ plan: request.planName, faults }, 'plan refused');
  throw new PlanRefused(request.planName, faults);
};

/**
 * Searches with replicas to come and headroom, and again without where a pod finds no place beside them, since a limit cut the
 * plan, or where there is no plan with them: whoever's they are, all other pods wait for it.
 */
export const searchForPods = async (
  o: CycleOptions,
  request: Request,
  {
    snapshot,
    extras,
    pods,
  }: { readonly snapshot: Snapshot; readonly extras: ReadonlySet<Pod>; readonly pods: readonly Pod[] },
): Promise<ProvisionResult> => {
  const names = new Set(pods.map(podName));
  const leftOf = ({ unplaced }: ProvisionResult): number =>
    unplaced.filter(({ namespace, name }) => names.has(`${namespace}/${name}`)).length;
  if (extras.size === 0) return search(o, request, snapshot);
  const whole = await search(o, request, snapshot).catch((error: unknown) => {
    if (!(error instanceof PlanningError)) throw error;
    o.log.warn(
      { err: error },
      'no plan with replicas to come and headroom, pods are bought for without them',
    );
    return undefined;
  });
  if (whole && leftOf(whole) === 0) return whole;
  const bare = { ...snapshot, pods: snapshot.pods.filter((pod) => !extras.has(pod)) };
  const result = await search(o, request, bare);
  return !whole || leftOf(result) < leftOf(whole) ? result : whole;
};
