import { join } from 'node:path';
import { INSIDE } from '../host/addresses.ts';
import { cgroupOf } from './cgroups.ts';
import { containerdSocket } from './containerd.ts';

export const REAL_NODE = 'real-1';
export const NODE_LABEL = 'precision-packer.dev/components';
export const NODE_TAINT = { key: NODE_LABEL, value: 'true', effect: 'NoSchedule' } as const;

/** The real node's KubeletConfiguration. */
export function kubeletConfig(dir: string, clientCAFile: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile } },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroupOf(dir),
    failCgroupV1: false,
    failSwapOn: false,
    containerRuntimeEndpoint: `unix://${containerdSocket(dir)}`,
    clusterDNS: [INSIDE.dnsService],
    clusterDomain: 'cluster.local',
    resolvConf: join(dir, 'node', 'resolv.conf'),
    podLogsDir: join(dir, 'logs', 'pods'),
    volumePluginDir: join(dir, 'node', 'volume-plugins'),
    registerWithTaints: [NODE_TAINT],
    // The host's disk is not the ground's concern: it causes no eviction and no removal of images.
    evictionHard: { 'memory.available': '100Mi' },
    imageGCHighThresholdPercent: 100,
    // An image that was pulled once, under whatever name, would be pulled again where a pod has it under the name that it was loaded by.
    imagePullCredentialsVerificationPolicy: 'NeverVerify',
    localStorageCapacityIsolation: false,
  };
}
