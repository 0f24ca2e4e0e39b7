import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import { decideMatchConditions } from './matchcondition.ts';

/** Checks of the manifests that the webhook is installed by. */

interface Rule {
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: object;
  readonly rules?: readonly Rule[];
  readonly webhooks?: readonly object[];
}

const read = (file: string, folder = 'webhook'): readonly Manifest[] =>
  parseAllDocuments(
    readFileSync(new URL(`../manifests/base/${folder}/${file}`, import.meta.url), 'utf8'),
  ).map((document) => document.toJS() as Manifest);

t.test(
  'the API server does without us after 3 s, and calls again when other webhooks changed the pod',
  async (t) => {
    const [configuration] = read('configuration.yaml');
    const careful = {
      failurePolicy: 'Ignore',
      reinvocationPolicy: 'IfNeeded',
      sideEffects: 'NoneOnDryRun',
      timeoutSeconds: 3,
      admissionReviewVersions: ['v1', 'v1beta1'],
      namespaceSelector: {
        matchExpressions: [{ operator: 'NotIn', values: ['kube-system', 'kube-node-lease'] }],
      },
    };
    t.match(configuration?.webhooks, [
      { name: 'spot.autoscaling.cast.ai', ...careful },
      { name: 'pin.autoscaling.cast.ai', ...careful },
    ]);
    t.notMatch(
      JSON.stringify(configuration),
      /caBundle|"path"/,
      'the webhook maintains caBundle and path itself',
    );
  },
);

t.test(
  'as installed, the API server does not call us: no pod waits for a webhook that has not started',
  async (t) => {
    const [configuration] = read('configuration.yaml') as readonly (Manifest &
      MutatingWebhookConfiguration)[];
    t.ok(configuration);
    if (!configuration) return;
    t.same(
      decideMatchConditions(configuration, { pins: false, sides: false }),
      [],
      'our condition is set already',
    );
    const [, enabling] = decideMatchConditions(configuration, { pins: true, sides: false });
    t.match(enabling, { path: '/webhooks/1/matchConditions' });
    t.notMatch(JSON.stringify(enabling), /a-plan-runs/);
    const [, asking] = decideMatchConditions(configuration, { pins: false, sides: true });
    t.match(asking, { path: '/webhooks/0/matchConditions' });
    t.notMatch(JSON.stringify(asking), /spot-rules-are-in-force/);
  },
);

t.test('the Secrets are installed empty, and RBAC allows no others', async (t) => {
  const all = read('rbac.yaml');
  const secrets = all.filter(({ kind }) => kind === 'Secret');
  const names = secrets.map(({ metadata }) => metadata.name);
  t.same(names, ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert']);
  t.ok(secrets.every(({ data }) => data === undefined));
  const rulesOf = (manifests: readonly Manifest[]): readonly Rule[] =>
    manifests.flatMap((each) => each.rules ?? []).filter(({ resources }) => resources.includes('secrets'));
  t.same(
    rulesOf(all).map(({ resourceNames, verbs }) => [resourceNames, verbs]),
    [[['castai-pod-pinner-webhook-cert'], ['list', 'watch']]],
    'what serves reads its certificate, and no more',
  );
  for (const { verbs, resourceNames } of rulesOf(read('rbac.yaml', 'webhook-keeper')))
    if (verbs.some((verb) => verb !== 'create')) t.same(resourceNames, names);
});

t.test('what keeps the webhook configuration listens on no port', async (t) => {
  const [deployment] = read('deployment.yaml', 'webhook-keeper');
  t.equal(deployment?.kind, 'Deployment');
  t.notMatch(JSON.stringify(deployment), /containerPort|Probe|hostNetwork/);
  const kinds = read('deployment.yaml', 'webhook-keeper').map(({ kind }) => kind);
  t.notOk(kinds.includes('Service'));
});
