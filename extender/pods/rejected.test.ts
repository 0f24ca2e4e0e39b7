import t from 'tap';
import { rejectionReason } from './rejected.ts';

type Phase = 'Failed' | 'Pending';

const CASES: readonly (readonly [string, Phase, string, string | undefined])[] = [
  ['a node without enough CPU', 'Failed', 'OutOfcpu', 'OutOfcpu'],
  ['a node without enough devices', 'Failed', 'OutOfnvidia.com/gpu', 'OutOfnvidia.com/gpu'],
  ['a node whose labels changed', 'Failed', 'NodeAffinity', 'NodeAffinity'],
  ['a port in use', 'Failed', 'NodePorts', 'NodePorts'],
  ['a device plugin that failed', 'Failed', 'UnexpectedAdmissionError', 'UnexpectedAdmissionError'],
  ['a pod that ran and was evicted', 'Failed', 'Evicted', undefined],
  ['a pod that ran and failed', 'Failed', '', undefined],
  ['a pod that waits', 'Pending', 'NodeAffinity', undefined],
];

for (const [sentence, phase, reason, expected] of CASES) {
  t.test(sentence, async (t) => {
    const pod = { metadata: { name: 'p' }, spec: { containers: [] }, status: { phase, reason } };
    t.equal(rejectionReason(pod), expected);
  });
}
