import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { PIN, PIN_PROBE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { isUnderWay } from '../../../api/plans.ts';
import { PODS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { isAborted, messageOf } from '../../../kube/errors.ts';
import { hasReached } from './status.ts';

/** Whether pods of a plan are pinned as they are created. */
export interface WebhookView {
  readonly isLive: boolean;
  /** Why not; empty when it is live. */
  readonly reason: string;
}

type Owner = NonNullable<NonNullable<RebalancePlan['spec']['podsToMigrate']>[number]['owner']>;

/** An owner whose pods the plan evicts, so that new ones are created; undefined when there is none. */
const evictedOwner = (plan: RebalancePlan): Owner | undefined =>
  (plan.spec.podsToMigrate ?? []).find(({ srcNode, owner }) => srcNode && owner)?.owner;

/** Whether it matters now if the webhook is live: the next thing that the plan does is to move its first pod. */
export const asksForWebhook = (plan: RebalancePlan): boolean =>
  isUnderWay(plan) &&
  hasReached(plan, 'SavingsValidated') &&
  !hasReached(plan, 'PinsReady') &&
  evictedOwner(plan) !== undefined;

/** A pod that is never made. It would be allowed in a namespace that enforces the restricted standard. */
const probeFor = (owner: Owner, namespace: string): Pod =>
  ({
    metadata: {
      generateName: 'pin-probe-',
      namespace,
      labels: { [PIN_PROBE]: 'true' },
      ownerReferences: [{ apiVersion: 'v1', ...owner, controller: true }],
    },
    spec: {
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'probe',
          image: 'probe',
          resources: { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1m', memory: '1Mi' } },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  }) as unknown as Pod;

/**
 * Asks the API server by a creation that changes nothing, a dry run in our own namespace, whether it calls the
 * webhook, trusts it, and whether the webhook and the pinner behind it know of the plan: then the pod comes back with
 * an intent.
 */
export const probeWebhook = async (
  client: KubeClient,
  namespace: string,
  plan: RebalancePlan,
  signal: AbortSignal,
): Promise<WebhookView> => {
  const owner = evictedOwner(plan);
  if (!owner) return { isLive: false, reason: 'the plan evicts no pod that has an owner' };
  try {
    const made = await client.create(PODS, probeFor(owner, namespace), { dryRun: true, signal });
    const isLive = made.metadata.annotations?.[PIN] !== undefined;
    return { isLive, reason: isLive ? '' : 'a pod created on trial came back without a pin' };
  } catch (error) {
    if (isAborted(error)) throw error;
    const said = messageOf(error);
    return { isLive: false, reason: `a pod could not be created on trial: ${said}` };
  }
};
