import t from 'tap';
import type { PlanState, RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { ClaimState, RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { NOW } from '../testing/builders.ts';
import { planProgress, withState } from './claimstatus.ts';

const claim = (state: ClaimState): RebalancePlanClaim => ({
  metadata: { name: 'now', uid: 'claim-uid' },
  spec: { autoExecute: true },
  status: { state, rebalanceName: 'now-1' },
});
const plan = (state: PlanState, status: RebalancePlan['status'] = {}): RebalancePlan => ({
  metadata: { name: 'now-1' },
  spec: { execute: true },
  status: {
    state,
    conditions: [{ type: 'Finished', status: 'True', message: `ended as ${state}` }],
    ...status,
  },
});

const CASES: readonly (readonly [PlanState | undefined, ClaimState, ClaimState | undefined])[] = [
  ['Created', 'Ready', undefined],
  ['Pending', 'Ready', undefined],
  ['Running', 'Ready', 'Executing'],
  ['Done', 'Executing', 'Completed'],
  ['DoneWithWarnings', 'Executing', 'Completed'],
  ['Failed', 'Executing', 'Failed'],
  ['Skipped', 'Ready', 'Skipped'],
  ['Canceled', 'Executing', 'Canceled'],
  ['Expired', 'Ready', 'Canceled'],
  [undefined, 'Executing', 'Canceled'],
  ['Done', 'Completed', undefined],
];
for (const [state, before, after] of CASES) {
  t.test(
    `a claim at ${before} whose plan is ${state ?? 'gone'} becomes ${after ?? 'nothing else'}`,
    async (t) => t.equal(planProgress(claim(before), [state && plan(state)])?.state, after),
  );
}

t.test('a failed claim says what to do', async (t) => {
  const failed = plan('Failed', {
    failureReason: 'FailureReasonNodeCreateFailed',
    failureMessage: 'Allow more instance types.',
  });
  const next = planProgress(claim('Executing'), [failed]);
  const status = withState({}, 'Failed', next?.explanation ?? { reason: '', message: '' }, NOW);
  t.match(status, {
    failureReason: 'FailureReasonNodeCreateFailed',
    errorMessage: 'Allow more instance types.',
    completionTime: '2026-11-22T12:00:00.000Z',
    conditions: [{ type: 'Succeeded', status: 'False', reason: 'FailureReasonNodeCreateFailed' }],
  });
});

t.test('a skipped claim says why, and is no failure', async (t) => {
  const status = withState({}, 'Skipped', { reason: 'NoSavings', message: 'As cheap as can be.' }, NOW);
  t.match(status, { skippedReason: 'NoSavings', skippedMessage: 'As cheap as can be.' });
  t.equal(status.failureReason, undefined);
});

t.test('conditions keep the time at which they turned', async (t) => {
  const first = withState({}, 'Pending', { reason: 'WaitingForCloud', message: 'a' }, NOW);
  const second = withState(first, 'Generating', { reason: 'Generating', message: 'b' }, NOW + 1000);
  t.match(second.conditions, [
    { type: 'Planned', reason: 'Generating', lastTransitionTime: first.conditions?.[0]?.lastTransitionTime },
  ]);
  const ready = withState(second, 'Ready', { reason: 'PlanReady', message: 'c' }, NOW + 2000);
  t.equal(ready.conditions?.[0]?.lastTransitionTime, new Date(NOW + 2000).toISOString());
});
