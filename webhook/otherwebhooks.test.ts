import t from 'tap';
import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import { HARMLESS_WEBHOOKS, meddlingOf } from './otherwebhooks.ts';

const pods = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };

const configuration = (name: string, webhook: object = {}): MutatingWebhookConfiguration => ({
  metadata: { name },
  webhooks: [{ name: 'w', clientConfig: {}, rules: [pods], ...webhook }],
});

const by = (...configurations: readonly MutatingWebhookConfiguration[]) =>
  meddlingOf(configurations, { own: 'ours', harmless: HARMLESS_WEBHOOKS });

const rows: readonly (readonly [string, object, boolean])[] = [
  ['one for new pods may', {}, true],
  [
    'one for everything may',
    { rules: [{ ...pods, apiGroups: ['*'], resources: ['*'], operations: ['*'] }] },
    true,
  ],
  [
    'one for deployments may not',
    { rules: [{ ...pods, apiGroups: ['apps'], resources: ['deployments'] }] },
    false,
  ],
  ['one for changes of pods may not', { rules: [{ ...pods, operations: ['UPDATE'] }] }, false],
  ['one for bindings may not', { rules: [{ ...pods, resources: ['pods/binding'] }] }, false],
  ['one without rules may not', { rules: [] }, false],
];
for (const [says, webhook, expected] of rows) {
  t.test(`which webhooks may change where pods fit: ${says}`, async (t) => {
    t.same(by(configuration('spot-webhook', webhook)).everywhere, expected ? ['spot-webhook'] : []);
  });
}

t.test('our own and those known to be harmless do not count', async (t) => {
  const found = by(configuration('ours'), configuration('istio-sidecar-injector'));
  t.same(found, { everywhere: [], inNamespace: new Map() });
});

t.test('a webhook that is bound to namespaces by name counts there alone', async (t) => {
  const key = 'kubernetes.io/metadata.name';
  const named = configuration('a', { namespaceSelector: { matchLabels: { [key]: 'one' } } });
  const listed = configuration('b', {
    namespaceSelector: { matchExpressions: [{ key, operator: 'In', values: ['two', 'three'] }] },
  });
  const but = configuration('c', {
    namespaceSelector: { matchExpressions: [{ key, operator: 'NotIn', values: ['kube-system'] }] },
  });
  const { everywhere, inNamespace } = by(named, listed, but);
  t.same(
    [...inNamespace],
    [
      ['one', 'a'],
      ['two', 'b'],
      ['three', 'b'],
    ],
  );
  t.same(everywhere, ['c']);
});
