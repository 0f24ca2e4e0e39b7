import t from 'tap';
import type { RebalancePlanStatus } from '../../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, DRAINING, SURGED } from '../../../api/labels.ts';
import type { NodeClaim, Pod } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { attempts, describeStep } from '../../testing/decisions.ts';
import { apply } from '../apply.ts';
import { decide } from '../decide.ts';
import type { Phase } from '../state/labels.ts';
import type { ExecutionState } from '../state/state.ts';
import type { Writer } from '../writes/writer.ts';

/** What becomes of a plan one of whose nodes may not go: node `late` holds a bare pod, node `blue` does not. */

const move = (name: string, srcNode: string) => ({
  name,
  namespace: 'shop',
  srcNode,
  dstNodeClaimName: 'green',
  owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
});
const LATE = { nodeClaimName: 'late' };
const BLUE = { nodeClaimName: 'blue' };
const SPEC = {
  nodeClaimsToAdd: [make.toAdd('green')],
  nodeClaimsToDelete: [LATE, BLUE],
  podsToMigrate: [move('web-1', 'node-late'), move('web-2', 'node-blue')],
};
const BARE = make.pod('debug', { ownerReferences: [] });
const claim = (name: string, type: string): [string, NodeClaim] => {
  const labels = make.machineLabels(`${type}/us-west-2a/on-demand`);
  return [name, make.nodeClaim(name, { labels: { 'karpenter.sh/nodepool': 'general', ...labels } })];
};
const CLAIMS = [claim('late', 'm5.xlarge'), claim('blue', 'm5.xlarge'), claim('green', 'm5.large')];
const machine = (name: string, o: Parameters<typeof make.locked>[1] = {}) =>
  make.locked(name, {
    ...o,
    labels: { ...make.machineLabels('m5.xlarge/us-west-2a/on-demand'), ...o?.labels },
  });
const DRAINED = machine('late', {
  annotations: { [CORDONED_BY]: make.MARK },
  labels: { [DRAINING]: 'rebalancing' },
  spec: { unschedulable: true },
});
const KEPT: RebalancePlanStatus = {
  warnings: [{ description: 'Node node-late stays' }],
  nodesDeletion: { late: { name: 'late', events: [{ status: 'Failed', timestamp: make.ago(20) }] } },
};
const WEB = make.pod('web-1');
const MOVED: Pod = { ...make.pod('web-9'), status: { phase: 'Running' } };

const state = (
  reached: Phase,
  o: { readonly status?: RebalancePlanStatus; readonly spec?: object } & Partial<ExecutionState> = {},
): ExecutionState => {
  const { status, spec, ...rest } = o;
  return make.executionState(
    make.plan({ ...SPEC, ...spec }, { ...attempts({ status: 'Success' }), ...status }, reached),
    {
      nodeClaims: new Map(CLAIMS),
      nodes: new Map([
        ['late', machine('late')],
        ['blue', machine('blue')],
        ['green', make.node('green')],
      ]),
      pods: new Map([['late', [WEB, BARE]]]),
      ...rest,
    },
  );
};
const kinds = (s: ExecutionState): string[] => decide(s).steps.map(describeStep);
const told = (s: ExecutionState): string =>
  decide(s)
    .steps.map((step) => step.message)
    .join('\n');

t.test('a node that may not go saves nothing at the savings check', async (t) => {
  const step = decide(state('NodesCreated')).steps.find((each) => each.kind === 'advance');
  t.match(step, { phase: 'SavingsValidated', validated: { currentMonthlyCost: '146.00' } });
  t.same(step?.kind === 'advance' && step.validated?.blueNodes?.map((each) => each.name), ['node-blue']);
});

for (const reached of ['NodesCreated', 'SavingsValidated', 'PinsReady'] as const) {
  t.test(`after ${reached} a plan that saves nothing without it is put back`, async (t) => {
    const spec = { nodeClaimsToDelete: [LATE], podsToMigrate: [move('web-1', 'node-late')] };
    const alone = state(reached, { spec });
    t.same(kinds(alone), ['fail Creation FailureReasonInsufficientSavings']);
    t.match(told(alone), /Node node-late may not go: pod shop\/debug has no controller/);
  });
}

