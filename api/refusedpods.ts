import type { Pod } from './objects.ts';

/**
 * Reasons of a kubelet's admission; such a pod has never run. Source: admissionRejectionReasons in Kubernetes'
 * pkg/kubelet/kubelet.go, the names of the scheduler's plugins in lifecycle/predicate.go, and cm/admission/errors.go.
 */
const ADMISSION =
  /^(OutOf[A-Za-z0-9./_-]+|NodeAffinity|NodeName|NodePorts|TaintToleration|UnexpectedAdmissionError|EmptyPodSharedPoolError|TopologyAffinityError|UnknownReason|UnexpectedPredicateFailureType|InvalidNodeInfo|PodOSSelectorNodeLabelDoesNotMatch|PodOSNotSupported|InitContainerRestartPolicyForbidden|SupplementalGroupsPolicyNotSupported|AppArmor|PodLevelResourcesNotSupported|PodFeatureUnsupported|SysctlForbidden|NodeShutdown|VolumeAttachmentLimitExceeded)$/;

/** The kubelet took the pod's room for a critical one. */
const PREEMPTED = 'Preempting';
/** The reason both for refusing a new pod and for ending one that ran. */
const EVICTED = 'Evicted';
/** Messages of a kubelet that ended a pod which ran: its node was low, or the pod used more than it may. */
const HAS_RUN = /low on resource|exceed/i;

/** Why a kubelet did not let a pod start on its node; undefined when it did, or has not decided yet. */
export const refusalReason = ({ status }: Pod): string | undefined => {
  const { phase, reason = '', message = '' } = status ?? {};
  if (phase !== 'Failed') return undefined;
  if (reason === EVICTED) return HAS_RUN.test(message) ? undefined : reason;
  return reason === PREEMPTED || ADMISSION.test(reason) ? reason : undefined;
};

/** True once the kubelet has let the pod start, whatever became of it later. */
export const wasAdmitted = (pod: Pod): boolean => {
  const { phase, startTime } = pod.status ?? {};
  if (refusalReason(pod) !== undefined) return false;
  return startTime !== undefined || phase === 'Running' || phase === 'Succeeded';
};
