import type { RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import { OWNED_BY } from '../../../api/labels.ts';
import * as make from '../../testing/builders.ts';
import {
  ADD,
  attempts,
  BLUE,
  CORDONED,
  canceled,
  checkCases,
  DELETE,
  draining,
  MOVE,
  RESERVED,
} from '../../testing/decisions.ts';

/** Decisions about plans that failed, were canceled or deleted. */

const CREATION = {
  failurePhase: 'Creation',
  failureReason: 'x',
  ...attempts({ status: 'Success' }),
} as const;
const ownedBy = (o: Parameters<typeof make.nodeClaim>[1] = {}) =>
  new Map([['green', make.nodeClaim('green', { annotations: make.reservedBy(make.MARK), ...o })]]);
const GREEN = {
  nodeClaims: ownedBy(),
  nodes: new Map([['green', make.node('green', { annotations: make.reservedBy(make.MARK) })]]),
};
const ALL_KEPT: RebalancePlanStatus = {
  nodesDeletion: { blue: { name: 'blue', events: [{ status: 'Failed', timestamp: make.ago(5) }] } },
};
const BARE = make.pod('bare', { ownerReferences: [] });
const DAEMON = make.pod('agent', {
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'd', controller: true }],
});

const TOLD: RebalancePlanStatus = {
  warnings: [{ description: 'Node node-green, which the plan added, stays: pod default/bare runs on it' }],
};

