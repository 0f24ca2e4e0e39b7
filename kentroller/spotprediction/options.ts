import { z } from 'zod';
import { bool, duration } from '../../kube/component/options.ts';
import { hasUserinfo } from '../../kube/component/secrettext.ts';
import { OptionsError } from '../../kube/errors.ts';

/** Options of spot interruption prediction. */
export const spotPredictionOptions = () => ({
  spotInterruptionPredictionEnabled: bool.default(false).meta({
    description:
      'replace spot nodes that are predicted to be taken back, unless a features ConfigMap says otherwise',
  }),
  spotInterruptionPredictionShadow: bool.default(false).meta({
    description: 'only record and score predictions: no node is labeled and none is replaced',
  }),
  spotInterruptionPredictionModelName: z.string().max(253).default('').meta({
    description:
      'model that the ML API is asked for; empty asks none, and signals of the cluster alone count',
  }),
  spotInterruptionPredictionPollInterval: duration
    .default(60_000)
    .meta({ description: 'time between looks at the sources of predictions, a second at least' }),
  spotInterruptionPredictionSpotReplacementCooldown: duration.default(15 * 60_000).meta({
    description:
      'time until the same node may be replaced again; twice as long for a node that replaced one, doubling with each',
  }),
  spotInterruptionPredictionInterruptionThreshold: z.coerce.number().min(0).max(1).default(0.5).meta({
    description: 'probability of an interruption within half an hour from which on a node is at risk',
  }),
  spotInterruptionPredictionMaxNodesPercent: z.coerce.number().min(0).max(100).default(20).meta({
    description:
      'spot nodes, in percent, that predictions may have replaced at once, but one in any case; three times as many within an hour',
  }),
  spotInterruptionPredictionApiUrl: z
    .string()
    .default('')
    .refine((url) => url === '' || (/^https?:\/\/[^/]/.test(url) && URL.canParse(url)), {
      message: 'a URL such as https://api.example.com is expected',
    })
    .refine((url) => !hasUserinfo(url), {
      message:
        'it holds a user or a password, which would be written into logs: set SPOT_INTERRUPTION_PREDICTION_TOKEN_FILE instead',
    })
    .meta({ description: 'address of the ML API that a model name asks; empty means API_URL' }),
  spotInterruptionPredictionQueueUrl: z
    .string()
    .default('')
    .refine((url) => url === '' || (/^https?:\/\/[^/]+\/./.test(url) && URL.canParse(url)), {
      message:
        'a URL such as https://sqs.us-west-2.amazonaws.com/111122223333/my-cluster-spot-prediction is expected',
    })
    .refine((url) => !hasUserinfo(url), { message: 'it holds a user or a password, which nobody asks for' })
    .meta({ description: "SQS queue of EC2's notices, which nobody else reads; empty reads none" }),
  spotInterruptionPredictionPlacementScoreFamilies: z.coerce.number().int().min(0).max(50).default(0).meta({
    description:
      'families of instance types, 50 at most, whose EC2 spot placement scores are read; an AWS account may ask for about ten new ones a day; 0 reads none',
  }),
  spotInterruptionPredictionTokenFile: z.string().default('').meta({
    description:
      'file with the token for the ML API, read at each request; empty sends API_KEY, to API_URL alone',
  }),
});

/** Throws OptionsError where a server outside would be sent a token over plain http. */
export const checkPredictionApi = (o: {
  readonly spotInterruptionPredictionApiUrl: string;
  readonly spotInterruptionPredictionQueueUrl: string;
  readonly apiAllowPlainHttp: boolean;
}): void => {
  if (o.apiAllowPlainHttp) return;
  if (/^http:/i.test(o.spotInterruptionPredictionApiUrl)) {
    throw new OptionsError(
      '--spot-interruption-prediction-api-url (SPOT_INTERRUPTION_PREDICTION_API_URL) is plain http, which shows its token to the network: set it to https, or API_ALLOW_PLAIN_HTTP to true',
    );
  }
  if (/^http:/i.test(o.spotInterruptionPredictionQueueUrl)) {
    throw new OptionsError(
      '--spot-interruption-prediction-queue-url (SPOT_INTERRUPTION_PREDICTION_QUEUE_URL) is plain http, which shows the session token to the network: set it to https, or API_ALLOW_PLAIN_HTTP to true',
    );
  }
};
