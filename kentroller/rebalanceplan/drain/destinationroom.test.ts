import t from 'tap';
import { narrowAffinity } from '../../../api/heldpods.ts';
import { PIN, SURGED } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { podName } from '../../../api/pods.ts';

import * as make from '../../testing/builders.ts';
import { BLUE, describeStep } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import { nodeBlockers } from './blockers.ts';
import { podsOnKeptNodesOf } from './podsonkeptnodes.ts';

/** A node that stays is asked for room when pods are to go there, and not only when the plan was made. */

const move = (name: string, srcNode = 'node-blue', policy?: 'Mandatory') => ({
  name,
  namespace: 'shop',
  srcNode,
  dstNodeName: 'node-kept',
  owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
  ...(policy && { policy }),
});
const pod = (name: string, cpu: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  ...make.pod(name),
  spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }], ...spec },
});
const portOf = (hostPort: number): Partial<Pod['spec']> => ({
  containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort }] }],
});
const terminating = (each: Pod): Pod => ({
  ...each,
  metadata: { ...each.metadata, deletionTimestamp: make.ago(1) },
});

interface Case {
  readonly there?: readonly Pod[];
  readonly coming?: readonly Pod[];
  readonly kept?: Node;
  readonly moves?: readonly ReturnType<typeof move>[];
  readonly status?: Parameters<typeof make.plan>[1];
  /** Pods on other nodes that stay, by destination. */
  readonly elsewhere?: Readonly<Record<string, readonly Pod[]>>;
  readonly now?: number;
}

const stateOf = ({
  there = [],
  coming = [pod('web-1', '3')],
  kept = make.node('kept'),
  moves,
  status,
  elsewhere = {},
  now = make.NOW,
}: Case) => {
  const plan = make.plan(
    {
      nodeClaimsToDelete: [{ nodeClaimName: 'blue' }],
      podsToMigrate: [...(moves ?? coming.map(({ metadata }) => move(metadata.name)))],
    },
    status,
    'PinsReady',
  );
  const byName = new Map(there.map((each) => [podName(each), each]));
  return make.executionState(plan, {
    nodeClaims: new Map([...BLUE.nodeClaims]),
    nodes: new Map([
      ...BLUE.nodes,
      ['node/node-kept', kept] as const,
      ...Object.keys(elsewhere).map((name) => [`node/node-${name}`, make.node(name)] as const),
    ]),
    pods: new Map([
      ['blue', coming],
      ['node/node-kept', there],
      ...Object.entries(elsewhere).map(([name, pods]) => [`node/node-${name}`, pods] as const),
    ]),
    podsOnKeptNodes: podsOnKeptNodesOf(plan, {
      podOf: (key) => byName.get(key),
      removedNodes: new Set(['node-blue']),
    }),
    now,
  });
};
const kindsOf = (each: Case): readonly string[] => decide(stateOf(each)).steps.map(describeStep);
const BEGINS = ['record-deletion blue', 'cordon node-blue'];
const STAYS = ['keep-node blue'];

