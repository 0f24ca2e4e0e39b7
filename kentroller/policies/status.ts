import {
  type AutoscalerPolicy,
  type AutoscalerPolicyStatus,
  autoscalerPolicy,
  POLICIES,
  type PolicyName,
  type PolicyReport,
} from '../../api/kinds/autoscalerpolicy.ts';
import { fitting } from '../../api/kinds/fit.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Policies, PoliciesNow } from './settings.ts';

const fitStatus = fitting<AutoscalerPolicyStatus>(autoscalerPolicy.shape.status.unwrap());

/** What a policy that is in force said last. */
export interface Note {
  readonly state: 'Acting' | 'Idle' | 'Held';
  /** What it does, or why it does nothing. */
  readonly message: string;
}

/** What a policy did last, and when. */
export interface Act {
  readonly action: string;
  readonly at: number;
}

export interface Notes {
  readonly notes: ReadonlyMap<PolicyName, Note>;
  readonly acts: ReadonlyMap<PolicyName, Act>;
}

/** The names of policies that are in force. */
export const inForce = (policies: Policies): readonly PolicyName[] =>
  POLICIES.filter((name) => {
    const policy = policies[name];
    return name === 'evictor' ? policies.evictor?.enabled === true : policy !== undefined && policy !== false;
  });

const SWITCH: Readonly<Record<PolicyName, string>> = {
  clusterLimits: 'clusterLimits.enabled',
  horizontalPodAutoscaler: 'horizontalPodAutoscaler.enabled',
  unschedulablePods: 'unschedulablePods.enabled',
  spotInstances: 'spotInstances.enabled',
  emptyNodes: 'nodeDownscaler.enabled and nodeDownscaler.emptyNodes.enabled',
  evictor: 'nodeDownscaler.enabled and nodeDownscaler.evictor.enabled',
};
/** Said of a policy in force that nobody has spoken for. */
const SILENT: Note = { state: 'Idle', message: 'It has not had anything to do yet.' };
const NOTHING_ACTS: Note = { state: 'Held', message: 'Nothing acts on it in this version.' };
/** Policies whose settings are kept and that nothing acts on. */
const UNPROVIDED: ReadonlySet<PolicyName> = new Set(['spotInstances']);

const stateOf = (name: PolicyName, now: PoliciesNow, notes: ReadonlyMap<PolicyName, Note>): PolicyReport => {
  // Its EvictorConfig may turn the evictor on where the policies do not.
  const said = notes.get(name);
  if (!now.known) return { state: 'Held', message: now.message };
  if (inForce(now.policies).includes(name)) {
    const note = said ?? (UNPROVIDED.has(name) ? NOTHING_ACTS : SILENT);
    return { state: note.state, message: note.message };
  }
  if (name === 'evictor' && said) return { state: said.state, message: said.message };
  const message = now.policies.enabled ? `${SWITCH[name]} is not true.` : 'enabled is not true.';
  return { state: 'Off', message };
};

const lastActOf = (before: PolicyReport | undefined, act: Act | undefined): Partial<PolicyReport> => {
  if (act) return { lastAction: act.action, lastActionTime: new Date(act.at).toISOString() };
  const { lastAction, lastActionTime } = before ?? {};
  return {
    ...(lastAction !== undefined && { lastAction }),
    ...(lastActionTime !== undefined && { lastActionTime }),
  };
};

const activeCondition = (
  now: PoliciesNow,
): { readonly status: 'True' | 'False' | 'Unknown'; readonly reason: string; readonly message: string } => {
  if (!now.known)
    return { status: 'Unknown', reason: now.reason, message: `No policy acts: ${now.message}.` };
  const { policies, overridden } = now;
  const over = overridden.length > 0 ? ` The features ConfigMap overrides ${overridden.join(', ')}.` : '';
  if (!policies.enabled)
    return {
      status: 'False',
      reason: 'Disabled',
      message: `enabled is not true: no policy is in force.${over}`,
    };
  const active = inForce(policies);
  if (active.length === 0)
    return { status: 'False', reason: 'NothingEnabled', message: `No policy of it is enabled.${over}` };
  return { status: 'True', reason: 'Enabled', message: `In force: ${active.join(', ')}.${over}` };
};

/** The status of the AutoscalerPolicy, from what it said before, the policies in force, and what was noted since. */
export const statusOf = (
  object: AutoscalerPolicy,
  now: PoliciesNow,
  { notes, acts }: Notes,
  at: number,
): AutoscalerPolicyStatus => {
  const before = object.status;
  const policies = Object.fromEntries(
    POLICIES.map((name) => {
      const last = lastActOf(valueAt(before?.policies, name), acts.get(name));
      return [name, { ...stateOf(name, now, notes), ...last }];
    }),
  ) as Record<PolicyName, PolicyReport>;
  const last = POLICIES.map((name) => ({ name, ...policies[name] }))
    .filter((report) => report.lastActionTime !== undefined)
    .toSorted((a, b) => Date.parse(b.lastActionTime ?? '') - Date.parse(a.lastActionTime ?? ''))[0];
  const active = activeCondition(now);
  const known = before?.conditions?.find(({ type }) => type === 'Active');
  const since = known?.status === active.status ? known.lastTransitionTime : undefined;
  const { generation } = object.metadata;
  const names = now.known ? inForce(now.policies) : [];
  return fitStatus({
    active: names.length > 0 ? names.join(',') : 'none',
    ...(last?.lastAction !== undefined && { lastAction: `${last.name}: ${last.lastAction}` }),
    ...(last?.lastActionTime !== undefined && { lastActionTime: last.lastActionTime }),
    policies,
    ...(generation !== undefined && { observedGeneration: generation }),
    conditions: [{ type: 'Active', ...active, lastTransitionTime: since ?? new Date(at).toISOString() }],
  });
};
