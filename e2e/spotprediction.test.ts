import t from 'tap';
import type { RebalancePlanClaim } from '../api/kinds/rebalanceplanclaim.ts';
import { PREDICTED_INTERRUPTION } from '../api/labels.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLAN_CLAIMS } from '../api/resources.ts';
import { getOrUndefined } from '../kube/ignore.ts';
import { until } from '../kube/testing/until.ts';
import { claimEnded, planOf } from './support/claim.ts';
import { controlOf } from './support/components.ts';
import { outcomeOf } from './support/outcome.ts';
import { withFeatures } from './support/settings.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { podsRunning } from './support/workload.ts';

const MADE_BY = 'autoscaling.cast.ai/made-by=spot-prediction';
const SOON = { timeoutMs: 120_000, everyMs: 300 };

t.test(
  'a rebalance recommendation ends with the node replaced, and its pods where the plan pinned them',
  (t) =>
    onStage(
      t,
      { name: 'spotprediction', machines: 2, capacityType: 'spot', deployments: 2, replicas: 3 },
      async ({ client, ground, name, machines }) => {
        const seen = await witness(client, name);
        t.teardown(() => seen.stop());
        const features = {
          'spotInterruptionPrediction.enabled': 'true',
          'spotInterruptionPrediction.pollIntervalSeconds': '2',
        };
        await withFeatures(client, features, async () => {
          const [first = ''] = machines;
          const { nodeName = '', providerID = '' } =
            (await client.get(NODE_CLAIMS, { name: first })).status ?? {};
          await controlOf(ground).recommend(providerID.split('/').at(-1) ?? '');
          const claim = await until<RebalancePlanClaim>(
            'a claim for the node',
            async () => {
              const { items } = await client.list(REBALANCE_PLAN_CLAIMS, { labelSelector: MADE_BY });
              return items.find(({ spec }) => spec.scope?.nodeNames?.includes(nodeName));
            },
            SOON,
          );
          t.same(claim.spec.scope, { nodeNames: [nodeName] }, 'the other node is left alone');
          const node = await getOrUndefined(client.get(NODES, { name: nodeName }));
          if (node) t.equal(node.metadata.labels?.[PREDICTED_INTERRUPTION], 'true');
          const selector = ['--field-selector', 'reason=SpotInterruptionPredicted'];
          await until(
            "the seed's command shows the node",
            async () => {
              const printed = await ground.kubectl(['get', 'events', ...selector]);
              if (!printed.includes(`node/${nodeName}`)) throw new Error(printed);
              return true;
            },
            SOON,
          );
          const ended = await claimEnded(client, claim.metadata.name, 240_000);
          t.equal(
            ended.status?.state,
            'Completed',
            ended.status?.errorMessage ?? ended.status?.skippedMessage ?? '',
          );
          const plan = await planOf(client, claim.metadata.name);
          t.same(
            plan.spec.nodeClaimsToDelete?.map(({ nodeClaimName }) => nodeClaimName),
            [first],
          );
          const pods = await podsRunning(client, name, 6, 60_000);
          const { items } = await client.list(NODE_CLAIMS);
          t.strictSame(outcomeOf(plan, pods, items).missing, [], 'pods run where the plan put them');
          t.notOk(
            pods.some(({ spec }) => spec.nodeName === nodeName),
            'none on the node at risk',
          );
          t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
        });
      },
    ),
);