t.test('nobody is evicted for a node that others have filled', async (t) => {
  t.same(kindsOf({ there: [pod('other', '1')] }), BEGINS);
  t.same(kindsOf({ there: [pod('other', '2')] }), STAYS);
  const [step] = decide(stateOf({ there: [pod('other', '2')] })).steps;
  t.match(step?.message, /node node-kept, which .* can't hold pod shop\/web-1 now: Insufficient cpu/);
});

t.test('nobody is evicted for a port that is taken or a label that is gone', async (t) => {
  const coming = [pod('web-1', '0', portOf(80))];
  t.same(kindsOf({ coming, there: [pod('other', '0', portOf(81))] }), BEGINS);
  t.same(kindsOf({ coming, there: [pod('other', '0', portOf(80))] }), STAYS);
  const selecting = [pod('web-1', '1', { nodeSelector: { disk: 'ssd' } })];
  t.same(kindsOf({ coming: selecting, kept: make.node('kept', { labels: { disk: 'ssd' } }) }), BEGINS);
  t.same(kindsOf({ coming: selecting }), STAYS);
});

t.test('a pod that an earlier plan landed on its node by our hold goes on', async (t) => {
  const own = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'Exists' as const }] }] };
  const landed = (each: Pod): Pod => ({
    ...each,
    metadata: { ...each.metadata, annotations: { [PIN]: 'earlier/1' } },
    spec: {
      ...each.spec,
      nodeName: 'node-blue',
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: narrowAffinity(each, 'node-blue') },
      },
    },
  });
  t.same(kindsOf({ coming: [landed(pod('web-1', '3'))] }), BEGINS);
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: own } };
  const picky = landed(pod('web-1', '3', { affinity }));
  t.same(kindsOf({ coming: [picky] }), STAYS, 'what it asks for itself still counts');
  t.same(kindsOf({ coming: [picky], kept: make.node('kept', { labels: { disk: 'ssd' } }) }), BEGINS);
});

t.test('pods of one node that go together need room together', async (t) => {
  t.same(kindsOf({ coming: [pod('web-1', '2'), pod('web-2', '2')] }), BEGINS);
  t.same(kindsOf({ coming: [pod('web-1', '2'), pod('web-2', '2')], there: [pod('other', '1')] }), STAYS);
});

t.test('a pod whose successor has come needs no second room', async (t) => {
  t.same(kindsOf({ coming: [terminating(pod('web-1', '3'))], there: [pod('web-9', '3')] }), BEGINS);
  const replicaSet = { name: 'rs', uid: 'rs-uid' };
  const surged = pod('web-1', '3');
  const detached: Pod = {
    ...surged,
    metadata: {
      ...surged.metadata,
      annotations: { [SURGED]: JSON.stringify({ plan: 'plan', hash: 'h', replicaSet }) },
      ownerReferences: [],
    },
  };
  const status = {
    detachedPods: [{ namespace: 'shop', name: 'web-1', uid: 'web-1-uid', hash: 'h', replicaSet }],
  };
  t.same(kindsOf({ coming: [detached], there: [pod('web-9', '3')], status }), BEGINS);
});

t.test('pods that leave the node make room, but for those that stay there', async (t) => {
  t.same(kindsOf({ there: [terminating(pod('other', '3'))] }), BEGINS);
  const moves = [move('web-1'), { ...move('other', 'node-kept'), dstNodeName: 'node-third' }];
  const other = pod('other', '3', { nodeName: 'node-kept' });
  const isBlocked = (each: Case): boolean => nodeBlockers(stateOf({ moves, ...each }), 'blue').length > 0;
  t.notOk(isBlocked({ there: [other], elsewhere: { third: [] } }));
  const annotations = { 'karpenter.sh/do-not-disrupt': 'true' };
  const marked = { ...other, metadata: { ...other.metadata, annotations } };
  t.ok(isBlocked({ there: [marked], elsewhere: { third: [] } }), 'a pod that may not be evicted');
  t.ok(isBlocked({ there: [other], elsewhere: { third: [pod('full', '2')] } }), 'a pod without a place');
  t.ok(
    isBlocked({ there: [other], elsewhere: { third: [] }, now: make.NOW + 3_600_000 }),
    'a pod past its time',
  );
  const younger = { ...other, metadata: { ...other.metadata, creationTimestamp: make.ago(0) } };
  t.ok(isBlocked({ there: [younger], elsewhere: { third: [] } }), 'another pod of the name');
});

t.test('a live migration that is open goes on while its machine is there beside the old one', async (t) => {
  const events = [
    { status: 'InProgress', timestamp: make.ago(20) },
    { status: 'LiveMigrationCreated', timestamp: make.ago(10), migrationPlanName: 'plan-blue' },
  ] as const;
  const status = { nodesDeletion: { blue: { name: 'blue', events: [...events] } } };
  t.notSame(kindsOf({ there: [pod('web-9', '3')], status }), STAYS);
});
