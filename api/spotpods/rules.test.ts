import t from 'tap';
import { autoscalerPolicySpec } from '../kinds/autoscalerpolicy.ts';
import { MIRROR_POD, SPOT, SPOT_PERCENTAGE } from '../labels.ts';
import type { Pod } from '../objects.ts';
import { type SpotRules, spotRulesOf, spotRulingOf } from './rules.ts';

const ownerOf = (kind: string) => [{ apiVersion: 'v1', kind, name: 'web', uid: 'u', controller: true }];
const pod = (o: { kind?: string; metadata?: object; spec?: object } = {}): Pod => ({
  metadata: { name: 'p', ownerReferences: ownerOf(o.kind ?? 'ReplicaSet'), ...o.metadata },
  spec: { containers: [{ name: 'c' }], ...o.spec },
});
const RULES: SpotRules = {
  mode: 'preferred',
  rules: [
    { namespaces: ['shop', 'blog'], percentage: 60 },
    { namespaces: ['batch'], percentage: 100, jobs: true },
    { namespaces: ['*'], percentage: 10 },
  ],
};
const expression = (key: string) => ({ matchExpressions: [{ key, operator: 'In', values: ['x'] }] });
const required = (key: string) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [expression(key)] },
    },
  },
});
const preferred = (key: string) => ({
  affinity: {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: expression(key) }],
    },
  },
});
const percent = (text: string) => ({ metadata: { annotations: { [SPOT_PERCENTAGE]: text } } });

const rows: readonly (readonly [string, Pod, string, number | RegExp])[] = [
  ['a rule names its namespace', pod(), 'shop', 60],
  ['the first rule that does so counts', pod(), 'blog', 60],
  ['another namespace goes by *', pod(), 'other', 10],
  ['its workload says another percentage', pod(percent('25')), 'shop', 25],
  ['its workload wants none on spot', pod(percent('0')), 'shop', 0],
  ['its percentage is above 100', pod(percent('101')), 'shop', /no whole number/],
  ['its percentage is no number', pod(percent('60%')), 'shop', /no whole number/],
  ['its percentage is empty', pod(percent('')), 'shop', /no whole number/],
  ['it is of a Job, which the rule leaves out', pod({ kind: 'Job' }), 'shop', /Jobs/],
  ['it is of a Job, which the rule names', pod({ kind: 'Job' }), 'batch', 100],
  ['it is of a Job that asks for it', pod({ kind: 'Job', ...percent('30') }), 'shop', 30],
  ['it is of a kind that nobody knows', pod({ kind: 'Rollout' }), 'shop', 60],
  ['it is of a DaemonSet', pod({ kind: 'DaemonSet' }), 'shop', /DaemonSet/],
  ['it has no controller', pod({ metadata: { ownerReferences: [] } }), 'shop', /no controller/],
  ['it mirrors a static pod', pod({ metadata: { annotations: { [MIRROR_POD]: 'x' } } }), 'shop', /static/],
  ['it is in kube-system', pod(percent('100')), 'kube-system', /of the system/],
  ['it is one of ours', pod(), 'castai-agent', /of the system/],
  ['it has a node', pod({ spec: { nodeName: 'n' } }), 'shop', /has a node/],
  ['another scheduler places it', pod({ spec: { schedulerName: 'volcano' } }), 'shop', /volcano/],
  [
    'it selects a capacity type',
    pod({ spec: { nodeSelector: { 'karpenter.sh/capacity-type': 'spot' } } }),
    'shop',
    /itself/,
  ],
  ['it selects spot', pod({ spec: { nodeSelector: { [SPOT]: 'true' } } }), 'shop', /itself/],
  [
    'it tolerates spot',
    pod({ spec: { tolerations: [{ key: SPOT, operator: 'Exists' }] } }),
    'shop',
    /itself/,
  ],
  ['its label asks for spot', pod({ metadata: { labels: { [SPOT]: 'true' } } }), 'shop', /itself/],
  [
    'its affinity requires a capacity type',
    pod({ spec: required('karpenter.sh/capacity-type') }),
    'shop',
    /itself/,
  ],
  [
    'it prefers a capacity type of EKS',
    pod({ spec: preferred('eks.amazonaws.com/capacityType') }),
    'shop',
    /itself/,
  ],
  ['its affinity is about something else', pod({ spec: required('zone') }), 'shop', 60],
  ['it tolerates everything', pod({ spec: { tolerations: [{ operator: 'Exists' }] } }), 'shop', 60],
];
for (const [sentence, given, namespace, expected] of rows) {
  t.test(
    `${sentence}: ${typeof expected === 'number' ? `${expected} % on spot` : 'it passes'}`,
    async (t) => {
      const ruling = spotRulingOf(given, namespace, { rules: RULES, ownNamespace: 'castai-agent' });
      if (typeof expected === 'number') t.match(ruling, { kind: 'ruled', percentage: expected });
      else t.match(ruling, { kind: 'passed', reason: expected });
    },
  );
}

t.test('without rules in force every pod passes, whatever it says', async (t) => {
  const none = spotRulingOf(pod(percent('60')), 'shop', { rules: undefined, ownNamespace: 'castai-agent' });
  t.equal(none.kind, 'passed');
});

const specs: readonly (readonly [string, object, boolean])[] = [
  ['all of them on', { enabled: true, spotInstances: { enabled: true, spotPods: { enabled: true } } }, true],
  [
    'the policies off',
    { enabled: false, spotInstances: { enabled: true, spotPods: { enabled: true } } },
    false,
  ],
  ['spot off', { enabled: true, spotInstances: { enabled: false, spotPods: { enabled: true } } }, false],
  ['spotPods off', { enabled: true, spotInstances: { enabled: true, spotPods: { rules: [] } } }, false],
  ['nothing said', {}, false],
];
for (const [sentence, spec, isOn] of specs) {
  t.test(`the three switches, ${sentence}: ${isOn ? 'in force' : 'not in force'}`, async (t) => {
    t.equal(spotRulesOf(autoscalerPolicySpec.parse(spec)) !== undefined, isOn);
  });
}
