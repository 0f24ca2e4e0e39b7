import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import * as resources from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { passes } from '../testing/planscene.ts';
import { Process } from '../testing/process.ts';

/** Plans that somebody writes or edits by hand, carried out by the real controller: what the API server has at the end. */

const { NODE_CLAIMS, NODE_POOLS, REBALANCE_PLANS } = resources;

const open = (): { api: MemoryApi; process: Process; run: () => Promise<void> } => {
  const api = new MemoryApi({ now: () => make.NOW });
  api.create(NODE_POOLS, make.nodePool('general', { limits: { cpu: '10' } }));
  const process = new Process(api, () => make.NOW);
  const run = (): Promise<void> => passes(process, { plans: ['plan'], claims: [], times: 20 });
  return { api, process, run };
};

const conditionOf = ({ status }: RebalancePlan, type: string) =>
  status?.conditions?.find((each) => each.type === type);

t.test(
  'a plan that asks for another NodeClass ends in a condition and an event, and orders nothing',
  async (t) => {
    const { api, process, run } = open();
    const [first, second] = [make.toAdd('one'), make.toAdd('two')];
    const nodeClassRef = { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'privileged-iam-class' };
    api.create(REBALANCE_PLANS, {
      metadata: { name: 'plan' },
      spec: {
        execute: true,
        nodeClaimsToAdd: [
          { ...first, alternatives: [] },
          { ...second, alternatives: [], spec: { ...second.spec, nodeClassRef } },
        ],
      },
    });
    await run();
    const plan = api.get(REBALANCE_PLANS, { name: 'plan' });
    t.equal(plan.status?.state, 'Failed');
    t.match(plan.status?.failureReason, 'FailureReasonBeyondNodePool');
    const told = /nodeClaimsToAdd\[1\]\.spec\.nodeClassRef is EC2NodeClass "privileged-iam-class"/;
    t.match(conditionOf(plan, 'Failed'), {
      status: 'True',
      reason: 'FailureReasonBeyondNodePool',
      message: told,
    });
    t.ok(
      process.events.some((each) => /^Warning FailureReasonBeyondNodePool:/.test(each) && told.test(each)),
    );
    t.same(api.list(NODE_CLAIMS), []);
  },
);

t.test('a plan that is edited once it was shown ends in a condition and an event', async (t) => {
  const { api, process, run } = open();
  const name = { name: 'plan' };
  api.create(REBALANCE_PLANS, {
    metadata: name,
    spec: { execute: false, nodeClaimsToDelete: [{ nodeClaimName: 'idle' }] },
  });
  await run();
  const shown = api.get(REBALANCE_PLANS, name);
  t.match(shown.status?.specHash, /^[0-9a-f]{64}$/);
  // An API server whose CRD is of before takes the change.
  api.edit(REBALANCE_PLANS, name, (plan) => ({
    ...plan,
    spec: { ...plan.spec, execute: true, nodeClaimsToDelete: [{ nodeClaimName: 'payments' }] },
  }));
  await run();
  const plan = api.get(REBALANCE_PLANS, name);
  t.equal(plan.status?.state, 'Failed');
  t.equal(plan.status?.specHash, shown.status?.specHash, 'what was shown stays on record');
  t.match(conditionOf(plan, 'Failed'), { status: 'True', reason: 'FailureReasonPlanChanged' });
  t.ok(process.events.some((each) => each.startsWith('Warning FailureReasonPlanChanged:')));
});
