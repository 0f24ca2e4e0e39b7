import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import type { State } from '../placement/state.ts';

/** Reasons of the kubelet's admission; such a pod has never run. */
const REASONS = /^(OutOf[A-Za-z0-9./-]+|NodeAffinity|NodePorts|UnexpectedAdmissionError)$/;

/** Why a kubelet rejected this pod; undefined when it did not. */
export const rejectionReason = ({ status }: Pod): string | undefined => {
  const { phase, reason = '' } = status ?? {};
  return phase === 'Failed' && REASONS.test(reason) ? reason : undefined;
};

const hasReplacement = (pod: Pod): boolean => {
  const controller = controllerOf(pod);
  return controller !== undefined && controller.kind !== 'Node';
};

/**
 * Counts and explains pods that a kubelet rejected because another pod was faster, and deletes them after a while if a
 * controller replaces them. Key: 'namespace/name'.
 */
export const createRejectedPodController = (o: {
  readonly client: KubeClient;
  readonly state: Pick<State, 'pods' | 'now'>;
  readonly recorder: Recorder;
  readonly log: Logger;
  /** How long rejected pods are kept, in milliseconds. */
  readonly keepMs: number;
  readonly observe: (reason: string) => void;
  /** While false, rejected pods are left alone. */
  readonly isEnabled: () => boolean;
}): Controller => {
  const seen = new Map<string, number>();
  return {
    name: 'pod.refused',
    sources: [
      watches(o.state.pods, (pod, { type }) => {
        if (type === 'delete') seen.delete(pod.metadata.uid ?? '');
        const { namespace, name } = pod.metadata;
        return type !== 'delete' && rejectionReason(pod) ? [`${namespace}/${name}`] : [];
      }),
    ],
    reconcile: async (key, signal) => {
      const pod = o.state.pods.get(key);
      const reason = pod && rejectionReason(pod);
      if (!pod || !reason) return awaitChange;
      if (!o.isEnabled()) return requeue(o.keepMs);
      const { name, namespace = 'default', uid = '' } = pod.metadata;
      const now = o.state.now();
      const firstSeen = seen.get(uid) ?? now;
      if (!seen.has(uid)) {
        seen.set(uid, now);
        o.observe(reason);
        const where = pod.spec.nodeName ?? 'its node';
        const message = `the kubelet of ${where} rejected it (${reason}), since another pod or a label change came first; it never ran`;
        o.recorder.event(PODS, pod, 'Warning', 'PodRefused', message);
        o.log.warn({ name, namespace, node: pod.spec.nodeName, reason }, 'pod refused by its kubelet');
      }
      if (!hasReplacement(pod)) return awaitChange;
      const remainingMs = firstSeen + o.keepMs - now;
      if (remainingMs > 0) return requeue(remainingMs);
      await o.client
        .delete(PODS, { name, namespace }, { ...(uid && { uid }), signal })
        .catch(ignoreNotFoundOrConflict);
      return awaitChange;
    },
  };
};
