import t from 'tap';
import * as make from '../../testing/builders.ts';
import {
  BLUE,
  CORDONED,
  checkCases,
  DELETE,
  describeStep,
  draining,
  PENDING,
} from '../../testing/decisions.ts';
import { decide } from '../decide.ts';

/** Decisions of the deletion phase. */

checkCases([
  [
    'a drain is recorded and the node cordoned',
    make.plan(DELETE, {}, 'PinsReady'),
    BLUE,
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'pods on kept nodes are evicted before any drain',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1')] },
    ['evict web-1', 'close node-blue'],
  ],
  [
    'no drain begins while a pod on a kept node is terminating',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1', { deletionTimestamp: make.ago(1) })] },
    ['close node-blue'],
  ],
  [
    'a new pod of the same name on a kept node stays',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('db-0', { creationTimestamp: make.ago(-1) })] },
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'a pod on a kept node that is not evicted in time stays',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1')], now: make.NOW + 700_000 },
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'a disruption budget of the NodePool delays a drain',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, poolNodes: new Map([['general', { total: 1, disrupted: 1 }]]) },
    ['close node-blue'],
  ],
  [
    'a node that was uncordoned is cordoned again',
    make.plan(DELETE, draining(), 'PinsReady'),
    BLUE,
    ['cordon node-blue'],
  ],
  [
    'pods of DaemonSets, static, ended and terminating pods are not evicted',
    make.plan(DELETE, draining(), 'PinsReady'),
    {
      ...BLUE,
      nodes: new Map([['blue', CORDONED]]),
      pods: new Map([
        [
          'blue',
          [
            make.pod('web-1'),
            {
              ...make.pod('ds'),
              metadata: {
                ...make.pod('ds').metadata,
                ownerReferences: [
                  { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'ds', uid: 'ds', controller: true },
                ],
              },
            },
            { ...make.pod('done'), status: { phase: 'Succeeded' } },
            make.pod('going', { deletionTimestamp: make.ago(1) }),
            make.pod('static', { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
          ],
        ],
      ]),
    },
    ['evict web-1'],
  ],
  [
    'a refused eviction is tried later',
    make.plan(DELETE, draining(), 'PinsReady'),
    {
      ...BLUE,
      nodes: new Map([['blue', CORDONED]]),
      pods: new Map([['blue', [make.pod('web-1')]]]),
      evictionRetryAt: new Map([['web-1-uid', make.NOW + 1000]]),
    },
    [],
  ],
  [
    'the NodeClaim of an empty node is deleted',
    make.plan(DELETE, draining(), 'PinsReady'),
    { ...BLUE, nodes: new Map([['blue', CORDONED]]) },
    ['delete-claim blue'],
  ],
  [
    'a removed NodeClaim is recorded',
    make.plan(DELETE, draining(), 'PinsReady'),
    {},
    ['record-deletion blue'],
  ],
  [
    'a drain that takes too long fails the plan',
    make.plan(DELETE, draining(601), 'PinsReady'),
    { ...BLUE, nodes: new Map([['blue', CORDONED]]), pods: new Map([['blue', [make.pod('web-1')]]]) },
    ['fail Deletion FailureReasonDrainTimeout'],
  ],
]);

t.test('an unhealthy cluster does not stop a running plan', async (t) => {
  const running = make.plan(DELETE, {}, 'PinsReady');
  const state = make.executionState(running, { ...BLUE, clusterNodes: { total: 10, unready: 9 } });
  t.same(decide(state).steps.map(describeStep), ['record-deletion blue', 'cordon node-blue']);
});

t.test('no more nodes are drained at once than maxSimultaneousDrains', async (t) => {
  const names = ['b1', 'b2', 'b3', 'b4'];
  const begun = (...of: readonly string[]) => ({
    nodesDeletion: Object.fromEntries(
      of.map((name) => [name, { name, events: [{ status: 'InProgress' as const, timestamp: make.ago(5) }] }]),
    ),
  });
  const cordonsOf = (of: readonly string[], there: readonly string[]): string[] =>
    decide(
      make.executionState(
        make.plan(
          { nodeClaimsToDelete: names.map((nodeClaimName) => ({ nodeClaimName })) },
          begun(...of),
          'PinsReady',
        ),
        {
          nodeClaims: new Map(there.map((name) => [name, make.nodeClaim(name)])),
          nodes: new Map(there.map((name) => [name, make.locked(name)])),
          pods: new Map(there.map((name) => [name, [make.pod(`on-${name}`)]])),
          limits: { ...make.executionState(PENDING).limits, maxSimultaneousDrains: 2 },
        },
      ),
    )
      .steps.filter((s) => s.kind === 'record-deletion' && s.status === 'InProgress')
      .map(describeStep);
  t.same(cordonsOf([], names), ['record-deletion b1', 'record-deletion b2']);
  t.same(cordonsOf(['b1', 'b2'], names), []);
  t.same(cordonsOf(['b1', 'b2'], ['b2', 'b3', 'b4']), ['record-deletion b3']);
});
