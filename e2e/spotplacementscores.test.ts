import t from 'tap';
import { PREDICTED_INTERRUPTION } from '../api/labels.ts';
import { CONFIG_MAPS, NODE_CLAIMS, NODES } from '../api/resources.ts';
import { until } from '../kube/testing/until.ts';
import { PREDICTION_STATUS, sourceSaid } from './kentroller/predictionsource.ts';
import { controlOf } from './support/components.ts';
import { FEATURES, withFeatures } from './support/settings.ts';
import { onStage } from './support/stage.ts';

/** EC2's spot placement scores in a kentroller as it is installed, by AWS's own SDK: seed 003, spot interruption prediction. */

const SOON = { timeoutMs: 180_000, everyMs: 500 };
const ON = {
  'spotInterruptionPrediction.enabled': 'true',
  'spotInterruptionPrediction.pollIntervalSeconds': '2',
};
const SCORED = { ...ON, 'spotInterruptionPrediction.placementScoreFamilies': '2' };

t.test('scores are read, a missing right is told, and the lowest of all moves nothing', (t) =>
  onStage(t, { name: 'placementscores', machines: 2, capacityType: 'spot' }, async (stage) => {
    const { client, ground, machines } = stage;
    const control = controlOf(ground);
    t.teardown(async () => {
      await control.clearFaults();
      await control.setPlacementScores({});
    });
    const conditionIs = (pattern: RegExp) => sourceSaid(client, 'placement-scores', pattern, SOON);
    const given = ['usw2-az1', 'usw2-az2', 'usw2-az3'].map((zoneId) => ({ zoneId, score: 1 }));
    const { answered: before } = await control.setPlacementScores({ given });
    await control.setFaults({ refuse: [{ action: 'GetSpotPlacementScores', reason: 'denied' }] });

    await withFeatures(client, ON, async () => {
      await conditionIs(/NotConfigured/);
      await client.patch(CONFIG_MAPS, FEATURES, { data: SCORED });
      await conditionIs(/ec2:GetSpotPlacementScores is missing/);
      await control.clearFaults();
      // Whoever adds the right turns it off and on, or waits for ten minutes.
      await client.patch(CONFIG_MAPS, FEATURES, {
        data: { 'spotInterruptionPrediction.enabled': 'false' },
      });
      await until(
        'nothing is said any more',
        async () =>
          (await client.get(CONFIG_MAPS, PREDICTION_STATUS)).data?.outcome ===
          'spot interruption prediction is not enabled',
        SOON,
      );
      await client.patch(CONFIG_MAPS, FEATURES, { data: SCORED });
      await conditionIs(/EC2 scores the spot capacity of .* by zone/);

      const { answered, used } = await control.setPlacementScores({ given });
      t.ok(answered > before, 'by the installed kentroller');
      t.ok(used >= 1 && used <= 2, `${used} configurations, of the two that there may be`);
      for (const name of machines) {
        const { nodeName = '' } = (await client.get(NODE_CLAIMS, { name })).status ?? {};
        const { labels = {} } = (await client.get(NODES, { name: nodeName })).metadata;
        t.equal(labels[PREDICTED_INTERRUPTION], undefined, 'no node is at risk');
      }
      t.match(
        (await client.get(CONFIG_MAPS, PREDICTION_STATUS)).data?.outcome,
        /^0 of \d+ spot nodes are at risk/,
      );
    });
  }),
);
