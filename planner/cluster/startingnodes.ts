import {
  KARPENTER_INITIALIZED,
  KARPENTER_REGISTERED,
  KARPENTER_UNREGISTERED_TAINT,
  PLAN,
} from '../../api/labels.ts';
import { healthOf, isPassedOver, isReady } from '../../api/nodes.ts';
import type { Node, NodeClaim, ResourceList, Taint } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { ShiftedZone } from '../model/catalogue.ts';

const COMING = { kind: 'coming' } as const;

/** Whether a taint goes when the machine has started. */
const isOfStart = (taint: Taint, { spec }: NodeClaim): boolean =>
  taint.key === KARPENTER_UNREGISTERED_TAINT ||
  isPassedOver(taint, COMING) ||
  (spec.startupTaints ?? []).some(({ key, effect }) => key === taint.key && effect === taint.effect);

const withClaimLabels = (node: Node, claim: NodeClaim): Node => ({
  ...node,
  metadata: { ...node.metadata, labels: { ...claim.metadata.labels, ...node.metadata.labels } },
});

/**
 * Whether a node's machine has joined and is starting: room that is paid for and that no pod can use yet. Those of our
 * own plans are not meant, since they are kept for those plans' pods, nor those in a zone that is shifted away.
 */
export const isStarting = ({
  node,
  claim,
  shift,
}: {
  readonly node: Node;
  readonly claim: NodeClaim | undefined;
  readonly shift?: ShiftedZone | undefined;
}): boolean =>
  claim !== undefined &&
  shift === undefined &&
  claim.metadata.deletionTimestamp === undefined &&
  valueAt(claim.metadata.labels, PLAN) === undefined &&
  valueAt(node.metadata.labels, KARPENTER_INITIALIZED) !== 'true' &&
  node.spec?.unschedulable !== true &&
  healthOf(withClaimLabels(node, claim)).kind === 'coming' &&
  (!isReady(node) || (node.spec?.taints ?? []).some((taint) => isOfStart(taint, claim)));

/** What the kubelet shows, and what the claim promises of resources that it does not show yet. */
const allocatableOf = (node: Node, claim: NodeClaim): ResourceList => {
  const shown = node.status?.allocatable;
  const promised = Object.entries(claim.status?.allocatable ?? {}).filter(
    ([resource]) => amount(resource, valueAt(shown, resource) ?? '0') === 0,
  );
  return { ...shown, ...Object.fromEntries(promised) };
};

/** The node as it will be once it has started. Source: Taints and Allocatable in Karpenter's pkg/controllers/state. */
export const asStarted = (node: Node, claim: NodeClaim): Node => {
  const named = withClaimLabels(node, claim);
  return {
    ...named,
    metadata: {
      ...named.metadata,
      labels: { ...named.metadata.labels, [KARPENTER_REGISTERED]: 'true', [KARPENTER_INITIALIZED]: 'true' },
    },
    spec: { ...node.spec, taints: (node.spec?.taints ?? []).filter((taint) => !isOfStart(taint, claim)) },
    status: { ...node.status, allocatable: allocatableOf(node, claim) },
  };
};
