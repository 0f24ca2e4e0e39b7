import type { NodeClaim, Pod, SelectorRequirement } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { fits, type NodeInfo } from '../scheduling/fit.ts';
import { meets } from '../scheduling/nodeaffinity.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';

/** A NodeClaim of Karpenter's whose machine has not joined yet. */
export interface InFlightClaim {
  readonly claim: NodeClaim;
  /** Requests left beside DaemonSets and the pods that are on it already. */
  readonly budget: Requests;
  /** Its free room; undefined until the machine is launched, as its size is not known before. */
  readonly node: NodeInfo | undefined;
}

/** The claim's requests: CPU in millicores, everything else in whole units. Throws a QuantityError. */
export const requestsOf = (claim: NodeClaim): Requests => {
  const list = claim.spec.resources?.requests ?? {};
  return new Map(Object.entries(list).map(([resource, text]) => [resource, amount(resource, text)]));
};

/** The values that a label of the claim's node may get; undefined when the claim does not limit them. */
const valuesOf = (claim: NodeClaim, key: string): readonly string[] | undefined => {
  const label = valueAt(claim.metadata.labels, key);
  if (label !== undefined) return [label];
  return claim.spec.requirements.find(
    (requirement) => requirement.key === key && requirement.operator === 'In',
  )?.values;
};

// Karpenter narrows a claim's requirements by each pod that it buys it for, so every value left must match.
const isMet = (claim: NodeClaim, requirement: SelectorRequirement): boolean => {
  const values = valuesOf(claim, requirement.key) ?? [];
  if (values.length === 0) return meets(requirement, undefined);
  return values.every((value) => meets(requirement, value));
};

/** Whether every machine that the claim may become meets the pod's nodeSelector and required node affinity. */
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
      matchExpressions.every((requirement) => isMet(claim, requirement)),
  );
};

/** Unlimited room, for checks of everything but room. */
class UnlimitedRoom extends Map<string, number> {
  override get(): number {
    return Number.POSITIVE_INFINITY;
  }
}
const UNLIMITED_ROOM = new UnlimitedRoom();

/**
 * Whether a pod may be on the claim's machine, room and other pods aside. Startup taints are ignored, since they are
 * removed once the machine has started.
 */
export const isAllowedOn = ({ claim, node }: InFlightClaim, pod: Pod): boolean => {
  const taints = claim.spec.taints ?? [];
  if (untoleratedTaint(taints, pod.spec.tolerations)) return false;
  return node
    ? fits(pod, { ...node, taints, free: UNLIMITED_ROOM, pods: [] }) === undefined
    : admits(claim, pod);
};

/** Whether `pods` keep this one off the claim's machine, by host ports or anti-affinity. */
export const isKeptOff = ({ node }: InFlightClaim, pod: Pod, pods: readonly Pod[]): boolean =>
  node !== undefined && fits(pod, { ...node, taints: [], free: UNLIMITED_ROOM, pods }) !== undefined;
