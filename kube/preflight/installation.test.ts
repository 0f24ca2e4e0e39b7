import t from 'tap';
import type { MutatingWebhookConfiguration, Pod } from '../../api/objects.ts';
import type { Check } from './check.ts';
import type { DeploymentObject, FoundOutside, InstalledObject, InstallFacts } from './facts.ts';
import { checkInstallation, checkOtherWebhooks, POLICIES } from './installation.ts';
import { checkKinds } from './kinds.ts';
import { foundOutside } from './testing/foundoutside.ts';
import { type LackCase, testLacks } from './testing/lackcases.ts';

/** An installation that lacks just one thing, and the one sentence that says so. */

const deployment = (name: string, o: object = {}): DeploymentObject => ({
  metadata: { name, namespace: 'castai-agent', labels: { app: name } },
  spec: { replicas: 2 },
  status: { readyReplicas: 2 },
  ...o,
});
const COMPONENTS = [
  'castai-kentroller',
  'castai-pod-pinner',
  'castai-pod-pinner-webhook',
  'castai-pod-pinner-webhook-keeper',
];
const webhook = (clientConfig: object = {}): MutatingWebhookConfiguration => ({
  metadata: { name: 'castai-pod-pinner-webhook' },
  webhooks: [
    {
      name: 'pin.autoscaling.cast.ai',
      clientConfig: { caBundle: 'QQ==', service: { path: '/mutate/ab' }, ...clientConfig },
    },
  ],
});
const foreign = (name: string, namespaceSelector?: object): MutatingWebhookConfiguration => ({
  metadata: { name },
  webhooks: [
    {
      name: 'x.example.com',
      clientConfig: {},
      rules: [{ apiGroups: [''], operations: ['CREATE'], resources: ['pods'] }],
      ...(namespaceSelector && { namespaceSelector }),
    },
  ],
});
const lackingRights: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ...COMPONENTS.map((name): [string, readonly string[]] => [name, []]),
  ['castai-kentroller', ['patch nodes']],
]);

const isStock = ({ isOptional }: InstalledObject): boolean => !isOptional;
const stockBut = (kind: string, name: string): FoundOutside =>
  foundOutside((one) => isStock(one) && !(one.resource.kind === kind && one.ref.name === name));
const stockAndKept = (kind: string): FoundOutside =>
  foundOutside((one) => isStock(one) || (one.resource.kind === kind && one.ref.name.endsWith('nominations')));

const whole: InstallFacts = {
  namespace: 'castai-agent',
  deployments: { value: COMPONENTS.map((name) => deployment(name)) },
  pods: { value: [] },
  missing: { value: new Map(COMPONENTS.map((name) => [name, []])) },
  policies: { value: POLICIES },
  enforced: { value: POLICIES },
  outside: { value: foundOutside(isStock) },
  configurations: { value: [webhook()] },
  answer: { value: { kind: 'answers' } },
};

const checksOf = (facts: InstallFacts): readonly Check[] => [
  ...checkInstallation(facts),
  ...checkOtherWebhooks(facts.configurations),
];

const without = (name: string): readonly DeploymentObject[] =>
  COMPONENTS.filter((each) => each !== name).map((each) => deployment(each));
const withOne = (name: string, o: object): readonly DeploymentObject[] => [
  ...without(name),
  deployment(name, o),
];
const waitingPod = {
  metadata: { name: 'p', labels: { app: 'castai-kentroller' } },
  spec: { containers: [] },
  status: {
    containerStatuses: [
      { state: { waiting: { reason: 'ImagePullBackOff', message: 'precision-packer:dev not found' } } },
    ],
  },
} as unknown as Pod;
const stuckPod = {
  metadata: { name: 'p', labels: { app: 'castai-pod-pinner' } },
  spec: { containers: [] },
  status: { conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }] },
} as unknown as Pod;
const inNamespace = {
  matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['batch'] }],
};

