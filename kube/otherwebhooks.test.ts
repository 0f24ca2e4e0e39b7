import t from 'tap';
import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import { findCoexistingWebhooks, HARMLESS_WEBHOOKS } from './otherwebhooks.ts';

const pods = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };

const configuration = (name: string, webhook: object = {}): MutatingWebhookConfiguration => ({
  metadata: { name },
  webhooks: [{ name: 'w', clientConfig: {}, rules: [pods], ...webhook }],
});

const find = (...configurations: readonly MutatingWebhookConfiguration[]) =>
  findCoexistingWebhooks(configurations, { own: 'ours', harmless: HARMLESS_WEBHOOKS });

const rows: readonly (readonly [string, object, boolean])[] = [
  ['a webhook for new pods may', {}, true],
  [
    'a webhook for everything may',
    { rules: [{ ...pods, apiGroups: ['*'], resources: ['*'], operations: ['*'] }] },
    true,
  ],
  [
    'a webhook for Deployments can not',
    { rules: [{ ...pods, apiGroups: ['apps'], resources: ['deployments'] }] },
    false,
  ],
  ['a webhook for updates of pods can not', { rules: [{ ...pods, operations: ['UPDATE'] }] }, false],
  ['a webhook for bindings can not', { rules: [{ ...pods, resources: ['pods/binding'] }] }, false],
  ['a webhook without rules can not', { rules: [] }, false],
];
for (const [what, webhook, expected] of rows) {
  t.test(`${what} change where pods fit`, async (t) => {
    t.same(find(configuration('spot-webhook', webhook)).everywhere, expected ? ['spot-webhook'] : []);
  });
}

t.test('our own and harmless webhooks are left out', async (t) => {
  const found = find(configuration('ours'), configuration('istio-sidecar-injector'));
  t.same(found, { everywhere: [], byNamespace: new Map() });
});

t.test('a webhook whose selector lists namespaces by name counts there alone', async (t) => {
  const key = 'kubernetes.io/metadata.name';
  const named = configuration('a', { namespaceSelector: { matchLabels: { [key]: 'one' } } });
  const listed = configuration('b', {
    namespaceSelector: { matchExpressions: [{ key, operator: 'In', values: ['two', 'three'] }] },
  });
  const excluding = configuration('c', {
    namespaceSelector: { matchExpressions: [{ key, operator: 'NotIn', values: ['kube-system'] }] },
  });
  const { everywhere, byNamespace } = find(named, listed, excluding);
  t.same(
    [...byNamespace],
    [
      ['one', 'a'],
      ['two', 'b'],
      ['three', 'b'],
    ],
  );
  t.same(everywhere, ['c']);
});
