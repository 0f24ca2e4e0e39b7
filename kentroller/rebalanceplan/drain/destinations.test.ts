import t from 'tap';
import { ownerMark } from '../../../api/identity/ownermark.ts';
import type { MustGo } from '../../../api/kinds/mustgo.ts';
import { IN_USE_BY, PREPARING_TAINT, ZONE } from '../../../api/labels.ts';
import type { Node, Pod, Taint } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { ADD, attempts, BLUE, CORDONED, describeStep, draining, RESERVED } from '../../testing/decisions.ts';
import { freeSteps, inUseReason, placesToTake } from '../create/nodeuse.ts';
import { decide } from '../decide.ts';
import type { Phase } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import { nodeBlockers } from './blockers.ts';

/** A kept node that was to take pods is looked at again before they are evicted. */

const MOVES = {
  nodeClaimsToDelete: [{ nodeClaimName: 'blue' }],
  podsToMigrate: [
    {
      name: 'web-1',
      namespace: 'shop',
      srcNode: 'node-blue',
      dstNodeClaimName: 'kept',
      owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
    },
  ],
};
const kindsWith = (
  kept: Node | undefined,
  pods = [make.pod('web-1')],
  deleted = false,
  shiftedZones: ExecutionState['shiftedZones'] = [],
): readonly string[] => {
  const state = make.executionState(make.plan(MOVES, {}, 'PinsReady'), {
    nodeClaims: new Map([
      ...BLUE.nodeClaims,
      ['kept', make.nodeClaim('kept', deleted ? { deletionTimestamp: make.ago(1) } : {})],
    ]),
    nodes: new Map([...BLUE.nodes, ...(kept ? [['kept', kept] as const] : [])]),
    pods: new Map([['blue', pods]]),
    shiftedZones,
  });
  return decide(state).steps.map(describeStep);
};
const BEGINS = ['record-deletion blue', 'cordon node-blue'];
const STAYS = ['keep-node blue'];

t.test('the drain begins while the kept node takes pods', async (t) => {
  t.same(kindsWith(make.locked('kept')), BEGINS);
});

t.test('a kept node whose zone was shifted away meanwhile takes none', async (t) => {
  const labels = { [ZONE]: 'us-west-2a' };
  const kept = make.locked('kept', { labels });
  const shift = (zone: string) => [{ zone, zoneId: 'usw2-az1' }];
  t.same(kindsWith(kept, undefined, false, shift('us-west-2a')), STAYS);
  t.same(kindsWith(kept, undefined, false, shift('us-west-2b')), BEGINS);
});

t.test('nobody is evicted for an added node whose zone was shifted away after it had joined', async (t) => {
  const inZone = (node: Node, zone: string): Node => ({
    ...node,
    metadata: { ...node.metadata, labels: { ...node.metadata.labels, [ZONE]: zone } },
  });
  const moves = MOVES.podsToMigrate.map((move) => ({ ...move, dstNodeClaimName: 'green' }));
  const web = make.pod('web-1');
  const pod = { ...web, spec: { ...web.spec, nodeName: 'node-blue' } };
  const toAdded = (zone: string, o: { pods?: readonly Pod[]; kept?: boolean; mustGo?: MustGo } = {}) => {
    const { pods = [pod], kept = false, mustGo } = o;
    const going = [{ nodeClaimName: 'blue', ...(mustGo && { mustGo }) }];
    const plan = make.plan(
      { ...ADD, podsToMigrate: moves, nodeClaimsToDelete: kept ? [] : going },
      { ...attempts({ status: 'Success', nodeClaimName: 'green-2' }), ...(!kept && draining()) },
      'PinsReady',
    );
    const state = make.executionState(plan, {
      nodeClaims: new Map([...BLUE.nodeClaims, ['green-2', make.nodeClaim('green-2')]]),
      nodes: new Map([
        ['blue', inZone(CORDONED, 'us-west-2b')],
        ['green-2', inZone(RESERVED, zone)],
      ]),
      pods: new Map([['blue', pods]]),
      podsOnKeptNodes: kept ? pods : [],
      shiftedZones: [{ zone: 'us-west-2a', zoneId: 'usw2-az1' }],
    });
    return decide(state).steps.map(describeStep);
  };
  t.same(toAdded('us-west-2c'), ['evict web-1']);
  t.same(toAdded('us-west-2a'), STAYS);
  for (const reason of ['Expiry', 'SpotPrediction', 'ZonalShift'] as const) {
    t.same(toAdded('us-west-2a', { mustGo: { reason, maxPricePercent: 120 } }), STAYS, reason);
  }
  t.ok(toAdded('us-west-2c', { kept: true }).includes('evict web-1'));
  t.notOk(toAdded('us-west-2a', { kept: true }).includes('evict web-1'), 'off a node that stays');
  const ending = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: make.ago(1) } };
  t.notSame(toAdded('us-west-2a', { pods: [ending] }), STAYS, 'its pods are on their way');
});

