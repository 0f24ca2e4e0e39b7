import t from 'tap';
import { PLANNED_CLAIM } from '../api/labels.ts';
import type { NodeClaim } from '../api/objects.ts';
import { NODE_CLAIMS, PODS } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { claimEnded, claimRebalance, planOf, planReaches } from './support/claim.ts';
import { outcomeOf } from './support/outcome.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { podsRunning } from './support/workload.ts';

/** Kills all pods of one of our Deployments at once, as kill -9 does: without a grace period. */
const killAll = async (client: KubeClient, app: string): Promise<number> => {
  const { items } = await client.list(PODS, { namespace: 'castai-agent', labelSelector: `app=${app}` });
  await Promise.all(
    items.map((pod) =>
      client.delete(PODS, { name: pod.metadata.name, namespace: 'castai-agent' }, { gracePeriodSeconds: 0 }),
    ),
  );
  return items.length;
};

t.test('kentroller killed in Creation, then the pinner in Deletion: the plan still ends in Done', (t) =>
  onStage(t, { name: 'crash', machines: 4 }, async ({ client, name, machines }) => {
    const seen = await witness(client, name);
    t.teardown(() => seen.stop());
    await claimRebalance(client, { name, pool: name });
    const { metadata } = await planOf(client, name);
    await planReaches(
      client,
      metadata.name,
      'an attempt recorded',
      (p) => Object.keys(p.status?.nodesCreation ?? {}).length > 0,
      60_000,
    );
    t.equal(await killAll(client, 'castai-kentroller'), 2, 'both kentroller pods were killed');
    await planReaches(
      client,
      metadata.name,
      'Deletion begun',
      (p) => Object.keys(p.status?.nodesDeletion ?? {}).length > 0,
      180_000,
    );
    t.ok((await killAll(client, 'castai-pod-pinner')) >= 1, 'the pinner pods were killed');
    const claim = await claimEnded(client, name, 240_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'the claim completed');
    const plan = await planOf(client, name);
    t.match(plan.status?.state, /^Done/);
    const pods = await podsRunning(client, name, 12, 60_000);
    t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
    const claims = await client.list(NODE_CLAIMS);
    // Karpenter may have bought a machine for pods that waited while nobody pinned them.
    const isOurs = ({ metadata }: NodeClaim): boolean =>
      machines.includes(metadata.name) || metadata.annotations?.[PLANNED_CLAIM] !== undefined;
    const inPool = claims.items.filter((c) => c.metadata.labels?.['karpenter.sh/nodepool'] === name);
    const ours = inPool.filter(isOurs);
    if (ours.length < inPool.length)
      t.comment(`${inPool.length - ours.length} bought by Karpenter meanwhile`);
    t.equal(
      ours.length,
      4 + (plan.spec.nodeClaimsToAdd ?? []).length - (plan.spec.nodeClaimsToDelete ?? []).length,
      'no NodeClaim is orphaned, none is there twice',
    );
    const outcome = outcomeOf(plan, pods, claims.items);
    t.comment(`placed ${outcome.placed} of ${outcome.planned} with both killed in mid-plan`);
  }),
);
