import t from 'tap';
import { parseFeatures } from '../../api/features.ts';
import { parse } from '../../kube/component/options.ts';
import { OptionsError } from '../../kube/errors.ts';
import { options as schema } from '../options.ts';
import { checkPredictionApi } from './options.ts';
import { predictionSettings } from './settings.ts';

const read = (env: Readonly<Record<string, string>> = {}) =>
  parse(schema, { argv: [], env, name: 'castai-kentroller' });

t.test('the variables have the defaults that are documented for them', async (t) => {
  t.same(predictionSettings(read(), {}), {
    enabled: false,
    shadow: false,
    modelName: '',
    pollIntervalMs: 60_000,
    cooldownMs: 15 * 60_000,
    threshold: 0.5,
    maxNodesPercent: 20,
    placementScoreFamilies: 0,
  });
});

t.test('each variable counts', async (t) => {
  const options = read({
    SPOT_INTERRUPTION_PREDICTION_ENABLED: 'true',
    SPOT_INTERRUPTION_PREDICTION_SHADOW: 'true',
    SPOT_INTERRUPTION_PREDICTION_MODEL_NAME: 'spot-v2',
    SPOT_INTERRUPTION_PREDICTION_POLL_INTERVAL: '30s',
    SPOT_INTERRUPTION_PREDICTION_SPOT_REPLACEMENT_COOLDOWN: '1h',
    SPOT_INTERRUPTION_PREDICTION_INTERRUPTION_THRESHOLD: '0.8',
    SPOT_INTERRUPTION_PREDICTION_MAX_NODES_PERCENT: '5',
    SPOT_INTERRUPTION_PREDICTION_PLACEMENT_SCORE_FAMILIES: '7',
  });
  t.same(predictionSettings(options, {}), {
    enabled: true,
    shadow: true,
    modelName: 'spot-v2',
    pollIntervalMs: 30_000,
    cooldownMs: 3_600_000,
    threshold: 0.8,
    maxNodesPercent: 5,
    placementScoreFamilies: 7,
  });
  const hasty = read({ SPOT_INTERRUPTION_PREDICTION_POLL_INTERVAL: '0s' });
  t.equal(predictionSettings(hasty, {}).pollIntervalMs, 1_000, 'nobody is asked more than once a second');
});

t.test('the features ConfigMap wins, setting by setting', async (t) => {
  const parsed = parseFeatures({
    'config.yaml':
      'spotInterruptionPrediction: {enabled: true, shadow: false, modelName: m, pollIntervalSeconds: 5, spotReplacementCooldownSeconds: 60, interruptionThreshold: 0.9, maxNodesPercent: 50, placementScoreFamilies: "3"}',
  });
  if (!parsed.ok) throw new Error(parsed.problem);
  t.same(parsed.unknown, []);
  t.same(predictionSettings(read({ SPOT_INTERRUPTION_PREDICTION_SHADOW: 'true' }), parsed.features), {
    enabled: true,
    shadow: false,
    modelName: 'm',
    pollIntervalMs: 5_000,
    cooldownMs: 60_000,
    threshold: 0.9,
    maxNodesPercent: 50,
    placementScoreFamilies: 3,
  });
});

/** Wrong values, and what is said of them. */
const WRONG: readonly (readonly [string, string])[] = [
  ['SPOT_INTERRUPTION_PREDICTION_INTERRUPTION_THRESHOLD', '1.5'],
  ['SPOT_INTERRUPTION_PREDICTION_MAX_NODES_PERCENT', '101'],
  ['SPOT_INTERRUPTION_PREDICTION_PLACEMENT_SCORE_FAMILIES', '51'],
  ['SPOT_INTERRUPTION_PREDICTION_PLACEMENT_SCORE_FAMILIES', '1.5'],
  ['SPOT_INTERRUPTION_PREDICTION_POLL_INTERVAL', 'often'],
  ['SPOT_INTERRUPTION_PREDICTION_API_URL', 'ml.example.com'],
  ['SPOT_INTERRUPTION_PREDICTION_QUEUE_URL', 'my-queue'],
  ['SPOT_INTERRUPTION_PREDICTION_QUEUE_URL', 'https://sqs.us-west-2.amazonaws.com/'],
  ['SPOT_INTERRUPTION_PREDICTION_API_URL', 'https://user:password@ml.example.com'],
];
t.test('wrong values are refused by name', async (t) => {
  for (const [name, value] of WRONG) {
    t.throws(
      () => read({ [name]: value }),
      { constructor: OptionsError, message: new RegExp(name) },
      `${name}=${value}`,
    );
  }
});

t.test('a token is not sent over plain http, unless told so', async (t) => {
  const plain = { SPOT_INTERRUPTION_PREDICTION_API_URL: 'http://ml.example.com' };
  t.throws(() => checkPredictionApi(read(plain)), OptionsError);
  const queue = { SPOT_INTERRUPTION_PREDICTION_QUEUE_URL: 'http://10.0.0.1/1/queue' };
  t.throws(() => checkPredictionApi(read(queue)), OptionsError);
  checkPredictionApi(read({ ...plain, API_ALLOW_PLAIN_HTTP: 'true' }));
  checkPredictionApi(read({ SPOT_INTERRUPTION_PREDICTION_API_URL: 'https://ml.example.com' }));
});
