import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import type { Node } from '../../api/objects.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { PREDICTION } from '../testing/spotworld.ts';
import { type AssessedNode, decidePredictions, type PredictionState } from './decide.ts';
import { claimsToPrune } from './history.ts';
import type { PredictionSettings } from './settings.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const MINUTE = 60_000;
const ago = (minutes: number): string => new Date(NOW - minutes * MINUTE).toISOString();
const LABEL = 'autoscaling.cast.ai/predicted-interruption';
const MARK = 'autoscaling.cast.ai/interruption-prediction';

const assessed = (
  name: string,
  probability: number,
  change: (node: Node) => Node = (node) => node,
): AssessedNode => {
  const { node, claim } = makeNode(name, { capacityType: 'spot' });
  return {
    node: change(node),
    claim,
    heard: {},
    predictions: [],
    prediction: { node: name, model: 'm', probability },
  };
};
const withMarks = (node: Node, o: { label?: string; mark?: object }): Node => ({
  ...node,
  metadata: {
    ...node.metadata,
    labels: { ...node.metadata.labels, ...(o.label !== undefined && { [LABEL]: o.label }) },
    annotations: o.mark ? { [MARK]: JSON.stringify(o.mark) } : {},
  },
});
const claim = (
  nodeNames: string[],
  o: { minutes: number; state?: string; replacements?: number },
): RebalancePlanClaim =>
  ({
    metadata: {
      name: `spot-prediction-${o.minutes}`,
      uid: `uid-${o.minutes}`,
      creationTimestamp: ago(o.minutes),
      labels: { 'autoscaling.cast.ai/made-by': 'spot-prediction' },
      annotations: { 'autoscaling.cast.ai/spot-replacements': String(o.replacements ?? 0) },
    },
    spec: { scope: { nodeNames }, autoExecute: true },
    ...(o.state && { status: { state: o.state, completionTime: ago(o.minutes - 1) } }),
  }) as RebalancePlanClaim;

const stateOf = (nodes: readonly AssessedNode[], o: Partial<PredictionState> = {}): PredictionState => ({
  nodes,
  allNodes: nodes.map(({ node }) => node),
  claims: [],
  plans: [],
  haltedBy: undefined,
  now: NOW,
  ...o,
});

/** Sentence, settings, state, names that are replaced, why node a waits. */
const CASES: readonly (readonly [string, Partial<PredictionSettings>, PredictionState, string[], RegExp?])[] =
  [
    ['a node at the threshold is replaced', {}, stateOf([assessed('a', 0.5), assessed('b', 0.49)]), ['a']],
    [
      'the likeliest goes first',
      {},
      stateOf([assessed('a', 0.6), assessed('b', 0.9)]),
      ['b'],
      /1 of 2 spot nodes are being replaced/,
    ],
    [
      'as many as the caps allow go in one claim',
      { maxNodesPercent: 100 },
      stateOf([assessed('a', 0.9), assessed('b', 0.8), assessed('c', 0.7)]),
      ['a', 'b', 'c'],
    ],
    [
      'with 0 % one still goes',
      { maxNodesPercent: 0 },
      stateOf([assessed('a', 0.9), assessed('b', 0.8)]),
      ['a'],
    ],
    [
      'none while plans are halted',
      {},
      stateOf([assessed('a', 0.9)], { haltedBy: '5 of 9 nodes are unready' }),
      [],
      /unready/,
    ],
    [
      'none that is being deleted',
      {},
      stateOf([
        assessed('a', 0.9, (node) => ({
          ...node,
          metadata: { ...node.metadata, deletionTimestamp: ago(1) },
        })),
      ]),
      [],
    ],
    [
      'none that Karpenter disrupts',
      {},
      stateOf([
        assessed('a', 0.9, (node) => ({
          ...node,
          spec: { ...node.spec, taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }] },
        })),
      ]),
      [],
    ],
    [
      'none that a plan has',
      {},
      stateOf([assessed('a', 0.9)], {
        plans: [
          {
            metadata: { name: 'p' },
            spec: { execute: true, nodeClaimsToDelete: [{ nodeClaimName: 'claim-a' }] },
          },
        ],
      }),
      [],
      /a plan has it already/,
    ],
    [
      'none twice',
      { maxNodesPercent: 100 },
      stateOf([assessed('a', 0.9)], { claims: [claim(['a'], { minutes: 1 })] }),
      [],
    ],
    [
      'none within the cooldown of the last try, however that ended',
      {},
      stateOf([assessed('a', 0.9)], { claims: [claim(['a'], { minutes: 15, state: 'Skipped' })] }),
      [],
      /not before 2026-11-30T12:01:00.000Z/,
    ],
    [
      'again after the cooldown',
      {},
      stateOf([assessed('a', 0.9)], { claims: [claim(['a'], { minutes: 17, state: 'Failed' })] }),
      ['a'],
    ],
    [
      'a new machine of an old name has no cooldown of that',
      {},
      stateOf(
        [
          assessed('a', 0.9, (node) => ({
            ...node,
            metadata: { ...node.metadata, creationTimestamp: ago(2) },
          })),
        ],
        {
          claims: [claim(['a'], { minutes: 5, state: 'Completed' })],
        },
      ),
      ['a'],
    ],
    [
      'a spoiled count of replacements counts as none',
      {},
      stateOf([assessed('a', 0.9)], {
        claims: [claim(['gone'], { minutes: 40, state: 'Completed', replacements: Number.NaN })],
        plans: [planOf(40)],
      }),
      ['a'],
    ],
    [
      'a node that replaced one stays for twice the cooldown',
      {},
      stateOf([assessed('a', 0.9)], {
        claims: [claim(['gone'], { minutes: 20, state: 'Completed' })],
        plans: [planOf(20)],
      }),
      [],
      /not before 2026-11-30T12:10:00.000Z/,
    ],
    [
      'no more than three times as many within an hour',
      { maxNodesPercent: 0 },
      stateOf([assessed('a', 0.9)], {
        claims: [claim(['x', 'y', 'z'], { minutes: 50, state: 'Completed' })],
      }),
      [],
      /3 spot nodes were replaced within an hour/,
    ],
  ];

