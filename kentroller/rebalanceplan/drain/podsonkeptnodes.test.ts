import t from 'tap';
import type { RebalancePlan } from '../../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { podsOnKeptNodesOf } from './podsonkeptnodes.ts';

const on = (node: string | undefined, pod: Pod): Pod => ({
  ...pod,
  spec: { ...pod.spec, ...(node && { nodeName: node }) },
});
const moving = (policy?: 'Mandatory' | 'Optional'): RebalancePlan =>
  make.plan({
    podsToMigrate: [
      {
        name: 'web-1',
        namespace: 'shop',
        srcNode: 'stays',
        dstNodeClaimName: 'green',
        ...(policy && { policy }),
      },
    ],
  });

const CASES: readonly (readonly [string, RebalancePlan, Pod | undefined, number])[] = [
  ['a pod on a kept node', moving(), on('stays', make.pod('web-1')), 1],
  ['a pod that is on another node now', moving(), on('other', make.pod('web-1')), 0],
  ['a deleted pod', moving(), undefined, 0],
  ['a pod that may only be migrated live', moving('Mandatory'), on('stays', make.pod('web-1')), 0],
  [
    'a pod without a node',
    make.plan({
      podsToMigrate: [{ name: 'web-1', namespace: 'shop', srcNode: '', dstNodeClaimName: 'green' }],
    }),
    on(undefined, make.pod('web-1')),
    0,
  ],
];

t.test('pods on kept nodes', async (t) => {
  for (const [name, plan, pod, count] of CASES)
    t.equal(
      podsOnKeptNodesOf(plan, { podOf: () => pod, removedNodes: new Set(['goes']) }).length,
      count,
      name,
    );
  const drained = podsOnKeptNodesOf(moving(), {
    podOf: () => on('stays', make.pod('web-1')),
    removedNodes: new Set(['stays']),
  });
  t.same(drained, [], 'a pod on a removed node');
});
