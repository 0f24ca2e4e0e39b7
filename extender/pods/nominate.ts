import type { Node, Pod, Toleration } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { reservationOn } from '../../api/reservation.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { writeNomination } from '../../kube/nomination.ts';
import { missingToleration } from '../../planner/pinning/reservationtoleration.ts';

/** A pod that kube-scheduler bound first: the API server answers 422, and only its message tells why. */
const isAlreadyBound = (error: unknown): error is KubeError =>
  error instanceof KubeError && error.status === 422 && error.message.includes('already bound to a node');

/**
 * Sets the pod's nominatedNodeName, so that kube-scheduler tries that node first and Karpenter buys none; before the
 * node has a name, the NodeClaim's name does that for Karpenter. Throws a conflict when the pod is bound
 * already, or is not as it was seen.
 */
export const nominatePod = async (
  client: KubeClient,
  intent: Intent,
  pod: Pod,
  signal: AbortSignal,
): Promise<void> => {
  const nominatedNodeName = intent.nodeName || intent.nodeClaim;
  if (nominatedNodeName === '' || pod.status?.nominatedNodeName === nominatedNodeName) return;
  try {
    await writeNomination({ client, signal }, pod, nominatedNodeName);
  } catch (error) {
    if (!isAlreadyBound(error)) throw error;
    throw new KubeError(error.message, { kind: 'conflict', cause: error });
  }
};

/** The toleration that a pod lacks for a node that is reserved for the plan's pods; empty when it lacks none. */
export const missingTolerations = (node: Node | undefined, pod: Pod): readonly Toleration[] => {
  const taint = node && reservationOn(node);
  return taint ? missingToleration(taint, pod) : [];
};
