import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import { refusalReason } from '../../api/refusedpods.ts';
import { NODES, PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { REFUSAL_TTL_MS } from '../placement/refusals.ts';
import type { State } from '../placement/state.ts';

/** Time between two looks at a refused pod that is kept because it tells a new leader of a closed node. */
const EVIDENCE_CHECK_MS = 10_000;

/** Refusals that a pin of ours can cause for the pod of someone else, by taking its room first. */
const LOST_RACE = /^(OutOf.+|NodeAffinity|NodePorts|UnexpectedAdmissionError)$/;

/** Why a kubelet refused a pod that is ours to clean up: one that we pinned, or that came second. */
const cleanupReason = (pod: Pod): string | undefined => {
  const reason = refusalReason(pod);
  const isPinned = pod.metadata.annotations?.[PIN] !== undefined;
  return reason !== undefined && (isPinned || LOST_RACE.test(reason)) ? reason : undefined;
};

const hasReplacement = (pod: Pod): boolean => {
  const controller = controllerOf(pod);
  return controller !== undefined && controller.kind !== 'Node';
};

const explain = (pod: Pod, reason: string): string => {
  const where = pod.spec.nodeName ?? 'its node';
  return LOST_RACE.test(reason)
    ? `the kubelet of ${where} rejected it (${reason}), since another pod or a label change came first; it never ran`
    : `the kubelet of ${where} refused it (${reason})`;
};

/**
 * Counts and explains pods that a kubelet refused, and deletes them after a while if a controller replaces them. Says
 * once when a node is closed to pins, and keeps its refused pods meanwhile: a new leader counts them again. Key:
 * 'namespace/name'.
 */
export const createRejectedPodController = (o: {
  readonly client: KubeClient;
  readonly state: Pick<State, 'store' | 'pods' | 'nodes' | 'refusals' | 'now'>;
  readonly recorder: Recorder;
  readonly log: Logger;
  /** How long rejected pods are kept, in milliseconds. */
  readonly keepMs: number;
  readonly observe: (reason: string) => void;
  /** Counts nodes that are closed to pins. */
  readonly observeClosed: () => void;
  /** While false, rejected pods are left alone. */
  readonly isEnabled: () => boolean;
}): Controller => {
  const seen = new Map<string, number>();
  /** When each closed node was reported, by name, in milliseconds since the epoch. */
  const reportedAt = new Map<string, number>();
  const hasPins = (node: string): boolean => o.state.store.by('node', node).some(({ intent }) => intent.pin);
  const reportClosed = (name: string, reason: string): void => {
    const now = o.state.now();
    for (const [node, at] of reportedAt) if (now - at >= REFUSAL_TTL_MS) reportedAt.delete(node);
    const node = o.state.nodes.get(name);
    if (!node || reportedAt.has(name)) return;
    reportedAt.set(name, now);
    o.observeClosed();
    const minutes = REFUSAL_TTL_MS / 60_000;
    const message = `no more pods are pinned to it for ${minutes} min, since ${reason}: look at its kubelet and its conditions`;
    o.recorder.event(NODES, node, 'Warning', 'NodeRefusesPods', message);
    o.log.warn({ node: name, reason }, 'node closed to pins');
  };
  return {
    name: 'pod.refused',
    sources: [
      watches(o.state.pods, (pod, { type }) => {
        if (type === 'delete') seen.delete(pod.metadata.uid ?? '');
        const { namespace, name } = pod.metadata;
        return type !== 'delete' && cleanupReason(pod) ? [`${namespace}/${name}`] : [];
      }),
    ],
    reconcile: async (key, signal) => {
      const pod = o.state.pods.get(key);
      const reason = pod && cleanupReason(pod);
      if (!pod || !reason) return awaitChange;
      if (!o.isEnabled()) return requeue(o.keepMs);
      const { name, namespace = 'default', uid = '' } = pod.metadata;
      const now = o.state.now();
      const firstSeen = seen.get(uid) ?? now;
      if (!seen.has(uid)) {
        seen.set(uid, now);
        o.observe(reason);
        o.recorder.event(PODS, pod, 'Warning', 'PodRefused', explain(pod, reason));
        o.log.warn({ name, namespace, node: pod.spec.nodeName, reason }, 'pod refused by its kubelet');
      }
      const { nodeName = '' } = pod.spec;
      const closed = hasPins(nodeName) ? o.state.refusals.closedReason(nodeName) : undefined;
      if (closed) reportClosed(nodeName, closed);
      if (!hasReplacement(pod)) return awaitChange;
      if (closed) return requeue(EVIDENCE_CHECK_MS);
      const remainingMs = firstSeen + o.keepMs - now;
      if (remainingMs > 0) return requeue(remainingMs);
      await o.client
        .delete(PODS, { name, namespace }, { ...(uid && { uid }), signal })
        .catch(ignoreNotFoundOrConflict);
      return awaitChange;
    },
  };
};
