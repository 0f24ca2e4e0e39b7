import t from 'tap';
import { OUR_MARKS } from '../../api/identity/marks.ts';
import * as labels from '../../api/labels.ts';
import {
  claim,
  DND,
  green,
  greenNode,
  guardedPool,
  inventory,
  type Meta,
  node,
  plan,
  pod,
} from '../testing/marked.ts';
import { decideUndo } from './decide.ts';
import type { Inventory } from './inventory.ts';

const NOW = Date.parse('2030-01-01T00:00:00Z');

const textOf = (o: Partial<Inventory>): readonly string[] =>
  decideUndo(inventory(o), NOW).undo.map(({ object, what }) => `${object}: ${what.split(':')[0]}`);

const PREPARING = `remove the taint ${labels.PREPARING_TAINT}`;
const OWN = `remove ${labels.PLAN}, remove ${labels.OWNED_BY}`;
const LET = 'let Karpenter disrupt it';

const cases: readonly (readonly [string, Partial<Inventory>, readonly string[]])[] = [
  ['a cluster without us has nothing to undo', { nodes: [node()], nodeClaims: [claim()], pods: [pod()] }, []],
  [
    'a locked and cordoned node is opened',
    {
      nodes: [
        node(
          {
            labels: { [labels.DRAINING]: 'rebalancing' },
            annotations: { ...DND, [labels.LOCKED_BY]: 'plan', [labels.CORDONED_BY]: 'plan' },
          },
          { unschedulable: true },
        ),
      ],
    },
    [
      `Node n: uncordon it, ${LET}, remove ${labels.DRAINING}, remove ${labels.LOCKED_BY}, remove ${labels.CORDONED_BY}`,
    ],
  ],
  [
    'a cordon and do-not-disrupt that were there before stay',
    {
      nodes: [
        node(
          {
            annotations: {
              ...DND,
              [labels.LOCKED_BY]: 'plan',
              [labels.LOCK_KEEPS]: 'true',
              [labels.CORDONED_BY]: 'plan',
              [labels.CORDONED_BEFORE]: '{"unschedulable":true}',
            },
          },
          { unschedulable: true },
        ),
      ],
    },
    [
      `Node n: remove ${labels.LOCKED_BY}, remove ${labels.LOCK_KEEPS}, remove ${labels.CORDONED_BY}, remove ${labels.CORDONED_BEFORE}`,
    ],
  ],
  [
    'what a user has put on since stays',
    {
      nodes: [
        node(
          {
            annotations: { ...DND, [labels.LOCKED_BY]: 'plan', [labels.CORDONED_BY]: 'plan' },
            managedFields: [
              {
                manager: 'castai-kentroller',
                fieldsV1: {
                  'f:metadata': {
                    'f:annotations': { [`f:${labels.LOCKED_BY}`]: {}, [`f:${labels.CORDONED_BY}`]: {} },
                  },
                },
              },
              {
                manager: 'kubectl',
                fieldsV1: {
                  'f:metadata': { 'f:annotations': { [`f:${labels.KARPENTER_DO_NOT_DISRUPT}`]: {} } },
                  'f:spec': { 'f:unschedulable': {} },
                },
              },
            ],
          },
          { unschedulable: true },
        ),
      ],
    },
    [`Node n: remove ${labels.LOCKED_BY}, remove ${labels.CORDONED_BY}`],
  ],
  [
    'a node that another product drains stays as it is',
    { nodes: [node({ labels: { [labels.DRAINING]: 'manual' } }, { unschedulable: true })] },
    [],
  ],
  [
    'a machine that a plan ordered in Creation is given up',
    { plans: [plan('Running')], nodeClaims: [green()], nodes: [greenNode()] },
    ['NodeClaim c: delete it'],
  ],
  [
    'also when the plan has just been ended',
    { plans: [plan('Canceled')], nodeClaims: [green()], nodes: [greenNode()] },
    ['NodeClaim c: delete it'],
  ],
  [
    'one of a plan in Deletion is opened to everyone',
    { plans: [plan('Running', 'Deletion')], nodeClaims: [green()], nodes: [greenNode()] },
    [`NodeClaim c: ${LET}, ${OWN}`, `Node n: ${LET}, ${PREPARING}, ${OWN}`],
  ],
  [
    'do-not-disrupt that its NodePool asks for stays',
    {
      plans: [plan('Running', 'Deletion')],
      nodeClaims: [green()],
      nodes: [greenNode()],
      nodePools: [guardedPool],
    },
    [`NodeClaim c: ${OWN}`, `Node n: ${PREPARING}, ${OWN}`],
  ],
  [
    'one of a plan that is done only loses the labels',
    {
      plans: [plan('Done', 'Deletion', [])],
      nodeClaims: [green({})],
      nodes: [node({ labels: { [labels.PLAN]: 'plan' }, annotations: DND })],
    },
    [`NodeClaim c: ${OWN}`, `Node n: remove ${labels.PLAN}`],
  ],
  [
    'without its plan, one that runs pods is opened',
    { nodeClaims: [green()], nodes: [greenNode()], pods: [pod({}, { nodeName: 'n' })] },
    [`NodeClaim c: ${LET}, ${OWN}`, `Node n: ${LET}, ${PREPARING}, ${OWN}`],
  ],
  [
    'without its plan, one that runs nothing is given up',
    { nodeClaims: [green()], nodes: [greenNode()] },
    ['NodeClaim c: delete it'],
  ],
  [
    'a machine that is on its way is given up after its pods',
    {
      nodeClaims: [green()],
      nodes: [node({ labels: { [labels.PLACEHOLDER]: 'true' } }, {}, false)],
      pods: [pod({ annotations: { [labels.PIN]: 'x' } }, { nodeName: 'n' })],
    },
    ['Pod ns/p: delete it'],
  ],
  [
    'a placeholder of a deleted NodeClaim is left to Karpenter',
    {
      nodeClaims: [{ ...green(), metadata: { ...green().metadata, deletionTimestamp: 'x' } }],
      nodes: [node({ labels: { [labels.PLACEHOLDER]: 'true' } }, {}, false)],
    },
    [],
  ],
  [
    'a placeholder without a NodeClaim is deleted',
    { nodes: [node({ labels: { [labels.PLACEHOLDER]: 'true' } }, {}, false)] },
    ['Node n: delete it'],
  ],
  [
    'a placeholder whose kubelet has joined is no placeholder any more',
    { nodes: [node({ labels: { [labels.PLACEHOLDER]: 'true' } })] },
    [`Node n: remove ${labels.PLACEHOLDER}`],
  ],
  [
    'a gated pod loses the gate',
    {
      pods: [
        pod({ labels: { [labels.PIN_HELD]: 'true' } }, { schedulingGates: [{ name: labels.PIN_GATE }] }),
      ],
    },
    ['Pod ns/p: remove our scheduling gate'],
  ],
  [
    'a pod that is tied to a node that it has not got is replaced',
    {
      pods: [
        pod(
          { annotations: { [labels.PIN]: 'x' } },
          {
            affinity: {
              nodeAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: {
                  nodeSelectorTerms: [
                    { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] },
                  ],
                },
              },
            },
          },
        ),
      ],
    },
    ['Pod ns/p: delete it'],
  ],
  [
    'a pinned pod that runs only loses the annotation',
    { nodes: [node()], pods: [pod({ annotations: { [labels.PIN]: 'x' } }, { nodeName: 'n' })] },
    [`Pod ns/p: remove ${labels.PIN}`],
  ],
  [
    'a nomination to a Node that does not exist is removed',
    { pods: [pod({}, {}, { nominatedNodeName: 'gone' })] },
    ['Pod ns/p: remove its nomination to gone'],
  ],
  [
    'a nomination of kube-scheduler stays',
    { nodes: [node()], pods: [pod({}, {}, { nominatedNodeName: 'n' })] },
    [],
  ],
  [
    'a migration of a plan that ran is withdrawn',
    {
      plans: [plan('Running', 'Deletion')],
      migrations: [
        {
          metadata: {
            name: 'm',
            ownerReferences: [{ apiVersion: 'v', kind: 'RebalancePlan', name: 'plan', uid: 'plan-uid' }],
          },
        },
      ],
    },
    ['RebalanceMigrationPlan m: delete it'],
  ],
];