function planOf(minutes: number): RebalancePlan {
  const ownerReferences = [
    {
      apiVersion: 'autoscaling.cast.ai/v1alpha',
      kind: 'RebalancePlanClaim',
      name: 'c',
      uid: `uid-${minutes}`,
      controller: true,
    },
  ];
  const attempts = [
    {
      instanceType: 'm5.large',
      nodeClaimName: 'claim-a',
      status: 'Success' as const,
      timestamp: ago(minutes),
    },
  ];
  return {
    metadata: { name: `plan-${minutes}`, ownerReferences },
    spec: { execute: true },
    status: { state: 'Done', nodesCreation: { 'claim-a': { name: 'claim-a', attempts } } },
  };
}

for (const [sentence, settings, state, replaced, reason] of CASES) {
  t.test(sentence, async (t) => {
    const decision = decidePredictions({ ...PREDICTION, ...settings }, state);
    t.same(decision.replace, replaced);
    const waits = decision.deferred.find(({ node }) => node.metadata.name === 'a')?.reason;
    if (reason) t.match(waits ?? '', reason);
    else t.equal(waits, undefined);
  });
}

t.test('the next claim counts the replacements that its nodes come from', async (t) => {
  const claims = [claim(['gone'], { minutes: 120, state: 'Completed', replacements: 1 })];
  const decision = decidePredictions(
    PREDICTION,
    stateOf([assessed('a', 0.9)], { claims, plans: [planOf(120)] }),
  );
  t.match(decision, { replace: ['a'], replacements: 2 });
});

/** Sentence, node, probability, the mark that is written: undefined where none is. */
const MARKS: readonly (readonly [string, { label?: string; mark?: object }, number, object | undefined])[] = [
  [
    'a node at risk is labelled',
    {},
    0.9,
    { isLabelled: true, mark: { probability: 0.9, until: NOW + 30 * MINUTE } },
  ],
  [
    'one that is labelled is not written each minute',
    { label: 'true', mark: { heard: {}, until: NOW + 20 * MINUTE } },
    0.9,
    undefined,
  ],
  [
    'a label is renewed after half of its time',
    { label: 'true', mark: { heard: {}, until: NOW + 10 * MINUTE } },
    0.9,
    { isLabelled: true },
  ],
  ['a label stays for its time', { label: 'true', mark: { heard: {}, until: NOW + MINUTE } }, 0.1, undefined],
  [
    'and goes then, with the mark',
    { label: 'true', mark: { heard: {}, until: NOW - 1 } },
    0.1,
    { isLabelled: false, mark: undefined },
  ],
  [
    'a signal that may come true is kept without the label',
    { label: 'true', mark: { heard: { 'rebalance-recommendation': NOW - 60 * MINUTE }, until: NOW - 1 } },
    0.1,
    { isLabelled: false, mark: { heard: { 'rebalance-recommendation': NOW - 60 * MINUTE } } },
  ],
  [
    'an old signal is forgotten',
    { mark: { heard: { interruption: NOW - 121 * MINUTE } } },
    0.1,
    { mark: undefined },
  ],
  ['a mark that a user has spoiled goes', { label: 'true', mark: { heard: 7 } }, 0.1, { mark: undefined }],
  ['a label of somebody else stays', { label: 'true' }, 0.1, undefined],
  ['also on a node at risk', { label: 'true' }, 0.9, undefined],
];
for (const [sentence, marks, probability, expected] of MARKS) {
  t.test(sentence, async (t) => {
    const each = assessed('a', probability, (node) => withMarks(node, marks));
    const [change, ...others] = decidePredictions(PREDICTION, stateOf([each])).marks;
    t.same(others, []);
    if (!expected) t.equal(change, undefined);
    else t.match(change, expected);
    if (expected && 'mark' in expected && expected.mark === undefined) t.equal(change?.mark, undefined);
  });
}

t.test('claims go that nothing is derived from any more', async (t) => {
  const old = claim(['a'], { minutes: 25 * 60, state: 'Completed' });
  const young = claim(['a'], { minutes: 23 * 60, state: 'Completed' });
  const open = claim(['a'], { minutes: 26 * 60 });
  const theirs = { ...old, metadata: { ...old.metadata, labels: {} } };
  t.same(claimsToPrune([young, old, open, theirs], 15 * MINUTE, NOW), [old]);
});
