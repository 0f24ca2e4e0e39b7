import t from 'tap';
import { KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER } from '../api/labels.ts';
import { NODE_CLAIMS, NODES, PODS } from '../api/resources.ts';
import { pacedSeconds } from '../kube/testing/pace.ts';
import { NO_FAULTS } from './ground/aws/faults.ts';
import { attach } from './ground/ground.ts';
import { claimEnded, claimRebalance, planOf } from './support/claim.ts';
import { controlOf } from './support/components.ts';
import { claimOf, outcomeOf } from './support/outcome.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { podsRunning } from './support/workload.ts';

t.test('a claim rebuilds fragmented machines through Karpenter and pods land where the plan put them', (t) =>
  onStage(t, { name: 'first-light', machines: 4 }, async ({ client, ground, name, machines }) => {
    // Machines take as long as real ones do at their fastest, so that placeholders come first on a busy host too.
    const control = controlOf(ground);
    t.teardown(() => control.setFaults({ delays: NO_FAULTS.delays }));
    await control.setFaults({ delays: { joinMs: 20_000 } });
    const seen = await witness(client, name);
    t.teardown(() => seen.stop());
    await claimRebalance(client, { name, pool: name });
    const { metadata } = await planOf(client, name);
    const claim = await claimEnded(client, name, 180_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'the claim completed');
    const plan = await planOf(client, name);
    t.equal(plan.metadata.name, metadata.name, 'it is the same plan');
    t.equal(plan.status?.state, 'Done');
    const pods = await podsRunning(client, name, 12, 60_000);
    const claims = await client.list(NODE_CLAIMS);
    const outcome = outcomeOf(plan, pods, claims.items);
    t.strictSame(outcome.missing, [], 'every moved pod runs where the plan put it');
    t.equal(outcome.placed, outcome.planned);
    t.ok(outcome.planned > 0, 'pods were moved');
    t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
    const added = (plan.spec.nodeClaimsToAdd ?? []).map((add) => claimOf(plan, add.metadata.name));
    t.ok(added.length > 0, 'machines were added');
    for (const added_ of added) {
      const nodeClaim = await client.get(NODE_CLAIMS, { name: added_ });
      const nodeName = nodeClaim.status?.nodeName ?? '';
      t.ok(seen.placeholders.has(nodeName), `the placeholder of ${nodeName} stood before its kubelet joined`);
      t.ok(seen.adopted.has(nodeName), `the kubelet of ${nodeName} adopted it`);
      t.ok(
        nodeClaim.status?.conditions?.some((c) => c.type === 'Initialized' && c.status === 'True'),
        `Karpenter initialized ${added_}`,
      );
      const node = await client.get(NODES, { name: nodeName });
      t.strictSame(node.spec?.taints ?? [], [], 'the node is open to everyone when the plan is done');
    }
    const deleted = (plan.spec.nodeClaimsToDelete ?? []).map((d) => d.nodeClaimName);
    t.ok(deleted.every((d) => machines.includes(d)) && deleted.length > 0, 'old machines were taken away');
    for (const gone of deleted) {
      await t.rejects(client.get(NODE_CLAIMS, { name: gone }), 'its NodeClaim is gone');
    }
    const cost = Number(plan.status?.savings?.projectedMonthlyCost);
    t.ok(cost < Number(plan.status?.savings?.currentMonthlyCost), 'the plan costs less than what was there');

    const rp = (await ground.kubectl(['get', 'rp'])).split('\n')[0]?.trim().split(/\s+/);
    t.strictSame(rp, ['NAME', 'BEFORE', 'AFTER', 'SAVINGS%', 'STATE', 'AUTO-EXECUTED', 'AGE']);
    const rpc = (await ground.kubectl(['get', 'rpc'])).split('\n')[0]?.trim().split(/\s+/);
    t.strictSame(rpc, ['NAME', 'STATE', 'PLANID', 'NODES', 'SAVINGS%', 'REBALANCE', 'AGE']);
    const rps = (
      await ground.kubectl([
        'get',
        'crd',
        'rebalanceplanschedules.autoscaling.cast.ai',
        '-o',
        'jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}',
      ])
    ).trim();
    t.equal(rps, 'Schedule Suspend Active Last Schedule Age');
  }),
);

t.test(
  'the Deployments are there, twice ready, and say what they do in the words that users know',
  async (t) => {
    const ground = attach(process.env.GROUND_NAME ?? '');
    const table = await ground.kubectl(['get', 'deployments', '-n', 'castai-agent', '--no-headers']);
    const ready = table
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).slice(0, 2).join(' '));
    t.strictSame(ready.sort(), [
      'castai-kentroller 2/2',
      'castai-pod-pinner 2/2',
      'castai-pod-pinner-webhook 2/2',
      'castai-pod-pinner-webhook-keeper 2/2',
    ]);
    const pinner = await ground.kubectl([
      'logs',
      '-n',
      'castai-agent',
      '-l',
      'app=castai-pod-pinner',
      '--tail=-1',
    ]);
    t.match(pinner, /"msg":"node placeholder created"/);
    const webhook = await ground.kubectl([
      'logs',
      '-n',
      'castai-agent',
      '-l',
      'app=castai-pod-pinner-webhook',
      '--tail=-1',
    ]);
    t.match(webhook, /"msg":"pinning pod"/);
  },
);

t.test('an invalid claim is refused by the API server with a message that names the field', async (t) => {
  const ground = attach(process.env.GROUND_NAME ?? '');
  const input = JSON.stringify({
    apiVersion: 'autoscaling.cast.ai/v1alpha',
    kind: 'RebalancePlanClaim',
    metadata: { name: 'wrong' },
    spec: { minSavingsPercentage: '120', nodeConstraints: { maxNodes: 0 } },
  });
  const refusal = await ground.kubectl(['apply', '-f', '-'], { input }).then(
    () => '',
    (error: unknown) => String(error),
  );
  t.match(refusal, /spec\.minSavingsPercentage/);
  t.match(refusal, /spec\.nodeConstraints\.maxNodes/);
});

t.test('with our Deployments scaled to 0, kube-scheduler schedules new pods', (t) =>
  onStage(
    t,
    { name: 'without-us', machines: 1, deployments: 1, replicas: 1 },
    async ({ client, ground, name }) => {
      const names = [KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER];
      const scale = (replicas: number) =>
        ground.kubectl(['scale', '-n', 'castai-agent', 'deployment', ...names, `--replicas=${replicas}`]);
      t.teardown(async () => {
        await scale(2);
        for (const each of names) {
          await ground.kubectl([
            'rollout',
            'status',
            '-n',
            'castai-agent',
            `deployment/${each}`,
            `--timeout=${pacedSeconds(300)}`,
          ]);
        }
      });
      await scale(0);
      await ground.kubectl([
        'wait',
        '-n',
        'castai-agent',
        '--for=delete',
        'pod',
        '--all',
        `--timeout=${pacedSeconds(300)}`,
      ]);
      await ground.kubectl(['scale', '-n', name, 'deployment/app-1', '--replicas=5']);
      const pods = await podsRunning(client, name, 5, 60_000);
      t.equal(pods.length, 5);
      const { items } = await client.list(PODS, { namespace: name });
      t.notOk(items.some((p) => p.status?.phase === 'Failed'));
    },
  ),
);
