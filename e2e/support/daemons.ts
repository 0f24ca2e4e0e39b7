import * as labels from '../../api/labels.ts';
import type { Node, Taint, Toleration } from '../../api/objects.ts';
import { DAEMON_SETS, NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isNotFound } from '../../kube/errors.ts';

/** DaemonSets as their users deploy them, and what their programs would do to the node: the ground's run nothing. */

export const GPU = 'nvidia.com/gpu';
export const GPU_TAINT: Taint = { key: GPU, value: 'true', effect: 'NoSchedule' };
/** Keeps pods off a node until its CSI driver takes it away. */
export const CSI_TAINT: Taint = {
  key: 'csi.example.com/agent-not-ready',
  value: 'true',
  effect: 'NoExecute',
};

export const GPU_TOLERATION: Toleration = { key: GPU, operator: 'Exists', effect: 'NoSchedule' };

export interface Daemon {
  readonly name: string;
  readonly tolerations: readonly Toleration[];
  /** Runs once for each node, when its pod runs there. */
  readonly act?: (client: KubeClient, node: string) => Promise<void>;
}

const retried = async (write: () => Promise<unknown>): Promise<void> => {
  for (let attempt = 0; ; attempt++) {
    try {
      await write();
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (attempt === 20) throw error;
    }
  }
};

/** NVIDIA's device plugin: it tolerates the taint of GPU nodes and nothing else, and reports one GPU to the kubelet. */
export const DEVICE_PLUGIN: Daemon = {
  name: 'nvidia-device-plugin',
  tolerations: [GPU_TOLERATION],
  act: (client, name) =>
    retried(() =>
      client.patch(
        NODES,
        { name },
        { status: { capacity: { [GPU]: '1' }, allocatable: { [GPU]: '1' } } },
        { subresource: 'status' },
      ),
    ),
};

/** A CSI driver's node part: it tolerates its own start-up taint and that of GPU nodes, and takes its own away. */
export const CSI_DRIVER: Daemon = {
  name: 'csi-driver',
  tolerations: [{ key: CSI_TAINT.key, operator: 'Exists' }, GPU_TOLERATION],
  act: (client, name) =>
    retried(async () => {
      const node = await client.get<Node>(NODES, { name });
      const taints = (node.spec?.taints ?? []).filter(({ key }) => key !== CSI_TAINT.key);
      const { resourceVersion } = node.metadata;
      await client.patch(NODES, { name }, { metadata: { resourceVersion }, spec: { taints } });
    }),
};

/** A pod that computes on one GPU of a NodePool's nodes. */
export const gpuPodSpec = (pool: string): object => ({
  nodeSelector: { [labels.KARPENTER_NODEPOOL]: pool },
  tolerations: [GPU_TOLERATION],
  containers: [
    {
      name: 'app',
      image: 'pause:local',
      resources: { requests: { cpu: '500m', memory: '512Mi' }, limits: { [GPU]: '1' } },
    },
  ],
});

/** A logging or monitoring agent without tolerations. */
export const AGENT: Daemon = { name: 'log-agent', tolerations: [] };

const containers = [
  { name: 'daemon', image: 'pause:local', resources: { requests: { cpu: '50m', memory: '64Mi' } } },
];

/** Applies a DaemonSet for the nodes of one NodePool. */
export const applyDaemon = (client: KubeClient, namespace: string, pool: string, daemon: Daemon) => {
  const { name, tolerations } = daemon;
  const spec = {
    nodeSelector: { [labels.KARPENTER_NODEPOOL]: pool },
    tolerations,
    terminationGracePeriodSeconds: 1,
    containers,
  };
  return client.apply(
    DAEMON_SETS,
    {
      metadata: { name, namespace },
      spec: {
        selector: { matchLabels: { daemon: name } },
        template: { metadata: { labels: { daemon: name } }, spec },
      },
    },
    { fieldManager: 'e2e', force: true },
  );
};
