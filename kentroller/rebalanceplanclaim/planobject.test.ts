import t from 'tap';
import type { RebalancePlanClaim, RebalancePlanClaimSpec } from '../../api/kinds/rebalanceplanclaim.ts';
import { rejectionOf } from './claimoutcome.ts';

import {
  aggressiveModeOf,
  buildPlan,
  CLAIM_LABEL,
  claimOf,
  leastSavingsOf,
  mustGoNodes,
  planNameFor,
} from './planobject.ts';
import type { PartsAnswer } from './planparts.ts';

const claimNamed = (name: string, spec: Partial<RebalancePlanClaimSpec> = {}): RebalancePlanClaim => ({
  metadata: { name, uid: '0123456789-abcdef' },
  spec: { autoExecute: false, ...spec },
});

t.test('the plan name is stable, short and a valid object name', async (t) => {
  t.equal(planNameFor(claimNamed('nightly')), 'nightly-01234567');
  t.match(planNameFor(claimNamed(`${'a'.repeat(49)}.b`)), /^a{27}-[0-9a-f]{10}-01234567$/);
});

t.test('a claim owns its plan', async (t) => {
  const plan = buildPlan(claimNamed('nightly'), { execute: false });
  t.match(claimOf(plan), { name: 'nightly', uid: '0123456789-abcdef' });
  t.equal(plan.metadata.labels?.[CLAIM_LABEL], 'nightly');
  t.equal(claimOf({ ...plan, metadata: { name: 'by-hand' } }), undefined);
});

t.test('a claim name that is no label value is shortened in the label', async (t) => {
  const plan = buildPlan(claimNamed('a'.repeat(64)), { execute: false });
  t.match(plan.metadata.labels?.[CLAIM_LABEL], /^a{52}-[0-9a-f]{10}$/);
});

t.test('the execution settings come from the claim, whatever the planner says', async (t) => {
  const timeouts = { rebalanceExecutionTimeout: '1h' };
  const { spec } = buildPlan(claimNamed('c', { autoExecute: true, timeouts }), { execute: false });
  t.match(spec, { execute: true, timeouts });
  t.equal(buildPlan(claimNamed('c'), { execute: true }).spec.execute, false);
});

t.test('aggressive mode: all of it, and nothing where nothing is set', async (t) => {
  t.same(aggressiveModeOf(undefined), {});
  t.same(aggressiveModeOf({}), {});
  const aggressiveMode = { aggressiveEviction: true, ignoreLocalPersistentVolumes: true };
  t.same(aggressiveModeOf(aggressiveMode), { aggressiveMode });
});

t.test('a claim for nodes that must go names each of them, and its drain says why', async (t) => {
  const mustGo = { reason: 'SpotPrediction', maxPricePercent: 300 } as const;
  const spec = { mustGo, scope: { nodeNames: ['a', 'b'] } };
  t.same(mustGoNodes({ autoExecute: true, ...spec }), { mustGo: { a: mustGo, b: mustGo } });
  t.same(mustGoNodes({ autoExecute: true, scope: spec.scope }), {});
  const drainReason = (reason: 'SpotFallbackRestore' | 'SpotPrediction' | 'Expiry'): string | undefined =>
    buildPlan(claimNamed('c', { ...spec, mustGo: { reason } }), { execute: false }).spec.drainReason;
  t.equal(drainReason('SpotPrediction'), 'spot-prediction');
  t.equal(drainReason('SpotFallbackRestore'), 'spot-fallback');
  t.equal(drainReason('Expiry'), undefined);
});

const answerOf = (percent: string): PartsAnswer => ({
  selectedNodes: [],
  skippedNodes: [],
  plans: [
    {
      spec: { execute: false },
      savings: {
        projectedSavingsPercent: percent,
        projectedSavingsCostMonthly: '1',
        currentMonthlyCost: '10',
        projectedMonthlyCost: '9',
      },
    },
  ],
});

const REJECTIONS: readonly [string, string | undefined, PartsAnswer, object | undefined][] = [
  ['any plan will do without a minimum', undefined, answerOf('0.1'), undefined],
  ['savings at the minimum are enough', '10', answerOf('10.0'), undefined],
  [
    'savings below the minimum fail the claim',
    '10',
    answerOf('9.9'),
    { state: 'Failed', explanation: { reason: 'FailureReasonInsufficientSavings', message: /9\.9 %.* 10:/ } },
  ],
  [
    "no plan skips the claim, with the planner's reason",
    '10',
    { ...answerOf('0'), plans: [], reason: 'All is well.' },
    { state: 'Skipped', explanation: { reason: 'NoSavings', message: 'All is well.' } },
  ],
];
t.test('the planner is asked for what a claim needs to be stored and executed', async (t) => {
  const executionPolicy = { achievedSavingsPercentageThreshold: '12.5' };
  t.same(leastSavingsOf(claimNamed('c').spec), {});
  t.same(leastSavingsOf(claimNamed('c', { minSavingsPercentage: '10' }).spec), {
    leastSavings: { percent: 10 },
  });
  t.same(leastSavingsOf(claimNamed('c', { minSavingsPercentage: '10', executionPolicy }).spec), {
    leastSavings: { percent: 12.5 },
  });
});

t.test('a claim for nodes that must go is skipped for want of a place, not of savings', async (t) => {
  const claim = claimNamed('c', { mustGo: { reason: 'Expiry' }, scope: { nodeNames: ['a'] } });
  t.match(rejectionOf(claim, { ...answerOf('0'), plans: [], reason: 'No place.' }), {
    state: 'Skipped',
    explanation: { reason: 'NoReplacement', message: 'No place.' },
  });
});

for (const [name, minSavingsPercentage, answer, expected] of REJECTIONS) {
  t.test(name, async (t) => {
    const spec = minSavingsPercentage === undefined ? {} : { minSavingsPercentage };
    const rejection = rejectionOf(claimNamed('c', spec), answer);
    if (expected) t.match(rejection, expected);
    else t.equal(rejection, undefined);
  });
}