for (const [sentence, objects, expected] of cases) {
  t.test(sentence, async (t) => t.strictSame(textOf(objects), expected));
}

t.test('a running plan ends first and loses our finalizer last; other finalizers stay', async (t) => {
  const { ends, finalizers } = decideUndo(inventory({ plans: [plan('Running', 'Deletion')] }), NOW);
  t.match(ends[0], {
    subresource: 'status',
    body: { status: { state: 'Canceled', failurePhase: 'Deletion', failureReason: 'Canceled' } },
  });
  t.match(finalizers[0], { body: { metadata: { finalizers: ['test.example/other'] } } });
  const done = decideUndo(inventory({ plans: [plan('Done', 'Deletion', [])] }), NOW);
  t.strictSame([done.ends, done.finalizers], [[], []]);
});

t.test('whatever mark an object carries, the patches leave none', async (t) => {
  const all = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 'rebalancing']));
  const { EVICTION_STATUS, SPOT_FALLBACK, PREDICTED_INTERRUPTION } = labels;
  const ours = { [EVICTION_STATUS]: 'done', [SPOT_FALLBACK]: 'true', [PREDICTED_INTERRUPTION]: 'true' };
  const marked: Meta = {
    labels: { ...all(OUR_MARKS.labels), ...ours, app: 'x' },
    annotations: { ...all(OUR_MARKS.annotations), [labels.INTERRUPTION_MARK]: '{"until":1}', note: 'x' },
  };
  const apply = (target: Meta, body: { metadata?: Meta }): Meta => {
    const merge = (of: 'labels' | 'annotations') =>
      Object.fromEntries(
        Object.entries({ ...target[of], ...body.metadata?.[of] }).filter(([, value]) => value !== null),
      );
    return { labels: merge('labels'), annotations: merge('annotations') };
  };
  const objects = inventory({
    nodes: [node(marked)],
    nodeClaims: [claim(marked)],
    pods: [pod(marked, { nodeName: 'n' })],
  });
  for (const step of decideUndo(objects, NOW).undo) {
    if (step.kind !== 'patch') continue;
    t.strictSame(
      apply(marked, step.body),
      { labels: { app: 'x' }, annotations: { note: 'x' } },
      `${step.object} is free of marks`,
    );
  }
  t.equal(decideUndo(objects, NOW).undo.length, 3);
});
