import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import { decideDoor } from './matchcondition.ts';

/** What is installed: how the API server is told to call us, and what we may do. */

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

const read = (file: string): readonly Manifest[] =>
  parseAllDocuments(readFileSync(new URL(`../manifests/base/webhook/${file}`, import.meta.url), 'utf8')).map(
    (document) => document.toJS() as Manifest,
  );

t.test('the API server goes on without us, soon, and asks again when others changed the pod', async (t) => {
  const [configuration] = read('configuration.yaml');
  t.match(configuration?.webhooks, [
    {
      failurePolicy: 'Ignore',
      reinvocationPolicy: 'IfNeeded',
      sideEffects: 'NoneOnDryRun',
      timeoutSeconds: 3,
      admissionReviewVersions: ['v1', 'v1beta1'],
      namespaceSelector: {
        matchExpressions: [{ operator: 'NotIn', values: ['kube-system', 'kube-node-lease'] }],
      },
    },
  ]);
  t.notMatch(JSON.stringify(configuration), /caBundle/, 'we keep the caBundle ourselves');
});

t.test(
  'as installed the API server does not call us: no pod waits for a webhook that is not there yet',
  async (t) => {
    const [configuration] = read('configuration.yaml') as readonly (Manifest &
      MutatingWebhookConfiguration)[];
    t.ok(configuration);
    if (!configuration) return;
    t.same(decideDoor(configuration, false), [], 'at rest already');
    const [, opening] = decideDoor(configuration, true);
    t.match(opening, { path: '/webhooks/0/matchConditions' });
    t.notMatch(JSON.stringify(opening), /a-plan-runs/);
  },
);

t.test('the Secrets come empty, and no other one may be read or written', async (t) => {
  const all = read('rbac.yaml');
  const secrets = all.filter(({ kind }) => kind === 'Secret');
  const names = secrets.map(({ metadata }) => metadata.name);
  t.same(names, ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert']);
  t.ok(secrets.every(({ data }) => data === undefined));
  const rules = all
    .flatMap((each) => each.rules ?? [])
    .filter(({ resources }) => resources.includes('secrets'));
  for (const { verbs, resourceNames } of rules)
    if (verbs.some((verb) => verb !== 'create')) t.same(resourceNames, names);
});
