import t from 'tap';
import type { RebalancePlan, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { CANCEL } from '../../api/labels.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { fragmentedCluster } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { specHashOf } from '../rebalanceplan/state/spechash.ts';
import { buildPlan } from './planobject.ts';
import { dropOtherPlans, storePlans } from './storeplans.ts';

/** Stored plans on a real API server: what was shown stays as it is, but for what users may set. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'storeplans-test', qps: 200, burst: 200 });
const RUN = `store-${process.pid}`;
const { signal } = new AbortController();

const found = rebalance({
  snapshot: fragmentedCluster(6, 6, 8),
  catalogue: smallCatalogue,
  now: Date.now(),
  seed: 1,
  rounds: 20,
  planName: RUN,
}).plan;
if (!found) throw new Error('no plan');
const { spec, savings } = found;

const claims: RebalancePlanClaim[] = [];
const ask = async (name: string): Promise<RebalancePlanClaim> => {
  const metadata = { name: `${RUN}-${name}` };
  const claimSpec = {
    autoExecute: false,
    timeouts: { rebalanceExecutionTimeout: '1h' },
    executionPolicy: { achievedSavingsPercentageThreshold: '1' },
    aggressiveModeConfig: { ignoreLocalPersistentVolumes: true, drainTimeout: '5m' },
  };
  const claim = await client.create(REBALANCE_PLAN_CLAIMS, { metadata, spec: claimSpec });
  claims.push(claim);
  return claim;
};
const store = async (claim: RebalancePlanClaim, given: RebalancePlanSpec): Promise<RebalancePlan> => {
  const [plan] = await storePlans(client, [{ plan: buildPlan(claim, given), savings }], signal);
  if (!plan) throw new Error('not stored');
  return plan;
};
const patch = ({ metadata: { name } }: RebalancePlan, body: object) =>
  client.patch(REBALANCE_PLANS, { name }, body, { signal });

t.after(async () => {
  for (const { metadata } of claims) {
    await client.delete(REBALANCE_PLAN_CLAIMS, { name: metadata.name }).catch(() => {});
  }
  const { items } = await client.list(REBALANCE_PLANS, {});
  for (const { metadata } of items.filter((plan) => plan.metadata.name.startsWith(RUN))) {
    await client.delete(REBALANCE_PLANS, { name: metadata.name }).catch(() => {});
  }
});

t.test('a plan that was shown can not be edited before it is executed', async (t) => {
  const plan = await store(await ask('edited'), spec);
  const edits: Readonly<Record<string, object>> = {
    nodeClaimsToAdd: { nodeClaimsToAdd: [] },
    nodeClaimsToDelete: { nodeClaimsToDelete: [{ nodeClaimName: 'payments' }] },
    podsToMigrate: { podsToMigrate: null },
    aggressiveMode: { aggressiveMode: { ignoreBlockingPDB: true } },
    executionPolicy: { executionPolicy: null },
    timeouts: { timeouts: { rebalanceExecutionTimeout: '9h' } },
  };
  for (const [field, edit] of Object.entries(edits)) {
    const refused = new RegExp(`spec.${field} can't change once the plan is shown`);
    await t.rejects(patch(plan, { spec: { ...edit, execute: true } }), { message: refused }, field);
  }
  const refused = /spec.nodeClaimsToAdd can't change once the plan is shown/;
  const body = { spec: { nodeClaimsToAdd: [] }, status: { state: 'Failed', message: 'changed' } };
  await t.rejects(patch(plan, body), { message: refused }, 'beside a change of the status');
  await t.rejects(patch(plan, { ...body, status: null }), { message: refused }, 'without a status');
  t.equal((await client.get(REBALANCE_PLANS, plan.metadata)).spec.execute, false);
});

t.test('a plan that was shown can be executed and canceled', async (t) => {
  const plan = await store(await ask('executed'), spec);
  t.equal((await patch(plan, { spec: { execute: true } })).spec.execute, true);
  t.ok(await patch(plan, { metadata: { annotations: { [CANCEL]: 'true' } } }));
});

t.test('the hash of what was stored is the hash of what the API server has', async (t) => {
  const { metadata } = await store(await ask('hash'), spec);
  const stored = await client.get(REBALANCE_PLANS, { name: metadata.name });
  t.equal(stored.status?.specHash, specHashOf(stored.spec));
  t.ok(stored.spec.nodeClaimsToAdd?.length && stored.spec.podsToMigrate?.length, 'of a plan with all parts');
});

t.test(
  'a plan that was made in advance under the name of the plan of a claim is not executed as it',
  async (t) => {
    const claim = await ask('squatted');
    const { metadata } = buildPlan(claim, spec);
    const name = { name: metadata.name };
    await client.create(REBALANCE_PLANS, {
      metadata: name,
      spec: { execute: false, aggressiveMode: { ignoreBlockingPDB: true } },
    });
    const plan = await store(claim, { ...spec });
    t.not(
      plan.status?.specHash,
      specHashOf(plan.spec),
      'the hash is that of the decision, so the executor refuses',
    );
  },
);

t.test('a decision that is made again replaces what was shown of the first one', async (t) => {
  const claim = await ask('again');
  const first = await store(claim, spec);
  const same = buildPlan(claim, spec);
  await dropOtherPlans(client, claim, [same], signal);
  t.equal((await store(claim, spec)).metadata.uid, first.metadata.uid, 'the same one stays');
  const other = { ...spec, podsToMigrate: (spec.podsToMigrate ?? []).slice(1) };
  await dropOtherPlans(client, claim, [buildPlan(claim, other)], signal);
  const second = await store(claim, other);
  t.not(second.metadata.uid, first.metadata.uid);
  t.equal(second.status?.specHash, specHashOf(second.spec));
});
