import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { PIN, PIN_PROBE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { isUnderWay } from '../../../api/plans.ts';
import { PODS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { isAborted, messageOf } from '../../../kube/errors.ts';
import type { WebhookView } from './state.ts';
import { hasReached } from './status.ts';

type Owner = NonNullable<NonNullable<RebalancePlan['spec']['podsToMigrate']>[number]['owner']>;

/** An owner whose pods the plan evicts and whose controller then creates new ones. */
const evictedOwner = (plan: RebalancePlan): Owner | undefined =>
  (plan.spec.podsToMigrate ?? []).find(({ srcNode, owner }) => srcNode && owner)?.owner;

/** True when the next step depends on the webhook: the plan is about to evict its first pod. */
export const needsWebhook = (plan: RebalancePlan): boolean =>
  isUnderWay(plan) &&
  hasReached(plan, 'SavingsValidated') &&
  !hasReached(plan, 'PinsReady') &&
  evictedOwner(plan) !== undefined;

/** A probe pod, which exists in the dry run only. It meets the restricted pod security standard. */
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
 * Creates a probe pod as a dry run in our own namespace. It comes back with a pin only if the API server calls and
 * trusts the webhook, and the webhook and the pinner know the plan.
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
    const pod = await client.create(PODS, probeFor(owner, namespace), { dryRun: true, signal });
    const isLive = pod.metadata.annotations?.[PIN] !== undefined;
    return { isLive, reason: isLive ? '' : 'a pod created in a dry run came back without a pin' };
  } catch (error) {
    if (isAborted(error)) throw error;
    return { isLive: false, reason: `a pod could not be created in a dry run: ${messageOf(error)}` };
  }
};
