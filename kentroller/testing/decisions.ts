import t from 'tap';
import type { CreationAttempt, RebalancePlan, Savings } from '../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering } from '../../api/kinds/unavailableoffering.ts';
import { CANCEL, CORDONED_BY } from '../../api/labels.ts';
import { decide } from '../rebalanceplan/decide.ts';
import type { ExecutionState } from '../rebalanceplan/state/state.ts';
import type { Step } from '../rebalanceplan/state/step.ts';
import * as make from './builders.ts';

/** Decision tables of the executor: plans, their cluster, and the steps that are expected in a word or two. */

/** A step in a word or two: its kind and its object. */
export const describeStep = (step: Step): string => {
  switch (step.kind) {
    case 'create-claim':
      return `create-claim ${step.attempt.claimName} ${step.attempt.instanceType}`;
    case 'attempt-failed':
      return `attempt-failed ${step.attempt.claimName} ${step.description}`;
    case 'attempt-succeeded':
      return `attempt-succeeded ${step.attempt.claimName}`;
    case 'free':
      return `free ${step.place}`;
    case 'delete-claim':
    case 'record-deletion':
    case 'keep-node':
      return `${step.kind} ${step.claim}`;
    case 'lock':
    case 'unlock':
    case 'close':
    case 'cordon':
    case 'mark-evicted':
    case 'uncordon':
    case 'release':
      return `${step.kind} ${step.node}`;
    case 'reserve':
      return `reserve ${step.node} by ${step.by}`;
    case 'tolerate':
      return `tolerate ${step.name} ${step.tolerations.map(({ value = '' }) => value).join()}`;
    case 'evict':
    case 'remove-pod':
      return `${step.kind} ${step.name}`;
    case 'advance':
      return `advance ${step.phase}`;
    case 'fail':
      return `fail ${step.phase} ${step.failureReason}`;
    case 'finish':
      return `finish ${step.state}`;
    case 'wait-to-start':
    case 'wait-in-phase':
      return `${step.kind} ${step.reason}`;
    default:
      return step.kind;
  }
};

/** Sentence, plan, what differs from an empty execution state, steps. */
export type Case = readonly [string, RebalancePlan, Partial<ExecutionState>, readonly string[]];

const WHAT_TO_DO = /\b(make|raise|lower|allow|look|label|plan|set)\b/i;

/** One test a case; a failure's message must say what to do. */
export const checkCases = (cases: readonly Case[]): void => {
  for (const [name, plan, overrides, expected] of cases) {
    t.test(name, async (t) => {
      const { steps } = decide(make.executionState(plan, overrides));
      t.same(steps.map(describeStep), expected);
      for (const step of steps) {
        if (step.kind !== 'fail' || step.failureReason === 'Canceled') continue;
        t.match(step.message.split(/[:.] /).slice(1).join(' '), WHAT_TO_DO, step.message);
      }
    });
  }
};

export const DELETE = { nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] };
export const ADD = { nodeClaimsToAdd: [make.toAdd('green')] };
export const MOVE = {
  podsToMigrate: [
    {
      name: 'web-1',
      namespace: 'shop',
      srcNode: 'node-blue',
      dstNodeClaimName: 'green',
      owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
    },
  ],
};
export const PENDING: RebalancePlan = { ...make.plan(DELETE), status: {} };
/** The removed node: an m5.xlarge at 0.2 USD per hour. */
export const BLUE = {
  nodeClaims: new Map([
    [
      'blue',
      make.nodeClaim('blue', {
        labels: {
          'karpenter.sh/nodepool': 'general',
          ...make.machineLabels('m5.xlarge/us-west-2a/on-demand'),
        },
      }),
    ],
  ]),
  nodes: new Map([['blue', make.locked('blue')]]),
};

export const attempts = (...list: readonly Partial<CreationAttempt>[]) => ({
  nodesCreation: {
    green: {
      name: 'green',
      attempts: list.map((a) => ({
        instanceType: 'm5.large',
        nodeClaimName: 'green',
        status: 'InProgress' as const,
        capacityType: 'on-demand',
        zone: 'us-west-2a',
        timestamp: make.ago(30),
        ...a,
      })),
    },
  },
});
export const draining = (since = 10) => ({
  nodesDeletion: {
    blue: { name: 'blue', events: [{ status: 'InProgress' as const, timestamp: make.ago(since) }] },
  },
});
export const CORDONED = make.locked('blue', {
  annotations: { [CORDONED_BY]: make.MARK },
  labels: { 'autoscaling.cast.ai/draining': 'rebalancing' },
  spec: { unschedulable: true },
});
export const RESERVED = make.node('green', {
  annotations: { 'karpenter.sh/do-not-disrupt': 'true' },
  spec: { taints: [{ key: 'scheduling.cast.ai/pod-pinning-preparing', effect: 'NoSchedule' }] },
});
export const unavailable = (instanceType: string): UnavailableOffering => ({
  metadata: { name: instanceType },
  spec: {
    instanceType,
    zone: 'us-west-2a',
    capacityType: 'on-demand',
    reason: 'InsufficientCapacityError',
    expiresAt: make.ago(-60),
  },
});
export const SAVINGS: Savings = {
  projectedSavingsPercent: '50',
  projectedSavingsCostMonthly: '73',
  currentMonthlyCost: '146',
  projectedMonthlyCost: '73',
  greenNodes: [
    {
      name: 'green',
      instanceType: 'm5.large',
      isSpot: false,
      milliCPU: 2000,
      memoryMiB: 8192,
      priceHourly: '0.1',
    },
  ],
};

export const canceled = (p: RebalancePlan): RebalancePlan => ({
  ...p,
  metadata: { ...p.metadata, annotations: { ...p.metadata.annotations, [CANCEL]: 'true' } },
});
