import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import { allowedDisruptions } from './budget.ts';
import { overLimits } from './limits.ts';

type Budgets = NonNullable<NodePool['spec']['disruption']>['budgets'];

const pool = (budgets?: Budgets, spec: Partial<NodePool['spec']> = {}): NodePool => ({
  metadata: { name: 'general' },
  spec: {
    ...(budgets ? { disruption: { budgets } } : {}),
    template: {
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements: [],
      },
    },
    ...spec,
  },
});
const NOON = Date.parse('2026-11-22T12:00:00Z');

const CASES: readonly [string, Budgets, number, number, boolean, number][] = [
  ['ten percent where nothing is said, rounded up', undefined, 12, 0, false, 2],
  ['the strictest of several', [{ nodes: '50%' }, { nodes: '3' }], 12, 0, false, 3],
  ['less what is out already', [{ nodes: '3' }], 12, 2, false, 1],
  ['never below nothing', [{ nodes: '1' }], 12, 4, false, 0],
  [
    'a budget for another reason does not count',
    [{ nodes: '0', reasons: ['Drifted'] }, { nodes: '4' }],
    12,
    0,
    false,
    4,
  ],
  ['a budget for our reason does', [{ nodes: '0', reasons: ['Underutilized'] }], 12, 0, false, 0],
  [
    'a budget outside its hours',
    [{ nodes: '0', schedule: '0 9 * * *', duration: '2h' }, { nodes: '5' }],
    12,
    0,
    false,
    5,
  ],
  [
    'a budget within its hours',
    [{ nodes: '0', schedule: '0 9 * * *', duration: '8h' }, { nodes: '5' }],
    12,
    0,
    false,
    0,
  ],
  ['zero becomes ten percent where that is asked for', [{ nodes: '0' }], 12, 0, true, 2],
  ['no more nodes than there are', [{ nodes: '100' }], 3, 0, false, 3],
];

for (const [name, budgets, total, disrupted, ignoresZero, expected] of CASES) {
  t.test(name, async (t) =>
    t.equal(allowedDisruptions(pool(budgets), { total, disrupted }, NOON, ignoresZero), expected),
  );
}

t.test('limits count what is there and what comes', async (t) => {
  const node = {
    name: 'n',
    instanceType: 'm5.large',
    isSpot: false,
    milliCPU: 2000,
    memoryMiB: 8192,
    priceHourly: '0.1',
  };
  const limited = { ...pool(undefined, { limits: { cpu: '10' } }), status: { resources: { cpu: '7' } } };
  t.equal(overLimits(limited, [node]), undefined);
  t.match(overLimits(limited, [node, node]), /limit of 10 for cpu: 7 are there, and the plan adds 4/);
  t.equal(overLimits(pool(), [node]), undefined);
});