const CASES: Readonly<Record<string, LackCase<InstallFacts>>> = {
  'a component is missing': [
    { deployments: { value: without('castai-pod-pinner') } },
    'components',
    'lacks',
    /castai-pod-pinner is missing/,
  ],
  'a component’s image can’t be pulled': [
    {
      deployments: { value: withOne('castai-kentroller', { status: {} }) },
      pods: { value: [waitingPod] },
    },
    'components',
    'lacks',
    /no plan is made.*ImagePullBackOff, precision-packer:dev not found/,
  ],
  'a component’s pod finds no node': [
    {
      deployments: { value: withOne('castai-pod-pinner', { status: {} }) },
      pods: { value: [stuckPod] },
    },
    'components',
    'lacks',
    /0\/3 nodes are available/,
  ],
  'a component is scaled to 0': [
    { deployments: { value: withOne('castai-pod-pinner-webhook', { spec: { replicas: 0 }, status: {} }) } },
    'components',
    'note',
    /scaled to 0/,
  ],
  'our Deployments may not be listed': [
    { deployments: { unseen: 'forbidden' } },
    'components',
    'unknown',
    /could not be seen/,
  ],
  'an account lacks rights': [
    { missing: { value: lackingRights } },
    'rights',
    'lacks',
    /castai-kentroller may not patch nodes: its roles .* apply the folder again/,
  ],
  'nobody may ask for rights': [{ missing: { unseen: 'forbidden' } }, 'rights', 'unknown', /rights/],
  'a policy is missing': [
    { policies: { value: POLICIES.slice(1) } },
    'policies',
    'note',
    /castai-own-guards is not there/,
  ],
  'a policy has no binding that denies': [
    { enforced: { value: POLICIES.slice(1) } },
    'policy-bindings',
    'lacks',
    /castai-own-guards has no binding that denies.*apply/,
  ],
  'an optional policy has no binding that denies': [
    { policies: { value: [...POLICIES, 'castai-own-scheduler'] } },
    'policy-bindings',
    'lacks',
    /castai-own-scheduler has no binding that denies/,
  ],
  'our share of the API server is not there': [
    { outside: { value: stockBut('FlowSchema', 'castai-agent-leases') } },
    'objects',
    'note',
    /^FlowSchema castai-agent-leases is not there: .*apply the folder/,
  ],
  'a policy that nominates has no binding': [
    { outside: { value: stockAndKept('MutatingAdmissionPolicy') } },
    'objects',
    'lacks',
    /^MutatingAdmissionPolicy castai-kept-nominations does nothing/,
  ],
  'a binding has no policy that nominates': [
    { outside: { value: stockAndKept('MutatingAdmissionPolicyBinding') } },
    'objects',
    'lacks',
    /^MutatingAdmissionPolicyBinding castai-kept-nominations does nothing/,
  ],
  'a kind may not be read': [
    {
      outside: {
        value: {
          ...foundOutside(isStock),
          unread: [{ kind: 'FlowSchema', message: 'flowschemas is forbidden' }],
        },
      },
    },
    'objects',
    'unknown',
    /forbidden/,
  ],
  'bindings may not be listed': [
    { enforced: { unseen: 'forbidden' } },
    'policy-bindings',
    'unknown',
    /could not be seen/,
  ],
  'the webhook is not registered': [{ configurations: { value: [] } }, 'webhook', 'lacks', /is missing/],
  'the keeper has written no caBundle': [
    { configurations: { value: [webhook({ caBundle: '' })] } },
    'webhook',
    'lacks',
    /no caBundle.*keeper/,
  ],
  'the keeper has written no path': [
    { configurations: { value: [webhook({ service: {} })] } },
    'webhook',
    'lacks',
    /no path/,
  ],
  'a security group keeps the API server away': [
    { answer: { value: { kind: 'silent', reason: 'dial tcp 10.0.0.1:8443: i/o timeout' } } },
    'webhook-reach',
    'lacks',
    /i\/o timeout.*port 8443/,
  ],
  'the proxy may not be used': [{ answer: { unseen: 'forbidden' } }, 'webhook-reach', 'unknown', /forbidden/],
  'another webhook changes pods': [
    { configurations: { value: [webhook(), foreign('spot-webhook')] } },
    'other-webhooks',
    'note',
    /spot-webhook may change where pods fit: /,
  ],
  'another webhook changes pods of one namespace': [
    { configurations: { value: [webhook(), foreign('spot-webhook', inNamespace)] } },
    'other-webhooks',
    'note',
    /may change where pods fit in batch/,
  ],
};

