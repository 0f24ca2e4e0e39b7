import type { PolicyRecord } from '../policies/record.ts';
import type { Outcome } from './cycleoptions.ts';
import { dueOf } from './replicas.ts';

const MILLI = 1_000;

/** Says of each policy what the last evaluation decided, for the status of the AutoscalerPolicy. */
export const report = (
  record: Pick<PolicyRecord, 'note' | 'did'>,
  { evaluation, message, plans, replicas: boughtFor }: Outcome,
): void => {
  const { limits, replicas, pods, misconfigured } = evaluation;
  const ignored =
    misconfigured.length > 0
      ? ` Ignored in scoped mode: ${misconfigured.length} pods with its selector and without its toleration.`
      : '';
  if (limits.full) record.note('clusterLimits', 'Acting', `Nothing is bought: ${limits.full}.`);
  else if (limits.cores) {
    const { used, max } = limits.cores;
    record.note(
      'clusterLimits',
      'Idle',
      `${used / MILLI} of ${max / MILLI} cores are in use or on their way.`,
    );
  }
  const due = dueOf(replicas);
  if (due > 0) record.note('horizontalPodAutoscaler', 'Acting', `${due} replicas are about to come.`);
  else record.note('horizontalPodAutoscaler', 'Idle', 'No replicas are about to come.');
  if (boughtFor > 0)
    record.did('horizontalPodAutoscaler', `counted ${boughtFor} replicas to come: ${message}`);
  if (plans.length > 0) record.did('unschedulablePods', message);
  switch (pods.kind) {
    case 'buy':
    case 'wait':
      record.note('unschedulablePods', 'Acting', `${message}${ignored && `.${ignored}`}`);
      break;
    case 'held':
    case 'left':
      record.note('unschedulablePods', 'Held', `${message}${ignored && `.${ignored}`}`);
      break;
    case 'idle':
      record.note('unschedulablePods', 'Idle', `No pod waits for a node that might help it.${ignored}`);
      break;
    default:
  }
};

/** Takes back what was said while the policy was in force. */
export const retract = (record: Pick<PolicyRecord, 'forget'>): void => {
  for (const name of ['clusterLimits', 'horizontalPodAutoscaler', 'unschedulablePods'] as const)
    record.forget(name);
};
