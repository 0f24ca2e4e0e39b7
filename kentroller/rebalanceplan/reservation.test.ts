import t from 'tap';
import { CORDONED_BY, DAEMONSETS_UNTIL } from '../../api/labels.ts';
import type { DaemonSet, Node, NodeClaim, Pod } from '../../api/objects.ts';
import { reservationOf } from '../../api/reservation.ts';
import * as make from '../testing/builders.ts';
import { ADD, attempts, describeStep, MOVE, RESERVED } from '../testing/decisions.ts';
import { decide } from './decide.ts';
import {
  areEvictionsPaused,
  overdueUntaintSteps,
  releaseSteps,
  reservationSteps,
  untaintSteps,
} from './reservation.ts';
import type { ExecutionState } from './state/state.ts';

const CONNECTED = { connected: true, goneForMs: 0, acknowledged: true };
const AWAY = { connected: false, goneForMs: 100, acknowledged: true };
const LOST = { connected: false, goneForMs: 3_600_000, acknowledged: true };
const GUARDED = make.node('green', { annotations: make.reservedBy(make.MARK) });
const USERS = make.node('green', { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } });
const OPEN = make.node('green');
const youngPod = make.pod('web-1', { creationTimestamp: make.ago(1) });
const oldPod = make.pod('web-1', { creationTimestamp: make.ago(11) });

const stateOf = (node: Node, o: Partial<ExecutionState> = {}): ExecutionState =>
  make.executionState(make.plan(ADD, attempts({ status: 'Success' })), {
    nodeClaims: new Map([['green', make.nodeClaim('green')]]),
    nodes: new Map([['green', node]]),
    ...o,
  });

t.test('a reserved node is released: taint and do-not-disrupt go', async (t) => {
  t.match(releaseSteps(stateOf(RESERVED)), [{ node: 'node-green', claim: 'green', keeps: false }]);
  t.match(releaseSteps(stateOf(GUARDED)), [{ keeps: false }]);
  t.same(releaseSteps(stateOf(OPEN)), []);
});

t.test('a released node that a user keeps from disruption is not released for ever', async (t) => {
  t.same(releaseSteps(stateOf(USERS)), []);
});

t.test('do-not-disrupt stays where the NodePool asks for it', async (t) => {
  const template = make.nodePool().spec.template;
  const annotations = { 'karpenter.sh/do-not-disrupt': 'true' };
  const pool = make.nodePool('general', { template: { ...template, metadata: { annotations } } });
  const nodePools = new Map([['general', pool]]);
  t.match(releaseSteps(stateOf(RESERVED, { nodePools })), [{ keeps: true }]);
  t.same(releaseSteps(stateOf(GUARDED, { nodePools })), []);
});

t.test('an untaint step leaves do-not-disrupt on the node', async (t) => {
  t.match(untaintSteps(stateOf(RESERVED)), [{ keeps: true, reason: 'NodeOpened' }]);
  t.same(untaintSteps(stateOf(GUARDED)), []);
});

const TABLE: readonly (readonly [string, Partial<ExecutionState>, boolean, boolean])[] = [
  ['the pinner is connected', { pins: CONNECTED }, false, false],
  ['a pod waits for a moment', { pins: CONNECTED, unscheduledPods: [youngPod] }, false, false],
  ['a pod waits for too long', { pins: CONNECTED, unscheduledPods: [oldPod] }, true, false],
  ['the pinner is away', { pins: AWAY }, false, true],
  ['the pinner is away and a pod waits', { pins: AWAY, unscheduledPods: [youngPod] }, true, true],
  ['the pinner is lost', { pins: LOST }, true, false],
];
for (const [name, o, isUntainted, isPaused] of TABLE) {
  t.test(`a reserved node when ${name}`, async (t) => {
    t.equal(overdueUntaintSteps(stateOf(RESERVED, o)).length > 0, isUntainted, 'is it untainted');
    t.equal(areEvictionsPaused(stateOf(RESERVED, o)), isPaused, 'are evictions paused');
    t.equal(areEvictionsPaused(stateOf(OPEN, o)), false, 'not when no node is reserved');
  });
}

t.test('a pod that was pending before the savings check opens no node in Deletion', async (t) => {
  const pins = CONNECTED;
  const opens = (spec: object, age: number, at = pins) => {
    const plan = make.plan({ ...ADD, ...spec }, attempts({ status: 'Success' }), 'PinsReady');
    const conditions = (plan.status?.conditions ?? []).map((c) => ({
      ...c,
      lastTransitionTime: make.ago(30),
    }));
    const unscheduledPods = [make.pod('web-1', { creationTimestamp: make.ago(age) })];
    const o = { plan: { ...plan, status: { ...plan.status, conditions } }, unscheduledPods, pins: at };
    return overdueUntaintSteps(stateOf(RESERVED, o)).length > 0;
  };
  t.notOk(opens(MOVE, 3600), 'it is not moved by the plan');
  t.notOk(opens(MOVE, 3600, AWAY), 'nor while the pinner is away');
  t.ok(opens(MOVE, 20), 'one that was created since then does');
  const bought = MOVE.podsToMigrate.map((move) => ({ ...move, srcNode: '' }));
  t.ok(opens({ podsToMigrate: bought }, 3600), 'so does one that the plan buys for');
});

/** A node, whether Karpenter has initialized it, its DaemonSets and pods, and what reserves it from now on. */
interface Row {
  readonly node?: Node;
  readonly status?: 'Registered' | 'Initialized';
  readonly daemonSets?: readonly DaemonSet[];
  readonly pods?: readonly Pod[];
  readonly expected: readonly string[];
}

