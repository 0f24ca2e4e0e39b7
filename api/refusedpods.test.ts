import t from 'tap';
import type { PodStatus } from './objects.ts';
import { refusalReason, wasAdmitted } from './refusedpods.ts';

const REFUSED: readonly (readonly [string, string, string?])[] = [
  ['a node without enough CPU', 'OutOfcpu'],
  ['a node without enough devices', 'OutOfnvidia.com/gpu'],
  ['a node whose labels changed', 'NodeAffinity'],
  ['a port in use', 'NodePorts'],
  ['a NoExecute taint', 'TaintToleration'],
  ['a device plugin that failed', 'UnexpectedAdmissionError'],
  ['no room on one NUMA node', 'TopologyAffinityError'],
  ['a node that shuts down', 'NodeShutdown'],
  ['too many volumes', 'VolumeAttachmentLimitExceeded'],
  ['a feature that the kubelet lacks', 'PodFeatureUnsupported'],
  ['a critical pod that took its room', 'Preempting'],
  ['a node under pressure', 'Evicted', 'Pod was rejected: The node had condition: [DiskPressure]. '],
  ['a node under pressure, in words that are not known', 'Evicted'],
];

for (const [sentence, reason, message] of REFUSED) {
  t.test(`refused: ${sentence}`, async (t) => {
    const status = { phase: 'Failed' as const, reason, ...(message && { message }), startTime: '2030' };
    const pod = { metadata: { name: 'p' }, spec: { containers: [] }, status };
    t.equal(refusalReason(pod), reason);
    t.equal(wasAdmitted(pod), false);
  });
}

/** A sentence, the status, and whether the kubelet has let the pod start. */
const NOT_REFUSED: readonly (readonly [string, PodStatus, boolean])[] = [
  ['a pod that waits', { phase: 'Pending', reason: 'NodeAffinity' }, false],
  ['a pod whose containers are created', { phase: 'Pending', startTime: '2030' }, true],
  ['a pod that ran and failed', { phase: 'Failed', startTime: '2030' }, true],
  [
    'a pod that ran until its node was low on memory',
    {
      phase: 'Failed',
      reason: 'Evicted',
      message: 'The node was low on resource: memory. ',
      startTime: '2030',
    },
    true,
  ],
  [
    'a pod that filled its own volume',
    {
      phase: 'Failed',
      reason: 'Evicted',
      message: 'Usage of EmptyDir volume "d" exceeds the limit "1Gi". ',
      startTime: '2030',
    },
    true,
  ],
  [
    'a pod that a node ended as it shut down',
    { phase: 'Failed', reason: 'Terminated', startTime: '2030' },
    true,
  ],
];

for (const [sentence, status, isAdmitted] of NOT_REFUSED) {
  t.test(`not refused: ${sentence}`, async (t) => {
    const pod = { metadata: { name: 'p' }, spec: { containers: [] }, status };
    t.equal(refusalReason(pod), undefined);
    t.equal(wasAdmitted(pod), isAdmitted);
  });
}