t.test('a node that is being deleted has its machine, whatever became of the zone', async (t) => {
  const node = make.node('green', { labels: { [ZONE]: 'us-west-2a' } });
  const moves = MOVES.podsToMigrate.map((move) => ({ ...move, dstNodeClaimName: 'green' }));
  const blockersWhen = (deleted: boolean): readonly string[] => {
    const claim = make.nodeClaim('blue', deleted ? { deletionTimestamp: make.ago(1) } : {});
    const plan = make.plan({ ...ADD, ...MOVES, podsToMigrate: moves }, attempts({ status: 'Success' }));
    const state = make.executionState(plan, {
      nodeClaims: new Map([['blue', claim]]),
      nodes: new Map([...BLUE.nodes, ['green', node]]),
      pods: new Map([['blue', [make.pod('web-1')]]]),
      shiftedZones: [{ zone: 'us-west-2a', zoneId: 'usw2-az1' }],
    });
    return nodeBlockers(state, 'blue');
  };
  t.match(blockersWhen(false), [
    /node-green, which was to take its pods, takes none now: its zone us-west-2a/,
  ]);
  t.same(blockersWhen(true), []);
});

const USERS: Taint = { key: 'team', value: 'batch', effect: 'NoSchedule' };
const tainted = (...taints: readonly Taint[]): Node => make.locked('kept', { spec: { taints } });

t.test('taints that keep none of its pods away do not matter', async (t) => {
  const ours: Taint = { key: PREPARING_TAINT, value: 'true', effect: 'NoSchedule' };
  t.same(kindsWith(tainted(ours, { ...USERS, effect: 'PreferNoSchedule' })), BEGINS);
  const pod = make.pod('web-1');
  const tolerant = {
    ...pod,
    spec: { ...pod.spec, tolerations: [{ key: 'team', operator: 'Exists' as const }] },
  };
  t.same(kindsWith(tainted(USERS), [tolerant]), BEGINS);
});

/** The steps for web-1, which moves from one node that stays to another. */
const betweenKept = (
  kept: Node | undefined,
  isDeleted: boolean,
  reached: Phase = 'PinsReady',
): readonly string[] => {
  const pod = make.pod('web-1');
  const moves = MOVES.podsToMigrate.map((move) => ({ ...move, srcNode: 'node-other' }));
  const state = make.executionState(make.plan({ podsToMigrate: moves }, {}, reached), {
    nodeClaims: new Map([
      ['kept', make.nodeClaim('kept', isDeleted ? { deletionTimestamp: make.ago(1) } : {})],
    ]),
    nodes: new Map(kept ? [['kept', kept]] : []),
    podsOnKeptNodes: [{ ...pod, spec: { ...pod.spec, nodeName: 'node-other' } }],
  });
  return decide(state).steps.map(describeStep);
};

t.test('a pod is evicted off a kept node while another one takes it', async (t) => {
  t.same(betweenKept(make.locked('kept'), false), ['evict web-1']);
});

const CLOSED: readonly (readonly [string, Node | undefined, boolean])[] = [
  ['is cordoned by a user', make.locked('kept', { spec: { unschedulable: true } }), false],
  ['is not ready', make.locked('kept', { ready: false }), false],
  [
    'is out of service',
    make.locked('kept', {
      spec: { taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] },
    }),
    false,
  ],
  ['has a taint of its users', tainted(USERS), false],
  ['has a taint that evicts', tainted({ ...USERS, effect: 'NoExecute' }), false],
  ['is being deleted', make.locked('kept'), true],
  ['is gone', undefined, false],
];
for (const [what, kept, isDeleted] of CLOSED) {
  t.test(`nobody is evicted for a kept node that ${what}`, async (t) => {
    t.same(kindsWith(kept, [make.pod('web-1')], isDeleted), STAYS);
  });
  t.test(`nobody is evicted off one kept node for another that ${what}`, async (t) => {
    t.same(betweenKept(kept, isDeleted), ['warn']);
    t.not(betweenKept(kept, isDeleted, 'NodesDeleted').length, 0, 'nor waited for');
  });
  t.test(`pods that went elsewhere do not need one that ${what}`, async (t) => {
    t.same(kindsWith(kept, [make.pod('other-1')], isDeleted), BEGINS);
  });
}

