import { readFileSync } from 'node:fs';
import t from 'tap';
import { KARPENTER_DO_NOT_DISRUPT, PREPARING_TAINT } from '../../api/labels.ts';
import { NODE_CLAIMS, NODES } from '../../api/resources.ts';
import { up } from '../../e2e/ground/ground.ts';
import { startKwok } from '../../e2e/ground/kwok/kwok.ts';
import { claimEnded, claimRebalance, planOf } from '../../e2e/support/claim.ts';
import { podsRunning } from '../../e2e/support/workload.ts';
import { connect } from '../../kube/client/client.ts';
import { catalogueFromKwok } from '../../planner/model/catalogue.ts';
import { fragmentsOf } from './fragments.ts';
import { Meter } from './meter.ts';
import { outcomeOf } from './outcome.ts';
import { NAMESPACE, POOL, setScene } from './scene.ts';
import { ourSide } from './sides.ts';

const long = process.env.SOAK ? {} : { skip: 'SOAK=1 runs it' };
const PODS = 500;

t.test('one plan replaces a hundred nodes', long, async (t) => {
  const ground = await up({ name: 'reb-hundred' });
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'hundred', qps: 1_000, burst: 1_000 });
  t.teardown(async () => {
    client.close();
    await ground.down();
  });
  const { typesFile } = await startKwok(ground, { joinMs: 5_000 });
  const catalogue = catalogueFromKwok(JSON.parse(readFileSync(typesFile, 'utf8')));
  await ground.kubectl(['apply', '--server-side', '-k', 'manifests/overlays/processes']);
  const fragments = fragmentsOf(catalogue, { nodes: 140, pods: PODS, deployments: 60, seed: 2 });
  await setScene(ground, client, { fragments, catalogue, budget: '100%' });
  const ours = ourSide(ground, client, { typesFile });
  const meter = await Meter.watch(client, catalogue);
  t.teardown(async () => {
    meter.stop();
    await ours.stop();
  });
  await ours.prepare();
  meter.start();
  await claimRebalance(client, { name: 'hundred', pool: POOL });
  const claim = await claimEnded(client, 'hundred', 600_000);
  t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'completed');
  const plan = await planOf(client, 'hundred');
  for (const line of await ours.story()) t.comment(line);
  const removed = plan.spec.nodeClaimsToDelete?.length ?? 0;
  t.ok(removed >= 100, `${removed} nodes go`);
  await podsRunning(client, NAMESPACE, PODS, 60_000);
  t.comment(JSON.stringify(outcomeOf(meter.samples, meter.last.at)));
  t.ok(meter.last.cost < (meter.samples[0]?.cost ?? 0), 'it costs less');
  const { podsPlaced = 0, podsPlanned = 0 } = plan.status?.achievedOutcome ?? {};
  // A pin may lose, more often on a busy machine.
  t.ok(podsPlaced >= 0.9 * podsPlanned, `${podsPlaced} of ${podsPlanned} pods run where the plan put them`);
  const { items: claims } = await client.list(NODE_CLAIMS);
  t.equal(claims.length, 140 - removed + (plan.spec.nodeClaimsToAdd ?? []).length, 'no machine too many');
  for (const { metadata, spec } of (await client.list(NODES)).items) {
    t.equal(metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT], undefined, 'Karpenter may disrupt again');
    t.notOk(
      spec?.taints?.some((taint) => taint.key === PREPARING_TAINT),
      'no reservation is left',
    );
    t.not(spec?.unschedulable, true, 'no node stays cordoned');
  }
});
