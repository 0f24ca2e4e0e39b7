import t from 'tap';
import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import type { NodePool } from '../../../api/objects.ts';
import { Offerings } from '../../cloud/offerings.ts';
import * as make from '../../testing/builders.ts';
import { attempts, BLUE, checkCases, DELETE, describeStep, unavailable } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';

/** Limits of NodePools at each order: what is there, what is on its way and what is ordered, against every limit. */

const limitedTo = (
  limits: Readonly<Record<string, string>>,
  used: Readonly<Record<string, number>> = {},
): Partial<ExecutionState> => {
  const pool: NodePool = make.nodePool('general', { limits });
  return {
    ...BLUE,
    nodePools: new Map([['general', pool]]),
    poolUsage: new Map([['general', new Map(Object.entries(used))]]),
  };
};
const adds = (...names: readonly string[]): { readonly nodeClaimsToAdd: NodeClaimToAdd[] } => ({
  nodeClaimsToAdd: names.map((name) => make.toAdd(name, [['m5.large', 'm5.xlarge'], ['c5.large']])),
});
const REPLACE = { ...DELETE, ...adds('green') };
const PENDING = {
  ...adds('green'),
  podsToMigrate: [{ name: 'p', namespace: 'shop', srcNode: '', dstNodeClaimName: 'green' }],
};

checkCases([
  [
    'a limit of nodes counts',
    make.plan(REPLACE),
    limitedTo({ nodes: '4' }, { nodes: 4 }),
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'a limit of pods counts',
    make.plan(REPLACE),
    limitedTo({ pods: '100' }, { pods: 58 }),
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'the usage that was read now counts, not the status of the NodePool',
    make.plan(REPLACE),
    limitedTo({ cpu: '10' }, { cpu: 9000 }),
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'limits hold for plans that buy for pending pods',
    make.plan(PENDING),
    limitedTo({ cpu: '10' }, { cpu: 9000 }),
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'two orders of one plan share what is left',
    make.plan({ ...DELETE, ...adds('one', 'two') }),
    limitedTo({ cpu: '10' }, { cpu: 7000 }),
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'limits are checked at a later order, too',
    make.plan(REPLACE, attempts({ status: 'Failed', alternative: 0 })),
    limitedTo({ cpu: '10' }, { cpu: 9000 }),
    ['fail Creation FailureReasonNodePoolLimit'],
  ],
  [
    'cores of the cluster hold for plans that buy for pending pods',
    make.plan(PENDING),
    { ...BLUE, clusterCores: { max: 10_000, used: 9_000 } },
    ['fail Creation FailureReasonClusterLimit'],
  ],
  [
    'cores of the cluster hold for plans that replace nodes',
    make.plan(REPLACE),
    { ...BLUE, clusterCores: { max: 10_000, used: 9_000 } },
    ['fail Creation FailureReasonClusterLimit'],
  ],
  [
    'while the sizes of machines are not known, a cluster with a limit gets none',
    make.plan(PENDING),
    { ...BLUE, clusterCores: { max: 10_000, used: 0 }, offerings: undefined },
    ['wait-in-phase WaitingForPrices'],
  ],
  [
    'while the sizes of machines are not known, a NodePool with limits gets none',
    make.plan(PENDING),
    { ...limitedTo({ cpu: '10' }, {}), offerings: undefined },
    ['wait-in-phase WaitingForPrices'],
  ],
]);

t.test(
  'a type that is beyond the limit is not ordered, a smaller one of the same alternative is',
  async (t) => {
    const state = make.executionState(make.plan(REPLACE), limitedTo({ cpu: '10' }, { cpu: 7000 }));
    const [step] = decide(state).steps;
    const requirements = step?.kind === 'create-claim' ? step.claim.spec.requirements : [];
    t.same(requirements.find(({ key }) => key === 'node.kubernetes.io/instance-type')?.values, ['m5.large']);
  },
);

t.test('what is left to order is not only what the cloud has just refused', async (t) => {
  const refused = unavailable('m5.large');
  const kindsOf = (spec: object, o: Partial<ExecutionState>, other = 'm5.xlarge') =>
    decide(
      make.executionState(
        make.plan({ ...spec, nodeClaimsToAdd: [make.toAdd('green', [['m5.large', other]])] }),
        o,
      ),
    ).steps.map(describeStep);
  const offerings = make.offerings({ ...make.PRICES, 'c5.large/us-west-2a/on-demand': 0.3 });
  const large = limitedTo({ cpu: '10' }, { cpu: 7000 });
  t.match(kindsOf(REPLACE, large), [/^create-claim green m5.large/], 'the smaller one while it is sold');
  t.same(kindsOf(PENDING, { ...large, unavailable: [refused] }), [
    'fail Creation FailureReasonNodePoolLimit',
  ]);
  const dear = { ...BLUE, offerings, unavailable: [refused] };
  t.same(kindsOf(REPLACE, dear, 'c5.large'), ['fail Creation FailureReasonInsufficientSavings']);
});

t.test('the GPUs of a machine count against a limit', async (t) => {
  const [type] = make.offerings(make.PRICES).catalogue.instanceTypes;
  if (!type) throw new Error('no type');
  const gpu = { ...type, capacity: { ...type.capacity, other: { 'nvidia.com/gpu': 4 } } };
  const offerings = new Offerings({ instanceTypes: [gpu] });
  const plan = make.plan({ ...PENDING, nodeClaimsToAdd: [make.toAdd('green', [['m5.large']])] });
  const kindsWith = (used: number) =>
    decide(
      make.executionState(plan, {
        ...limitedTo({ 'nvidia.com/gpu': '8' }, { 'nvidia.com/gpu': used }),
        offerings,
      }),
    ).steps.map(({ kind }) => kind);
  t.same(kindsWith(4), ['create-claim']);
  t.same(kindsWith(5), ['fail']);
});
