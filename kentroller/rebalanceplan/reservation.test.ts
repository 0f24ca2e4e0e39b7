import t from 'tap';
import type { Node } from '../../api/objects.ts';
import * as make from '../testing/builders.ts';
import { ADD, attempts, RESERVED } from '../testing/decisions.ts';
import { areEvictionsPaused, overdueUntaintSteps, releaseSteps, untaintSteps } from './reservation.ts';
import type { ExecutionState } from './state/state.ts';

const CONNECTED = { connected: true, goneForMs: 0, acknowledged: true };
const AWAY = { connected: false, goneForMs: 100, acknowledged: true };
const LOST = { connected: false, goneForMs: 3_600_000, acknowledged: true };
const GUARDED = make.node('green', { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } });
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
