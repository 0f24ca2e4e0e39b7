import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import type { State } from '../placement/state.ts';

/** What a kubelet's admission answers with; such a pod has never run. */
const REASONS = /^(OutOf[A-Za-z0-9./-]+|NodeAffinity|NodePorts|UnexpectedAdmissionError)$/;

/** Whether a kubelet refused this pod at its door: why, or null. */
export const rejectionReason = ({ status }: Pod): string | undefined => {
  const { phase, reason = '' } = status ?? {};
  return phase === 'Failed' && REASONS.test(reason) ? reason : undefined;
};

const hasReplacement = (pod: Pod): boolean => {
  const controller = controllerOf(pod);
  return controller !== undefined && controller.kind !== 'Node';
};

/**
 * Pods that a kubelet refused because someone else was faster: counted, explained, and removed after a while, if a
 * controller has made another one in their place. Key: 'namespace/name'.
 */
export const createRejectedPodController = (o: {
  readonly client: KubeClient;
  readonly state: Pick<State, 'pods' | 'now'>;
  readonly recorder: Recorder;
  readonly log: Logger;
  /** How long they stay to be looked at, in milliseconds. */
  readonly keepMs: number;
  readonly observe: (reason: string) => void;
  /** While it answers false, pods that were refused are left as they are. */
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
        const message = `the kubelet of ${where} refused it (${reason}): another pod or label change was faster; it never ran`;
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
