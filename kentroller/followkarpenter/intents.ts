import { NOT_READY, PLACEHOLDER } from '../../api/labels.ts';
import type { Intent } from '../../api/pinning.ts';
import type { Attribution } from '../../planner/karpenter/attribution.ts';
import { nodeIntentId, pinIntentId } from '../pinning/intentids.ts';
import { nodeIntent } from '../pinning/intents.ts';
import type { Machine } from './machines.ts';
import { isPinnable } from './pods.ts';

/** The plan name of intents that come from Karpenter's own provisioning. */
export const KARPENTER_PLAN = 'karpenter';

const isPlaceholder = ({ node }: Machine): boolean => node?.metadata.labels?.[PLACEHOLDER] !== undefined;

/**
 * The placeholder for a machine, with Kubernetes' own not-ready taint in place of ours. Karpenter treats that one as
 * temporary, and kube-controller-manager removes it once the kubelet is ready, even without the pinner.
 */
const placeholderFor = ({ claim, nodeName }: Machine, joinDeadlineMs: number): Intent => {
  const nodeClaim = claim.metadata.name;
  const node = nodeIntent(claim, nodeName, joinDeadlineMs);
  const taints = [...node.taints, { key: NOT_READY, value: '', effect: 'NoSchedule' }];
  return {
    id: nodeIntentId(KARPENTER_PLAN, nodeClaim),
    plan: KARPENTER_PLAN,
    nodeClaim,
    nodeName,
    node: { ...node, taints },
  };
};

const pinFor = ({ claim, nodeName }: Machine, { pod }: Attribution): Intent => {
  const { name, namespace = 'default', uid = '' } = pod.metadata;
  const nodeClaim = claim.metadata.name;
  return {
    id: pinIntentId(KARPENTER_PLAN, nodeClaim, namespace, uid),
    plan: KARPENTER_PLAN,
    nodeClaim,
    nodeName,
    pin: { namespace, pod: { name, uid } },
  };
};

/**
 * Intents: a node intent for each machine that pods wait for or that has a placeholder, and pins once its Node exists.
 * The pinner deletes a placeholder without an intent, so its intent stays until the kubelet has joined or the claim is
 * deleted.
 */
export const attributionIntents = (o: {
  readonly machines: readonly Machine[];
  readonly attributions: readonly Attribution[];
  /** Whether Karpenter has created all claims of the machine's batch. */
  readonly isSettled: (machine: Machine) => boolean;
  readonly joinDeadlineMs: number;
}): readonly Intent[] => {
  const byClaim = new Map<string, Attribution[]>();
  for (const attribution of o.attributions.filter(({ pod }) => isPinnable(pod))) {
    const known = byClaim.get(attribution.claim);
    if (known) known.push(attribution);
    else byClaim.set(attribution.claim, [attribution]);
  }
  const launched = o.machines.filter((m) => m.nodeName !== '' && m.claim.status?.providerID);
  return launched.flatMap((machine): Intent[] => {
    const pods = o.isSettled(machine) ? (byClaim.get(machine.claim.metadata.name) ?? []) : [];
    const node = placeholderFor(machine, o.joinDeadlineMs);
    if (!machine.node) return pods.length > 0 ? [node] : [];
    return [
      ...pods.map((attribution) => pinFor(machine, attribution)),
      ...(isPlaceholder(machine) ? [node] : []),
    ];
  });
};