const { dstNodeClaimName: _, ...BARE } = MOVES.podsToMigrate[0] as (typeof MOVES.podsToMigrate)[0];
const TO_FOREIGN = { ...MOVES, podsToMigrate: [{ ...BARE, dstNodeName: 'managed' }] };

t.test('a destination that Karpenter does not own is looked at again, too', async (t) => {
  const kindsFor = (node: Node | undefined): readonly string[] => {
    const state = make.executionState(make.plan(TO_FOREIGN, {}, 'PinsReady'), {
      nodeClaims: new Map([...BLUE.nodeClaims]),
      nodes: new Map([...BLUE.nodes, ...(node ? [['node/managed', node] as const] : [])]),
      pods: new Map([['blue', [make.pod('web-1')]]]),
    });
    return decide(state).steps.map(describeStep);
  };
  const managed = make.node('managed');
  t.same(kindsFor(managed), BEGINS);
  t.same(kindsFor({ ...managed, spec: { ...managed.spec, taints: [USERS] } }), STAYS);
  t.same(kindsFor({ ...managed, spec: { ...managed.spec, unschedulable: true } }), STAYS);
  t.same(kindsFor(undefined), STAYS, 'gone');
});

const foreignWith = (node: Node, uid?: string, blue: Node = make.locked('blue')): readonly string[] => {
  const podsToMigrate = TO_FOREIGN.podsToMigrate.map((move) => ({
    ...move,
    ...(uid !== undefined && { dstNodeUID: uid }),
  }));
  const pod = make.pod('web-1');
  const state = make.executionState(make.plan({ ...TO_FOREIGN, podsToMigrate }, {}, 'PinsReady'), {
    nodeClaims: new Map([...BLUE.nodeClaims]),
    nodes: new Map([
      ['blue', blue],
      ['node/managed', node],
    ]),
    pods: new Map([['blue', [{ ...pod, spec: { ...pod.spec, nodeName: blue.metadata.name } }]]]),
  });
  return decide(state).steps.map(describeStep);
};
const withUid = (uid: string): Node => {
  const node = make.node('managed');
  return { ...node, metadata: { ...node.metadata, uid } };
};

t.test('nobody is evicted for another node of the name, or one that is Karpenter’s by now', async (t) => {
  t.same(foreignWith(withUid('first')), BEGINS, 'a plan without the uid');
  t.same(foreignWith(withUid('first'), 'first'), BEGINS);
  t.same(foreignWith(withUid('second'), 'first'), STAYS);
  t.same(foreignWith(make.node('managed', { labels: { 'karpenter.sh/nodepool': 'general' } })), STAYS);
});

t.test('nobody is evicted for a node of others that may get no pods', async (t) => {
  const labeled = (key: string, value = 'true'): Node => make.node('managed', { labels: { [key]: value } });
  const linux = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
  const blue = make.locked('blue', { labels: linux });
  t.same(foreignWith(make.node('managed', { labels: linux }), undefined, blue), BEGINS);
  const windows = { ...linux, 'kubernetes.io/os': 'windows' };
  t.same(foreignWith(make.node('managed', { labels: windows }), undefined, blue), STAYS);
  t.same(foreignWith(labeled('eks.amazonaws.com/compute-type', 'fargate')), STAYS);
  t.same(foreignWith(labeled('autoscaling.cast.ai/moves-here-disabled')), STAYS);
  const going: Taint = { key: 'DeletionCandidateOfClusterAutoscaler', effect: 'PreferNoSchedule' };
  t.same(foreignWith(make.node('managed', { spec: { taints: [going] } })), STAYS);
});

t.test('a plan has a destination that Karpenter does not own to itself, and gives it back', async (t) => {
  const plan = make.plan(TO_FOREIGN, {});
  const other = make.node('managed', { annotations: { [IN_USE_BY]: 'other/other-uid' } });
  const stateWith = (node: Node, inUse: readonly string[] = []) =>
    make.executionState(plan, {
      nodeClaims: new Map([...BLUE.nodeClaims]),
      nodes: new Map([...BLUE.nodes, ['node/managed', node]]),
      placesOfOthers: new Set(inUse),
    });
  const managed = make.node('managed');
  t.same(placesToTake(stateWith(managed)), ['blue', 'node/managed']);
  t.equal(inUseReason(stateWith(managed)), undefined);
  t.match(inUseReason(stateWith(other)), /^Node .*managed is in use by RebalancePlan other$/);
  t.match(inUseReason(stateWith(managed, ['node/managed'])), /managed is in use by another running plan$/);
  const ours = make.node('managed', { annotations: { [IN_USE_BY]: ownerMark(plan) } });
  t.match(freeSteps(stateWith(ours)), [{ kind: 'free', place: 'node/managed' }]);
});
