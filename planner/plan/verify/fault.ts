import type { Refusal } from '../../scheduling/fit.ts';

/** The rules that a plan is checked against; those of one pod on one node have kube-scheduler's names. */
export type PlanRule =
  | 'UnknownNodeClaim'
  | 'DuplicateNodeClaim'
  | 'UnknownPod'
  | 'DuplicatePod'
  | 'SourceNode'
  | 'PodNotMovable'
  | 'PodLeftBehind'
  | 'UnknownDestination'
  | 'DestinationNotReady'
  | 'UnknownNodePool'
  | 'NodePoolClosed'
  | 'NodePoolRequirements'
  | 'NodePoolLimits'
  | 'UnknownInstanceType'
  | 'NoOffering'
  | 'ClaimLabels'
  | 'BeyondNodePool'
  | 'MinValues'
  | 'MustGo'
  | 'CostLimit'
  | 'ReservedCapacity'
  | 'ZonalShift'
  | Refusal['code'];

/** One rule that a plan breaks. */
export interface PlanFault {
  readonly rule: PlanRule;
  /** 'namespace/name'. */
  readonly pod?: string;
  readonly node?: string;
  /** A NodeClaim that the plan adds, deletes or moves pods to. */
  readonly claim?: string;
  /** One sentence that names all of these. */
  readonly message: string;
}

/** The faults in one sentence for a status or an event: the first in full, the others counted. */
export const describeFaults = (faults: readonly PlanFault[]): string => {
  const [first] = faults;
  if (!first) return '';
  const others = faults.length - 1;
  const more = others > 0 ? ` and ${others} more ${others === 1 ? 'fault' : 'faults'}` : '';
  return `rule ${first.rule}: ${first.message.replace(/\.$/, '')}${more}`;
};
