import t from 'tap';
import type { NodeClaimToAdd, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { writeClaimStatus } from './claimclient.ts';
import { MAX_PLAN_BYTES, PART_BYTES, planBytes } from './plansize.ts';

/** The ends of our kinds on a real API server: plans as large as we make them pass, what nobody would read does not. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'kindends-test', qps: 200, burst: 200 });
const RUN = `ends-${process.pid}`;
const { signal } = new AbortController();

t.after(async () => {
  for (const resource of [REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS]) {
    const { items } = await client.list(resource as typeof REBALANCE_PLANS, {});
    for (const { metadata } of items.filter((each) => each.metadata.name.startsWith(RUN))) {
      await client.delete(resource as typeof REBALANCE_PLANS, { name: metadata.name });
    }
  }
});

const LONG = 'a'.repeat(50);
const types = Array.from({ length: 40 }, (_, n) => `m${n}.24xlarge`);
const added = (n: number): NodeClaimToAdd => {
  const requirements: NodeClaimToAdd['spec']['requirements'] = [
    { key: 'node.kubernetes.io/instance-type', operator: 'In', values: types, minValues: 2 },
    { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a', 'us-west-2b'] },
  ];
  return {
    metadata: { name: `${LONG}-${n}`, labels: { 'karpenter.sh/nodepool': 'general' } },
    spec: {
      nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
      requirements,
      resources: { requests: { cpu: '3', memory: '7Gi', pods: '20' } },
    },
    alternatives: [{ requirements, priceHourly: '0.192' }],
  };
};
const moved = (n: number) => ({
  name: `${LONG}-${n}`,
  namespace: 'shop',
  srcNode: `ip-10-0-${n % 60}-1.us-west-2.compute.internal`,
  dstNodeClaimName: `${LONG}-${n % 20}`,
  owner: { kind: 'ReplicaSet', name: LONG, uid: '7d8c6e2c-6f5e-4f0c-9a55-1d5f7a3b2c1d' },
});
const SAVINGS = {
  projectedSavingsPercent: '1',
  projectedSavingsCostMonthly: '1',
  currentMonthlyCost: '1',
  projectedMonthlyCost: '1',
};
/** One of the parts of a decision over 2,000 nodes and 30,000 pods. */
const part: RebalancePlanSpec = {
  execute: false,
  nodeClaimsToAdd: Array.from({ length: 40 }, (_, n) => added(n)),
  nodeClaimsToDelete: Array.from({ length: 60 }, (_, n) => ({ nodeClaimName: `${LONG}-old-${n}` })),
  podsToMigrate: Array.from({ length: 720 }, (_, n) => moved(n)),
};

t.test('a part as large as we make them is stored, shown, and executed', async (t) => {
  const bytes = planBytes(part, SAVINGS);
  t.ok(bytes > PART_BYTES && bytes < MAX_PLAN_BYTES, `${bytes} bytes`);
  const name = `${RUN}-large`;
  await client.create(REBALANCE_PLANS, { metadata: { name }, spec: part });
  const status = { savings: SAVINGS, specHash: 'a'.repeat(64) };
  await client.patch(REBALANCE_PLANS, { name }, { status }, { subresource: 'status' });
  const executed = await client.patch(REBALANCE_PLANS, { name }, { spec: { execute: true } });
  t.equal(executed.spec.podsToMigrate?.length, 720);
  await t.rejects(client.patch(REBALANCE_PLANS, { name }, { spec: { podsToMigrate: [moved(1)] } }), {
    message: /can't change once the plan is shown/,
  });
});

t.test('a claim follows all plans of 2,000 nodes, and names every node of a large cluster', async (t) => {
  const names = Array.from({ length: 5_000 }, (_, n) => `ip-10-0-${n}.us-west-2.compute.internal`);
  const claim = await client.create(REBALANCE_PLAN_CLAIMS, {
    metadata: { name: `${RUN}-follows` },
    spec: { autoExecute: false, scope: { nodeNames: names.slice(0, 2_000) } },
  });
  const status = {
    selectedNodes: names.slice(0, 2_000),
    selectedNodesCount: 2_000,
    skippedNodes: names.map((each) => ({ name: each, reasons: ['it is younger than minAgeSeconds'] })),
    rebalanceNames: Array.from({ length: 30 }, (_, n) => `${LONG}-p${n}`),
  };
  const written = await writeClaimStatus(client, claim, status, signal);
  t.match(written.status, status);
});

t.test('a message of ours that is too long is cut, and its claim is not stuck', async (t) => {
  const claim = await client.create(REBALANCE_PLAN_CLAIMS, {
    metadata: { name: `${RUN}-message` },
    spec: { autoExecute: false },
  });
  const message = 'denied by a webhook: '.padEnd(200_000, 'x');
  const reasons = Array.from({ length: 80 }, () => 'a reason');
  const status = { state: 'Failed' as const, errorMessage: message, skippedNodes: [{ name: 'a', reasons }] };
  const written = await writeClaimStatus(client, claim, status, signal);
  t.equal(written.status?.errorMessage?.length, 32_768);
  t.equal(written.status?.skippedNodes?.[0]?.reasons.length, 50);
});

const TOO_MUCH: Readonly<Record<string, RebalancePlanSpec>> = {
  'a thousand and one nodes to add': {
    execute: false,
    nodeClaimsToAdd: Array.from({ length: 1_001 }, (_, n) => ({
      metadata: { name: `n${n}` },
      spec: { nodeClassRef: { group: 'a', kind: 'b', name: 'c' }, requirements: [] },
    })),
  },
  'ten thousand and one moves': {
    execute: false,
    podsToMigrate: Array.from({ length: 10_001 }, () => ({
      name: 'a',
      namespace: 'b',
      dstNodeClaimName: 'c',
    })),
  },
  'a label as long as a book': {
    execute: false,
    nodeClaimsToAdd: [{ ...added(1), metadata: { name: 'green', labels: { team: 'x'.repeat(100_000) } } }],
  },
};

for (const [name, spec] of Object.entries(TOO_MUCH)) {
  t.test(`${name}: refused by the API server`, async (t) => {
    const plan = { metadata: { name: `${RUN}-refused` }, spec };
    await t.rejects(client.create(REBALANCE_PLANS, plan), {
      message: /too (long|many)|must have at most|may not be/i,
    });
  });
}