checkCases([
  [
    'a failed creation unlocks its nodes and deletes its NodeClaims',
    make.plan({ ...DELETE, ...ADD }, { failurePhase: 'Creation', failureReason: 'x', ...attempts({}) }),
    {
      nodeClaims: new Map([
        ...BLUE.nodeClaims,
        [
          'green',
          make.nodeClaim('green', {
            annotations: make.reservedBy(make.MARK),
          }),
        ],
      ]),
      nodes: BLUE.nodes,
    },
    ['unlock node-blue', 'delete-claim green'],
  ],
  [
    'a failed creation has not ended while a NodeClaim is being deleted',
    make.plan({ ...DELETE, ...ADD }, { failurePhase: 'Creation', failureReason: 'x', ...attempts({}) }),
    {
      nodeClaims: new Map([
        [
          'green',
          make.nodeClaim('green', {
            annotations: make.reservedBy(make.MARK),
            deletionTimestamp: make.ago(1),
          }),
        ],
      ]),
    },
    [],
  ],
  [
    'a failed creation leaves a NodeClaim that was released, and those of other plans',
    make.plan(ADD, { failurePhase: 'Creation', failureReason: 'x', ...attempts({}) }),
    {
      nodeClaims: new Map([
        ['green', make.nodeClaim('green', { annotations: { [OWNED_BY]: make.MARK } })],
        ['theirs', make.nodeClaim('theirs', { annotations: make.reservedBy('other/uid') })],
      ]),
    },
    ['finish Failed'],
  ],
  [
    'a failed creation leaves NodeClaims of an earlier plan of the same name',
    make.plan(ADD, { failurePhase: 'Creation', failureReason: 'x', ...attempts({}) }),
    {
      nodeClaims: new Map([
        [
          'green',
          make.nodeClaim('green', {
            labels: { 'autoscaling.cast.ai/rebalance-plan': 'plan' },
            annotations: make.reservedBy('plan/earlier-uid'),
          }),
        ],
      ]),
    },
    ['finish Failed'],
  ],
  [
    'a failed creation says first that it keeps an added machine, which runs a pod',
    make.plan(ADD, CREATION),
    { ...GREEN, pods: new Map([['green', [BARE]]]) },
    ['warn'],
  ],
  [
    'a failed creation opens an added machine that it has said to keep, whatever pods run there by now',
    make.plan(ADD, { ...CREATION, ...TOLD }),
    { ...GREEN, pods: new Map([['green', [make.pod('another', { ownerReferences: [] })]]]) },
    ['release node-green'],
  ],
  [
    'a failed creation deletes an added machine that runs only pods of DaemonSets',
    make.plan(ADD, CREATION),
    { ...GREEN, pods: new Map([['green', [DAEMON]]]) },
    ['delete-claim green'],
  ],
  [
    'a failed creation keeps the machine of an earlier attempt as well when it runs a pod',
    make.plan(ADD, {
      ...CREATION,
      ...attempts({ status: 'Failed' }, { status: 'Failed', nodeClaimName: 'green-attempt-2' }),
    }),
    { ...GREEN, pods: new Map([['green', [BARE]]]) },
    ['warn'],
  ],
  [
    'a failed creation ends though a pod blocks the drain of a machine that goes, and says so',
    make.plan(ADD, CREATION),
    {
      ...GREEN,
      nodeClaims: ownedBy({ deletionTimestamp: make.ago(1) }),
      pods: new Map([['green', [BARE]]]),
    },
    ['warn', 'finish Failed'],
  ],
  [
    'a failed deletion uncordons, releases and unlocks',
    make.plan(
      { ...DELETE, ...ADD },
      { failurePhase: 'Deletion', failureReason: 'x', ...attempts({ status: 'Success' }) },
    ),
    {
      nodeClaims: new Map([...BLUE.nodeClaims, ['green', make.nodeClaim('green')]]),
      nodes: new Map([
        ['blue', CORDONED],
        ['green', RESERVED],
      ]),
    },
    ['uncordon node-blue', 'release node-green', 'unlock node-blue'],
  ],
  [
    'with nothing left to undo the plan ends as Failed',
    make.plan(DELETE, { failurePhase: 'Deletion', failureReason: 'x' }),
    {},
    ['finish Failed'],
  ],
  [
    'a plan that is deleted while it runs is rolled back',
    { ...make.plan(DELETE), metadata: { ...make.plan().metadata, deletionTimestamp: make.ago(1) } },
    BLUE,
    ['fail Creation Canceled'],
  ],
  [
    'a plan that is canceled in Creation is rolled back',
    canceled(make.plan({ ...DELETE, ...ADD })),
    BLUE,
    ['fail Creation Canceled'],
  ],
  [
    'a plan that is canceled in Deletion is rolled back',
    canceled(make.plan(DELETE, draining(), 'PinsReady')),
    BLUE,
    ['fail Deletion Canceled'],
  ],
  [
    'a plan that is canceled after its nodes were removed ends as usual',
    canceled(make.plan(DELETE, {}, 'NodesDeleted')),
    {},
    ['finish Done'],
  ],
  [
    'a plan that is canceled with its pins ready, before a pod has moved, gives its machines up',
    canceled(make.plan({ ...DELETE, ...ADD }, {}, 'PinsReady')),
    BLUE,
    ['fail Creation Canceled'],
  ],
  [
    'one whose nodes were all kept at once gives them up too',
    canceled(make.plan({ ...DELETE, ...ADD }, ALL_KEPT, 'PinsReady')),
    BLUE,
    ['fail Creation Canceled'],
  ],
  [
    'one that may have moved pods off nodes which stay keeps them',
    canceled(make.plan({ ...ADD, ...MOVE }, {}, 'PinsReady')),
    {},
    ['fail Deletion Canceled'],
  ],
  [
    'a plan that exceeds its time before a pod has moved fails in Creation',
    make.plan(DELETE, { startTime: make.ago(3601) }, 'SavingsValidated'),
    BLUE,
    ['fail Creation FailureReasonTimeout'],
  ],
  [
    'a plan that exceeds its time while it drains fails in Deletion',
    make.plan(DELETE, { startTime: make.ago(3601), ...draining() }, 'PinsReady'),
    BLUE,
    ['fail Deletion FailureReasonTimeout'],
  ],
  [
    'the finalizer of an ended plan is removed',
    make.plan(DELETE, { state: 'Done' }),
    {},
    ['remove-finalizer'],
  ],
]);
