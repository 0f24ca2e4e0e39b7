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
    'a node is cordoned and told',
    make.plan(DELETE, {}, 'PinsReady'),
    BLUE,
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'a pod that leaves a node which stays goes before any node does',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1')] },
    ['evict web-1'],
  ],
  [
    'until it is gone its room is not free: no node begins',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1', { deletionTimestamp: make.ago(1) })] },
    [],
  ],
  [
    'one of the same name that came back since is left where it is',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('db-0', { creationTimestamp: make.ago(-1) })] },
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'one that does not go in time is gone without',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, podsOnKeptNodes: [make.pod('web-1')], now: make.NOW + 700_000 },
    ['record-deletion blue', 'cordon node-blue'],
  ],
  [
    'a budget of the NodePool holds it back',
    make.plan(DELETE, {}, 'PinsReady'),
    { ...BLUE, poolNodes: new Map([['general', { total: 1, disrupted: 1 }]]) },
    [],
  ],
  [
    'a cordon that was lost is made again',
    make.plan(DELETE, draining(), 'PinsReady'),
    BLUE,
    ['cordon node-blue'],
  ],
  [
    'its pods are evicted; DaemonSets, finished and going ones are not',
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
    'a pod that its budget protects is asked for later',
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
    'an empty node loses its claim',
    make.plan(DELETE, draining(), 'PinsReady'),
    { ...BLUE, nodes: new Map([['blue', CORDONED]]) },
    ['delete-claim blue'],
  ],
  ['a claim that is gone is told', make.plan(DELETE, draining(), 'PinsReady'), {}, ['record-deletion blue']],
  [
    'a drain that takes too long fails the plan',
    make.plan(DELETE, draining(601), 'PinsReady'),
    { ...BLUE, nodes: new Map([['blue', CORDONED]]), pods: new Map([['blue', [make.pod('web-1')]]]) },
    ['fail Deletion FailureReasonDrainTimeout'],
  ],
]);

t.test('a cluster that gets unhealthy later does not stop what runs', async (t) => {
  const running = make.plan(DELETE, {}, 'PinsReady');
  const state = make.executionState(running, { ...BLUE, clusterNodes: { total: 10, unready: 9 } });
  t.same(decide(state).steps.map(describeStep), ['record-deletion blue', 'cordon node-blue']);
});

t.test('so many nodes are emptied at once, and the next one when one is gone', async (t) => {
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
