import t from 'tap';
import type { RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, DRAINING } from '../../../api/labels.ts';
import type { Node, Pod } from '../../../api/objects.ts';
import { countNodes } from '../../../planner/cluster/disruptionbudget.ts';
import * as make from '../../testing/builders.ts';
import { describeStep, RESERVED } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import type { Phase } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';

/** The fault of late pods, at its source: new pods kept coming to a node whose replacement was ready. */

type Attempt = 'InProgress' | 'Success' | 'Failed';

const move = (name: string, srcNode: string, dstNodeClaimName: string) => ({
  name,
  namespace: 'shop',
  srcNode,
  dstNodeClaimName,
  owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
});
/** Node blue is replaced by two added nodes; the pods of node plain go to a node that is there already. */
const SPEC = {
  nodeClaimsToDelete: [{ nodeClaimName: 'blue' }, { nodeClaimName: 'plain' }],
  nodeClaimsToAdd: [make.toAdd('first'), make.toAdd('second')],
  podsToMigrate: [
    move('web-1', 'node-blue', 'first'),
    move('web-2', 'node-blue', 'second'),
    move('web-3', 'node-plain', 'kept'),
  ],
};
const mark = 'plan/plan-uid';
const CLOSED = make.locked('blue', { annotations: { [CORDONED_BY]: mark }, spec: { unschedulable: true } });
const CORDONED = make.locked('blue', {
  annotations: { [CORDONED_BY]: mark },
  labels: { [DRAINING]: 'rebalancing' },
  spec: { unschedulable: true },
});

const created = (first: Attempt, second: Attempt): RebalancePlanStatus => ({
  nodesCreation: Object.fromEntries(
    (
      [
        ['first', first],
        ['second', second],
      ] as const
    ).map(([name, status]) => [
      name,
      {
        name,
        attempts: [{ instanceType: 'm5.large', nodeClaimName: name, status, timestamp: make.ago(30) }],
      },
    ]),
  ),
});

const state = (o: {
  readonly status?: RebalancePlanStatus;
  readonly reached?: Phase;
  readonly blue?: Node;
  readonly pods?: readonly Pod[];
  readonly rest?: Partial<ExecutionState>;
}): ExecutionState =>
  make.executionState(make.plan(SPEC, o.status, o.reached), {
    nodeClaims: new Map(
      (
        [
          ['blue', 'm5.xlarge'],
          ['plain', 'm5.xlarge'],
          ['kept', 'm5.xlarge'],
          ['first', 'm5.large'],
          ['second', 'm5.large'],
        ] as const
      ).map(([name, type]) => {
        const labels = make.machineLabels(`${type}/us-west-2a/on-demand`);
        return [name, make.nodeClaim(name, { labels: { 'karpenter.sh/nodepool': 'general', ...labels } })];
      }),
    ),
    nodes: new Map([
      ['blue', o.blue ?? make.locked('blue')],
      ['plain', make.locked('plain')],
      ['kept', make.locked('kept')],
      ['first', make.node('first', { spec: RESERVED.spec })],
    ]),
    pods: new Map([['blue', o.pods ?? [make.pod('web-1'), make.pod('web-2')]]]),
    ...o.rest,
  });
const kinds = (s: ExecutionState): string[] => decide(s).steps.map(describeStep);

const READY = created('Success', 'InProgress');
const OVERDUE = make.pod('web-9', { creationTimestamp: make.ago(11) });

t.test('a node is open while no replacement is ready', async (t) => {
  t.notOk(kinds(state({ status: created('InProgress', 'InProgress') })).some((s) => s.startsWith('close')));
});

t.test('a node is closed to new pods once its first replacement is ready', async (t) => {
  t.ok(kinds(state({ status: READY })).includes('close node-blue'));
  t.notOk(kinds(state({ status: READY })).includes('close node-plain'), 'and no other one');
  t.notOk(kinds(state({ status: READY, blue: CLOSED })).includes('close node-blue'), 'and once');
});

t.test('a node whose pods get no new one is closed when the deletion phase begins', async (t) => {
  const all = created('Success', 'Success');
  t.notOk(kinds(state({ status: all, reached: 'SavingsValidated' })).includes('close node-plain'));
  const limits = { ...make.executionState(make.plan()).limits, maxSimultaneousDrains: 1 };
  const steps = kinds(state({ status: all, reached: 'PinsReady', blue: CLOSED, rest: { limits } }));
  t.same(steps.sort(), ['close node-plain', 'cordon node-blue', 'record-deletion blue']);
});

t.test('a node that may not be emptied stays open', async (t) => {
  const late = make.pod('late', { ownerReferences: [] });
  t.notOk(kinds(state({ status: READY, pods: [late] })).includes('close node-blue'));
});

t.test('a node is opened again when its only ready replacement is lost', async (t) => {
  t.ok(
    kinds(state({ status: created('Failed', 'InProgress'), blue: CLOSED })).includes('uncordon node-blue'),
  );
});

t.test('a plan that fails in Creation opens the nodes that it closed', async (t) => {
  const failed = { ...READY, failurePhase: 'Creation' as const, failureReason: 'x' };
  const { steps } = decide(state({ status: failed, blue: CLOSED }));
  const uncordon = steps.find((step) => step.kind === 'uncordon');
  t.match(uncordon, { node: 'node-blue', drainFailed: false }, 'no drain of it has failed');
});

t.test('a plan that ends opens what it closed', async (t) => {
  const done = state({ status: created('Success', 'Success'), reached: 'NodesDeleted', blue: CLOSED });
  t.ok(kinds({ ...done, now: make.NOW + 200_000 }).includes('uncordon node-blue'));
});

t.test('a closed node does not use up the disruption budget, a drained one does', async (t) => {
  const claim = make.nodeClaim('blue');
  t.same(countNodes([{ node: CLOSED, claim }]), { total: 1, disrupted: 0 });
  t.same(countNodes([{ node: CORDONED, claim }]), { total: 1, disrupted: 1 });
  const byUser = make.node('blue', { spec: { unschedulable: true } });
  t.same(countNodes([{ node: byUser, claim }]), { total: 1, disrupted: 1 });
});

t.test('a pod that left a closed node and got no pin in time finds the ready nodes open', async (t) => {
  const rest = { unscheduledPods: [OVERDUE] };
  const left = { status: READY, blue: CLOSED, pods: [make.pod('web-2')] };
  t.ok(kinds(state({ ...left, rest })).includes('release node-first'));
  const early = { unscheduledPods: [make.pod('web-9', { creationTimestamp: make.ago(2) })] };
  t.notOk(kinds(state({ ...left, rest: early })).includes('release node-first'), 'not before');
});

t.test('a pod that left a closed node for one that is not ready yet does not wait for it', async (t) => {
  const rest = { unscheduledPods: [make.pod('web-9', { creationTimestamp: make.ago(0) })] };
  const left = { status: READY, blue: CLOSED, pods: [make.pod('web-1')] };
  t.ok(kinds(state({ ...left, rest })).includes('release node-first'));
});

t.test('a pod that is one more than before opens no node', async (t) => {
  const anew = [make.pod('web-1'), make.pod('web-7')];
  const beside = state({ status: READY, blue: CLOSED, pods: anew, rest: { unscheduledPods: [OVERDUE] } });
  t.notOk(kinds(beside).includes('release node-first'), 'also when a pod was made anew on its node');
  const rest = { unscheduledPods: [OVERDUE] };
  t.notOk(kinds(state({ status: READY, blue: CLOSED, rest })).includes('release node-first'));
});
