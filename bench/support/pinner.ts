import type { OwnerReference } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import type { Autoscaler } from '../../e2e/pinner/fakeautoscaler.ts';
import type { Bed } from './bed.ts';
import { Child } from './child.ts';
import { SCHEDULERS } from './cluster.ts';
import { freePort } from './port.ts';

/** Limits far above what is measured, so that neither side waits for its own throttle. */
export const UNTHROTTLED = 10_000;

const PLAN = 'bench';

/** The pod pinner as a leading process, and an autoscaler that sends what a benchmark wants. */
export interface Pinner {
  readonly child: Child;
  readonly autoscaler: Autoscaler;
  /** The URL at which a kube-scheduler of the ground reaches the extender's verbs. */
  readonly url: string;
  stop(): Promise<void>;
}

export const startPinner = async (bed: Bed, namespace: string): Promise<Pinner> => {
  const { ground, client, host } = bed;
  const { Autoscaler } = await import('../../e2e/pinner/fakeautoscaler.ts');
  for (const name of ['castai-pod-pinner', 'castai-pod-pinner-webhook']) await bed.account(namespace, name);
  const autoscaler = await Autoscaler.start(client, namespace);
  const port = await freePort(host);
  const child = Child.ofOurs('extender/main.ts', {
    KUBECONFIG: ground.kubeconfig,
    POD_NAMESPACE: namespace,
    POD_NAME: 'bench',
    SCHEDULER_NAMES: SCHEDULERS,
    HOST: host,
    PORT: String(port),
    PEER_HOST: '127.0.0.1',
    PEER_CALLERS: `system:serviceaccount:${namespace}:castai-pod-pinner-webhook`,
    PEER_PORT: '0',
    HEALTH_PORT: '0',
    QPS: String(UNTHROTTLED),
    BURST: String(UNTHROTTLED),
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await autoscaler.close();
  };
  try {
    await child.said('full state received');
  } catch (error) {
    await stop();
    throw error;
  }
  return { child, autoscaler, url: `http://${host}:${port}`, stop };
};

/** A machine on its way under this name. */
export const machineIntent = (
  nodeName: string,
  o: { readonly labels?: Readonly<Record<string, string>>; readonly pods?: number } = {},
): Intent => {
  const resources = { cpu: '64', memory: '256Gi', pods: String(o.pods ?? 110) };
  return {
    id: `node/${nodeName}`,
    plan: PLAN,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    node: {
      providerId: `bench:///${nodeName}`,
      labels: { 'kubernetes.io/hostname': nodeName, ...o.labels },
      annotations: {},
      taints: [],
      capacity: resources,
      allocatable: resources,
      joinDeadlineMs: Date.now() + 3_600_000,
      nodeClaimUid: '',
    },
  };
};

/** So many pods of an owner belong on the node. */
export const placesIntent = (
  nodeName: string,
  namespace: string,
  owner: OwnerReference,
  count: number,
): Intent => ({
  id: `pin/${namespace}/${owner.name}/${nodeName}`,
  plan: PLAN,
  nodeClaim: `claim-of-${nodeName}`,
  nodeName,
  pin: { namespace, owner: { kind: owner.kind, name: owner.name, uid: owner.uid, count } },
});