const AGENT: DaemonSet = {
  metadata: { name: 'agent', namespace: 'system', uid: 'agent-uid' },
  spec: { template: { spec: { containers: [] } } },
};
const agentPod: Pod = {
  ...make.pod('agent-1'),
  metadata: {
    name: 'agent-1',
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agent', uid: 'agent-uid', controller: true },
    ],
  },
};
const cordoned = (until?: string): Node =>
  make.node('green', {
    annotations: { [CORDONED_BY]: make.MARK, ...(until !== undefined && { [DAEMONSETS_UNTIL]: until }) },
    spec: { unschedulable: true },
  });
const tainted = (until: string): Node =>
  make.node('green', {
    annotations: { [DAEMONSETS_UNTIL]: until },
    spec: { taints: [reservationOf('green')] },
  });
const claimOf = (status: 'Registered' | 'Initialized' | undefined): NodeClaim => {
  const claim = make.nodeClaim('green');
  const types = ['Registered', 'Initialized'].slice(0, status === 'Registered' ? 1 : status ? 2 : 0);
  const conditions = types.map((type) => ({ type, status: 'True' as const }));
  return { ...claim, status: { ...claim.status, conditions } };
};

const ROWS: Readonly<Record<string, Row>> = {
  'a node that Karpenter has not registered keeps its taint': { node: RESERVED, expected: [] },
  'a node that waits for pods of DaemonSets is reserved by a cordon': {
    node: RESERVED,
    status: 'Registered',
    daemonSets: [AGENT],
    expected: ['NodeOpenToDaemonSets cordon'],
  },
  'before it is initialized they are waited for until the join deadline': {
    node: cordoned(),
    status: 'Registered',
    daemonSets: [AGENT],
    expected: [],
  },
  'it is reserved by its taint again once its DaemonSets are there': {
    node: cordoned(),
    status: 'Registered',
    daemonSets: [AGENT],
    pods: [agentPod],
    expected: ['NodeReserved taint'],
  },
  'a node without DaemonSets keeps its taint': { node: RESERVED, status: 'Registered', expected: [] },
  'a DaemonSet without a pod is waited for': {
    node: cordoned(),
    status: 'Initialized',
    daemonSets: [AGENT],
    expected: ['NodeOpenToDaemonSets cordon until +30'],
  },
  'and waited for': {
    node: cordoned(make.ago(-1)),
    status: 'Initialized',
    daemonSets: [AGENT],
    expected: [],
  },
  'but not for ever': {
    node: cordoned(make.ago(1)),
    status: 'Initialized',
    daemonSets: [AGENT],
    expected: ['DaemonSetsMissing taint until -1'],
  },
  'one that was waited for in vain opens the node no second time': {
    node: tainted(make.ago(100)),
    status: 'Initialized',
    daemonSets: [AGENT],
    expected: [],
  },
  'a pod of a DaemonSet that is gone later opens the node again': {
    node: RESERVED,
    status: 'Initialized',
    daemonSets: [AGENT],
    expected: ['NodeOpenToDaemonSets cordon until +30'],
  },
  'a taint that Karpenter or the pinner puts on beside the cordon goes': {
    node: { ...cordoned(), spec: { unschedulable: true, taints: [reservationOf('green')] } },
    status: 'Registered',
    daemonSets: [AGENT],
    expected: ['NodeOpenToDaemonSets cordon'],
  },
  'a node that was opened to everyone stays open': {
    node: OPEN,
    status: 'Initialized',
    daemonSets: [AGENT],
    expected: [],
  },
  "another plan's cordon is left alone": {
    node: make.node('green', { annotations: { [CORDONED_BY]: 'plan/other-uid' } }),
    status: 'Initialized',
    expected: [],
  },
};

for (const [name, row] of Object.entries(ROWS)) {
  t.test(`fault 4: ${name}`, async (t) => {
    const state = stateOf(row.node ?? RESERVED, {
      nodeClaims: new Map([['green', claimOf(row.status)]]),
      daemonSets: row.daemonSets ?? [],
      pods: new Map([['green', row.pods ?? []]]),
    });
    const found = reservationSteps(state).map((step) => {
      if (step.kind !== 'reserve') return step.kind;
      const seconds = step.until && (Date.parse(step.until) - make.NOW) / 1000;
      const until = seconds ? ` until ${seconds > 0 ? '+' : ''}${seconds}` : '';
      return `${step.reason} ${step.by}${until}`;
    });
    t.same(found, row.expected);
  });
}

t.test(
  'fault 4: nodes are created when their DaemonSets are there, and the cordon ends with the plan',
  async (t) => {
    const nodeClaims = new Map([['green', claimOf('Initialized')]]);
    const daemonSets = [AGENT];
    const kinds = (node: Node, o: Partial<ExecutionState> = {}) =>
      decide(stateOf(node, { nodeClaims, daemonSets, ...o })).steps.map(describeStep);
    t.same(kinds(cordoned()), ['reserve node-green by cordon']);
    t.same(kinds(cordoned(), { pods: new Map([['green', [agentPod]]]) }), ['reserve node-green by taint']);
    t.same(kinds(RESERVED, { pods: new Map([['green', [agentPod]]]) }), ['advance NodesCreated']);
    t.match(releaseSteps(stateOf(cordoned())), [{ node: 'node-green', keeps: false }]);
    t.match(untaintSteps(stateOf(cordoned())), [{ keeps: true }]);
  },
);
