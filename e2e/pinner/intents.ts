import { PREPARING_TAINT } from '../../api/labels.ts';
import type { KubeObject, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';

const PLAN = 'plan-1';

/** A machine on its way under this name; its Node carries the label place=<name>. */
export const nodeIntent = (
  nodeName: string,
  o: {
    readonly cpu?: string;
    readonly pods?: string;
    readonly deadline?: number;
    readonly plan?: string;
  } = {},
): Intent => {
  const { cpu = '2', pods = '29' } = o;
  return {
    id: `node/${nodeName}`,
    plan: o.plan ?? PLAN,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    node: {
      providerId: `fake:///${nodeName}`,
      labels: { 'node.kubernetes.io/instance-type': 'm5.large', place: nodeName },
      annotations: {},
      taints: [{ key: PREPARING_TAINT, value: '', effect: 'NoSchedule' }],
      capacity: { cpu, memory: '8Gi', pods, 'nvidia.com/gpu': '1' },
      allocatable: { cpu, memory: '7Gi', pods, 'nvidia.com/gpu': '1' },
      joinDeadlineMs: o.deadline ?? Date.now() + 600_000,
      nodeClaimUid: '',
    },
  };
};

/** An intent for `count` pods of an owner on the node. */
export const ownerIntent = (nodeName: string, owner: KubeObject, count: number, plan = PLAN): Intent => {
  const { name, uid = '', namespace = '' } = owner.metadata;
  return {
    id: `pin/${namespace}/${name}/${nodeName}`,
    plan,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    pin: { namespace, owner: { kind: owner.kind ?? 'ReplicaSet', name, uid, count } },
  };
};

/** An intent for this pod on the node. */
export const podIntent = (nodeName: string, { metadata }: Pod): Intent => {
  const { name, uid = '', namespace = '' } = metadata;
  return {
    id: `pin/${uid}`,
    plan: PLAN,
    nodeClaim: `claim-of-${nodeName}`,
    nodeName,
    pin: { namespace, pod: { name, uid } },
  };
};
