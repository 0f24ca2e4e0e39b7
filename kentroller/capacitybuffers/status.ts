import { shortened } from '../../api/kinds/fit.ts';
import type { CapacityBuffer, Condition } from '../../api/objects.ts';
import type { Shape } from './pods.ts';

/** The status of a CapacityBuffer that kentroller serves. Conditions and reasons are those of Karpenter 1.14 and cluster-autoscaler. */

/** Characters of a message: names in a spec may be longer than the API server takes in a condition, which is 32,768 bytes. */
const LONGEST_MESSAGE = 2_048;

/** What is known of a buffer. */
export interface BufferFacts {
  readonly shape: Shape;
  /** Chunks that it asks for, or why nobody can tell. */
  readonly asked: { readonly replicas: number } | { readonly problem: string };
  /** Chunks within the namespace's quotas, and those of these that leave no room for all. */
  readonly allowed: number;
  readonly limitedBy: readonly string[];
  /** Chunks without room on nodes that stand. */
  readonly missing: number;
  /** Why nothing is bought for them now; undefined while something is, or nobody has tried. */
  readonly unbought?: string | undefined;
}

export type BufferStatus = NonNullable<CapacityBuffer['status']>;

interface Said {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

const ready = ({ shape, asked }: BufferFacts): Said => {
  const type = 'ReadyForProvisioning';
  if (shape.kind === 'unknown')
    return { type, status: 'False', reason: shape.reason, message: `castai-kentroller: ${shape.message}.` };
  if ('problem' in asked)
    return {
      type,
      status: 'False',
      reason: 'ResolutionFailed',
      message: `castai-kentroller: ${asked.problem}.`,
    };
  return { type, status: 'True', reason: 'Resolved', message: 'castai-kentroller keeps this room free.' };
};

const provisioning = (facts: BufferFacts): Said => {
  const type = 'Provisioning';
  const { allowed, missing } = facts;
  if (ready(facts).status === 'False')
    return {
      type,
      status: 'False',
      reason: 'NotReadyForProvisioning',
      message: 'It is not ReadyForProvisioning.',
    };
  if (allowed === 0) return { type, status: 'False', reason: 'BufferEmpty', message: 'It has no chunks.' };
  if (missing === 0) {
    const message = `All ${allowed} chunks fit on nodes that are there.`;
    return { type, status: 'True', reason: 'FitsExistingCapacity', message };
  }
  const why = facts.unbought === undefined ? '' : ` Nothing is bought for them now: ${facts.unbought}.`;
  const message = `${missing} of ${allowed} chunks need new nodes.${why}`;
  return { type, status: 'False', reason: 'RequiresNewCapacity', message };
};

const limited = ({ asked, allowed, limitedBy }: BufferFacts): Said | undefined => {
  const type = 'LimitedByQuotas';
  if ('problem' in asked) return undefined;
  if (allowed >= asked.replicas)
    return { type, status: 'False', reason: 'WithinQuotas', message: 'No ResourceQuota limits it.' };
  const names = limitedBy.length > 0 ? limitedBy.join(', ') : 'its namespace, all together';
  const message = `${allowed} of ${asked.replicas} chunks: the ResourceQuotas of ${names} leave room for no more.`;
  return { type, status: 'True', reason: 'LimitedByQuotas', message };
};

/** The status as kentroller writes it, `now` as RFC 3339; a condition that says the same keeps its time. */
export const statusOf = (
  { metadata: { generation }, spec, status }: CapacityBuffer,
  facts: BufferFacts,
  strategy: string,
  now: string,
): BufferStatus => {
  const before = new Map(status?.conditions?.map((each) => [each.type, each]));
  const conditions = [ready(facts), provisioning(facts), limited(facts)]
    .filter((each) => each !== undefined)
    .map((each): Condition => {
      const known = before.get(each.type);
      const since = known?.status === each.status ? known.lastTransitionTime : undefined;
      return {
        ...each,
        message: shortened(each.message, LONGEST_MESSAGE),
        lastTransitionTime: since ?? now,
        ...(generation !== undefined && { observedGeneration: generation }),
      };
    });
  const isResolved = ready(facts).status === 'True';
  const generationOf = facts.shape.kind === 'known' ? facts.shape.generation : undefined;
  return {
    ...(isResolved && { replicas: facts.allowed }),
    provisioningStrategy: strategy,
    ...(spec?.podTemplateRef && isResolved && { podTemplateRef: { name: spec.podTemplateRef.name } }),
    ...(spec?.podTemplateRef && generationOf !== undefined && { podTemplateGeneration: generationOf }),
    conditions,
  };
};
