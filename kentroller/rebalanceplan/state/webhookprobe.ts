import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import { PIN, PIN_PROBE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { isUnderWay } from '../../../api/plans.ts';
import { PODS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { isAborted, messageOf } from '../../../kube/errors.ts';
import { PROBE_PLACE } from '../../softpins/probeplace.ts';
import type { WebhookView } from './state.ts';
import { hasReached } from './status.ts';

type Owner = NonNullable<NonNullable<RebalancePlan['spec']['podsToMigrate']>[number]['owner']>;

/** An owner whose pods the plan evicts and whose controller then creates new ones. */
const evictedOwner = (plan: RebalancePlan): Owner | undefined =>
  (plan.spec.podsToMigrate ?? []).find(({ srcNode, owner }) => srcNode && owner)?.owner;

/** True when the next step depends on the webhook, or on the policy: the plan is about to evict its first pod. */
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

/** Creates a probe pod as a dry run in our own namespace, and looks at what comes back. */
const probe = async (
  client: KubeClient,
  namespace: string,
  o: {
    readonly owner: Owner;
    readonly isPinned: (pod: Pod) => boolean;
    readonly without: string;
    readonly signal: AbortSignal;
  },
): Promise<WebhookView> => {
  try {
    const { signal } = o;
    const pod = await client.create(PODS, probeFor(o.owner, namespace), { dryRun: true, signal });
    const isLive = o.isPinned(pod);
    return { isLive, reason: isLive ? '' : `a pod created in a dry run came back without ${o.without}` };
  } catch (error) {
    if (isAborted(error)) throw error;
    return { isLive: false, reason: `a pod could not be created in a dry run: ${messageOf(error)}` };
  }
};

const NO_OWNER: WebhookView = { isLive: false, reason: 'the plan evicts no pod that has an owner' };

/**
 * Whether a probe pod comes back with a pin: only if the API server calls and trusts the webhook, and the webhook and the
 * pinner know the plan.
 */
export const probeWebhook = async (
  client: KubeClient,
  namespace: string,
  plan: RebalancePlan,
  signal: AbortSignal,
): Promise<WebhookView> => {
  const owner = evictedOwner(plan);
  if (!owner) return NO_OWNER;
  const isPinned = ({ metadata }: Pod): boolean => metadata.annotations?.[PIN] !== undefined;
  return probe(client, namespace, { owner, isPinned, without: 'a pin', signal });
};

/** Whether a probe pod comes back with a toleration: only if the API server has the policy and knows the plan's soft pins. */
export const probePolicy = async (
  client: KubeClient,
  namespace: string,
  plan: RebalancePlan,
  signal: AbortSignal,
): Promise<WebhookView> => {
  const evicted = evictedOwner(plan);
  if (!evicted) return NO_OWNER;
  return probe(client, namespace, {
    owner: { ...evicted, uid: plan.metadata.uid ?? '' },
    isPinned: ({ spec }) => spec.tolerations?.some(({ value }) => value === PROBE_PLACE) ?? false,
    without: 'a toleration',
    signal,
  });
};
