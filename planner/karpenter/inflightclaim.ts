import type { NodeClaim, Pod, SelectorRequirement } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { fits, type NodeInfo } from '../scheduling/fit.ts';
import { meets } from '../scheduling/nodeaffinity.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';

/** A machine that the autoscaler ordered for pending pods and that has not come up yet. */
export interface InFlightClaim {
  readonly claim: NodeClaim;
  /** What is left of what it was bought for, DaemonSets and pods that are on it taken off. */
  readonly budget: Requests;
  /** What it has left; undefined until the machine is launched, since its size is not known before. */
  readonly node: NodeInfo | undefined;
}

/** What a claim was bought for: CPU in millicores, everything else in whole units. Throws a QuantityError. */
export const requestsOf = (claim: NodeClaim): Requests => {
  const list = claim.spec.resources?.requests ?? {};
  return new Map(Object.entries(list).map(([resource, text]) => [resource, amount(resource, text)]));
};

/** Every value that a label of the claim's node may get, or undefined where nothing is known of it. */
const valuesOf = (claim: NodeClaim, key: string): readonly string[] | undefined => {
  const label = claim.metadata.labels?.[key];
  if (label !== undefined) return [label];
  return claim.spec.requirements.find((each) => each.key === key && each.operator === 'In')?.values;
};

// A claim's requirements are narrowed to those of each pod that it is bought for, so all of its values must do.
const isMet = (claim: NodeClaim, requirement: SelectorRequirement): boolean => {
  const values = valuesOf(claim, requirement.key) ?? [];
  if (values.length === 0) return meets(requirement, undefined);
  return values.every((value) => meets(requirement, value));
};

/** Whether each machine that the claim may become meets what the pod demands of nodes. */
const admits = (claim: NodeClaim, pod: Pod): boolean => {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (!isMet(claim, { key, operator: 'In', values: [value] })) return false;
  }
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return required.nodeSelectorTerms.some(
    ({ matchExpressions = [], matchFields = [] }) =>
      matchFields.length === 0 &&
      matchExpressions.length > 0 &&
      matchExpressions.every((each) => isMet(claim, each)),
  );
};

/** Room without end, to ask for everything but room. */
class Endless extends Map<string, number> {
  override get(): number {
    return Number.POSITIVE_INFINITY;
  }
}
const ENDLESS = new Endless();

/** Whether a pod of this kind may be on the claim's machine, room and other pods aside. Startup taints go by themselves. */
export const isAllowedOn = ({ claim, node }: InFlightClaim, pod: Pod): boolean => {
  const taints = claim.spec.taints ?? [];
  if (untoleratedTaint(taints, pod.spec.tolerations)) return false;
  return node ? fits(pod, { ...node, taints, free: ENDLESS, pods: [] }) === undefined : admits(claim, pod);
};

/** Whether pods that are meant to be there keep this one away: ports, anti-affinity. */
export const isKeptOff = ({ node }: InFlightClaim, pod: Pod, pods: readonly Pod[]): boolean =>
  node !== undefined && fits(pod, { ...node, taints: [], free: ENDLESS, pods }) !== undefined;