testLacks({ what: 'an installation', whole, count: 8, checksOf, cases: CASES });

t.test('bindings are told of the policies that are there, and of none', async (t) => {
  const bindings = (change: Partial<InstallFacts>) =>
    checksOf({ ...whole, ...change }).filter(({ name }) => name === 'policy-bindings');
  t.match(bindings({ policies: { unseen: 'forbidden' } }), [{ state: 'unknown', message: /forbidden\.$/ }]);
  t.same(bindings({ policies: { value: [] }, enforced: { value: [] } }), [], 'there is none');
});

t.test('each missing object is sent to the chart that holds it', (t) => {
  const annotations = { 'meta.helm.sh/release-name': 'rebalancing' };
  const ofHelm = COMPONENTS.map((name) => deployment(name, { metadata: { name, annotations } }));
  const gone = ['castai-kentroller', 'castai-agent-leases'];
  const told = checksOf({
    ...whole,
    deployments: { value: ofHelm },
    policies: { value: [...POLICIES, 'castai-own-scheduler'] },
    enforced: { value: POLICIES.slice(1) },
    outside: { value: foundOutside((one) => isStock(one) && !gone.includes(one.ref.name)) },
  });
  const said = (name: string): readonly string[] =>
    told.filter((each) => each.name === name).map(({ message }) => message);
  t.match(said('objects'), [
    /^FlowSchema castai-agent-leases is not there.*upgrade the release of the chart precision-packer-crds by Helm\.$/,
    /^ClusterRole castai-kentroller, ClusterRoleBinding castai-kentroller are not there.*upgrade the release rebalancing by Helm/,
  ]);
  t.equal(said('objects').length, 2);
  t.match(said('policy-bindings'), [
    /^castai-own-guards has no binding.*of the chart precision-packer-crds by Helm\.$/,
    /^castai-own-scheduler has no binding.*upgrade the release rebalancing by Helm/,
  ]);
  t.equal(said('policy-bindings').length, 2);
  t.end();
});

t.test('options that are there are named', async (t) => {
  const outside = { value: foundOutside(() => true) };
  t.match(
    checksOf({ ...whole, outside }).find(({ name }) => name === 'objects'),
    { state: 'fine', message: /besides .*castai-kentroller-policies.*others/ },
  );
});

t.test('what is missing comes again by the way of the installation, never from manifests/', async (t) => {
  const lacking: Partial<InstallFacts> = {
    missing: { value: lackingRights },
    enforced: { value: [] },
    configurations: { value: [] },
    outside: { value: stockAndKept('MutatingAdmissionPolicy') },
  };
  const said = (deployments: readonly DeploymentObject[]): readonly string[] =>
    checksOf({ ...whole, ...lacking, deployments: { value: deployments } })
      .filter(({ state }) => state === 'lacks')
      .map(({ message }) => message);
  const byFolder = said(without('castai-pod-pinner'));
  t.equal(byFolder.length, 5);
  for (const message of byFolder) t.match(message, /: .*apply the folder again/);
  const annotations = { 'meta.helm.sh/release-name': 'rebalancing' };
  const ofHelm = without('castai-pod-pinner').map((each) => ({
    ...each,
    metadata: { ...each.metadata, annotations },
  }));
  const byHelm = said(ofHelm);
  t.equal(byHelm.filter((message) => /upgrade the release rebalancing by Helm/.test(message)).length, 3);
  t.equal(byHelm.filter((message) => /of the chart precision-packer-crds/.test(message)).length, 2);
  for (const message of [
    ...byFolder,
    ...byHelm,
    ...checkKinds({ value: new Map() }).map((one) => one.message),
  ])
    t.notMatch(message, 'manifests/', 'it names an image that no registry has');
});