t.test('a node that stays is told on the plan with the pod, the reason and what to do', async (t) => {
  const drains = state('PinsReady');
  t.same(kinds(drains), ['keep-node late', 'record-deletion blue', 'cordon node-blue']);
  const [step] = decide(drains).steps;
  if (!step) throw new Error('no step');
  const change = await apply({} as Writer, drains, step);
  const status = typeof change === 'function' ? change({}) : {};
  const reason = 'pod shop/debug has no controller';
  t.match(status.nodesDeletion?.late?.events, [{ status: 'Failed', description: reason }]);
  t.match(status.warnings, [
    { description: /^Node node-late stays: pod shop\/debug has no controller\. .*make a new plan\.$/ },
  ]);
});

t.test('a node that stays is opened, and its detached pod given back', async (t) => {
  const [hash, replicaSet] = ['abc', { name: 'rs', uid: 'rs-uid' }];
  const record = { plan: 'plan', hash, replicaSet };
  const annotations = { [SURGED]: JSON.stringify(record) };
  const detached: Pod = {
    ...make.pod('only', { annotations, ownerReferences: [] }),
    spec: { containers: [], nodeName: 'node-late' },
  };
  const stays = state('PinsReady', {
    spec: { nodeClaimsToDelete: [LATE] },
    status: {
      ...KEPT,
      detachedPods: [{ namespace: 'shop', name: 'only', uid: 'only-uid', hash, replicaSet }],
    },
    nodes: new Map([['late', DRAINED]]),
    surge: { soleReplicas: new Map(), detached: [detached], succeeded: new Set(), orphaned: new Set() },
  });
  t.same(kinds(stays), ['reattach', 'uncordon node-late']);
});

t.test('the deletion phase ends without it, and says so', async (t) => {
  const ended = state('PinsReady', { status: KEPT, spec: { nodeClaimsToDelete: [LATE] } });
  t.same(kinds(ended), ['advance NodesDeleted']);
  t.match(told(ended), /^0 of the 1 nodes that the plan removes are gone, 1 stay: see status.nodesDeletion/);
});

t.test('a node that stays takes no place of another drain', async (t) => {
  const limits = { ...make.executionState(make.plan()).limits, maxSimultaneousDrains: 1 };
  t.same(kinds(state('PinsReady', { status: KEPT, limits })), ['record-deletion blue', 'cordon node-blue']);
});

t.test('the outcome counts what went, and nobody waits for pods that stay', async (t) => {
  const savings = {
    projectedSavingsPercent: '75.0',
    projectedSavingsCostMonthly: '219.00',
    currentMonthlyCost: '292.00',
    projectedMonthlyCost: '73.00',
    blueNodes: ['late', 'blue'].map((name) => ({
      name: `node-${name}`,
      instanceType: 'm5.xlarge',
      isSpot: false,
      milliCPU: 4000,
      memoryMiB: 16384,
      priceHourly: '0.2',
    })),
  };
  const [late, , green] = CLAIMS;
  if (!late || !green) throw new Error('no claims');
  const ended = state('NodesDeleted', {
    status: { ...KEPT, savings },
    nodeClaims: new Map([late, green]),
    nodes: new Map([
      ['late', make.node('late')],
      ['green', make.node('green')],
    ]),
    pods: new Map([
      ['late', [WEB, BARE]],
      ['green', [MOVED]],
    ]),
  });
  const [step] = decide(ended).steps;
  t.match(step, {
    kind: 'finish',
    state: 'DoneWithWarnings',
    message: /1 of 2 pods run where it put them, 1 stay where they were/,
    outcome: { podsPlanned: 2, podsPlaced: 1, savingsCostMonthly: '73.00', savingsPercent: '50.0' },
  });
});
