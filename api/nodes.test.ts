import t from 'tap';
import { KARPENTER_INITIALIZED, KARPENTER_NODEPOOL } from './labels.ts';
import { healthOf, isPassedOver } from './nodes.ts';
import type { Node } from './objects.ts';

type Conditions = Readonly<Record<string, 'True' | 'False' | 'Unknown'>>;

/** A joined, ready and initialized node of Karpenter's, unless told otherwise. */
const node = (
  o: {
    readonly joined?: boolean;
    readonly initialized?: boolean;
    readonly conditions?: Conditions;
    readonly taint?: string;
    readonly deleting?: boolean;
  } = {},
): Node => {
  const { joined = true, initialized = joined, conditions = joined ? { Ready: 'True' } : {} } = o;
  return {
    metadata: {
      name: 'a',
      labels: { [KARPENTER_NODEPOOL]: 'general', ...(initialized && { [KARPENTER_INITIALIZED]: 'true' }) },
      ...(o.deleting && { deletionTimestamp: '2030-01-01T00:00:00Z' }),
    },
    spec: { taints: o.taint ? [{ key: o.taint, effect: 'NoSchedule' }] : [] },
    status: {
      ...(joined && { nodeInfo: { kubeletVersion: 'v1.36.3' } }),
      conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })),
    },
  };
};

const lifecycle = (name: string): string => `node.kubernetes.io/${name}`;

const CASES: readonly (readonly [string, Node, string])[] = [
  ['a placeholder is on its way', node({ joined: false }), 'coming'],
  [
    'a placeholder that was called unreachable is still on its way',
    node({ joined: false, conditions: { Ready: 'Unknown' }, taint: lifecycle('unreachable') }),
    'coming',
  ],
  [
    'a placeholder that says not ready is on its way',
    node({ joined: false, conditions: { Ready: 'False' }, taint: lifecycle('not-ready') }),
    'coming',
  ],
  [
    'a machine whose kubelet starts is on its way',
    node({ initialized: false, conditions: { Ready: 'False' }, taint: lifecycle('not-ready') }),
    'coming',
  ],
  [
    'a machine whose network is being set up is on its way',
    node({ initialized: false, conditions: { Ready: 'False', NetworkUnavailable: 'True' } }),
    'coming',
  ],
  [
    'a machine that joined and fell silent is sick',
    node({ initialized: false, conditions: { Ready: 'Unknown' } }),
    'sick',
  ],
  [
    'a machine short of disk space is sick before it is initialized',
    node({ initialized: false, conditions: { Ready: 'True', DiskPressure: 'True' } }),
    'sick',
  ],
  ['an initialized node is healthy', node(), 'healthy'],
  ['a cordon is no sickness', node({ taint: lifecycle('unschedulable') }), 'healthy'],
  ['an initialized node that is not ready is sick', node({ conditions: { Ready: 'False' } }), 'sick'],
  ['an initialized node that says nothing is sick', node({ conditions: {} }), 'sick'],
  [
    'a condition counts before its taint',
    node({ conditions: { Ready: 'True', MemoryPressure: 'True' } }),
    'sick',
  ],
  ['a taint counts before its condition', node({ taint: lifecycle('pid-pressure') }), 'sick'],
  ['a node out of service is sick', node({ taint: lifecycle('out-of-service') }), 'sick'],
  ['a node without network is sick', node({ taint: lifecycle('network-unavailable') }), 'sick'],
  ['a node that Karpenter disrupts is sick', node({ taint: 'karpenter.sh/disrupted' }), 'sick'],
  ['a node that is being deleted is sick', node({ deleting: true }), 'sick'],
];

for (const [sentence, found, expected] of CASES) {
  t.test(sentence, async (t) => {
    const health = healthOf(found);
    t.equal(health.kind, expected, JSON.stringify(health));
  });
}

t.test('taints of a starting machine are passed over on a machine on its way alone', async (t) => {
  const notReady = { key: lifecycle('not-ready'), effect: 'NoExecute' } as const;
  t.ok(isPassedOver(notReady, { kind: 'coming' }));
  t.notOk(isPassedOver(notReady, { kind: 'healthy' }));
  const startup = { key: 'example.com/agent', effect: 'NoSchedule' } as const;
  t.notOk(isPassedOver(startup, { kind: 'coming' }), 'a startup taint is waited for');
});
