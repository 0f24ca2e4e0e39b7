import t from 'tap';
import { OUR_KINDS } from '../../api/kinds/published.ts';
import type { MutatingWebhookConfiguration, Pod } from '../../api/objects.ts';
import { EC2_NODE_CLASSES, NODE_CLAIMS, NODE_POOLS } from '../../api/resources.ts';
import type { Check, CheckState } from './check.ts';
import type { ClusterFacts, DeploymentObject, InstallFacts } from './facts.ts';
import {
  checkInstallation,
  checkInstaller,
  checkOtherWebhooks,
  isOurComponent,
  POLICIES,
} from './installation.ts';
import { checkKarpenter, servedName } from './karpenter.ts';
import { checkKinds } from './kinds.ts';
import { checkKubernetes } from './kubernetes.ts';

/** A cluster that lacks just one thing, and the one sentence that says so. */

type Facts = ClusterFacts & InstallFacts;

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
const karpenterDeployment = (o: object = {}): DeploymentObject => ({
  metadata: {
    name: 'karpenter',
    namespace: 'kube-system',
    labels: { 'app.kubernetes.io/version': '1.14.1' },
  },
  status: { readyReplicas: 1 },
  ...o,
});
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
const schemas = new Map(OUR_KINDS.map(({ kind, schema }) => [kind, schema] as const));

const whole: Facts = {
  version: { value: { major: '1', minor: '36', gitVersion: 'v1.36.3' } },
  served: { value: new Set([NODE_POOLS, NODE_CLAIMS, EC2_NODE_CLASSES].map(servedName)) },
  karpenter: { value: [karpenterDeployment()] },
  pools: { value: [{ name: 'default' }] },
  schemas: { value: schemas },
  namespace: 'castai-agent',
  deployments: { value: COMPONENTS.map((name) => deployment(name)) },
  pods: { value: [] },
  missing: { value: new Map(COMPONENTS.map((name) => [name, []])) },
  policies: { value: POLICIES },
  configurations: { value: [webhook()] },
  answer: { value: { kind: 'answers' } },
};

const checksOf = (facts: Facts): readonly Check[] => [
  ...checkKubernetes(facts.version),
  ...checkKarpenter(facts),
  ...checkKinds(facts.schemas),
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
const oldSchemas = new Map(schemas).set('RebalancePlan', { properties: { spec: {}, status: {} } });
const fewerKinds = new Map(schemas);
fewerKinds.delete('EvictorConfig');
const inNamespace = {
  matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['batch'] }],
};

const CASES: Readonly<Record<string, readonly [Partial<Facts>, string, CheckState, RegExp]>> = {
  'Kubernetes is too old': [
    { version: { value: { major: '1', minor: '28', gitVersion: 'v1.28.9' } } },
    'kubernetes',
    'lacks',
    /v1\.28\.9 is too old.*1\.29 or newer/,
  ],
  'a managed Kubernetes has no admission policies': [
    { version: { value: { major: '1', minor: '29+', gitVersion: 'v1.29.4-eks' } } },
    'kubernetes',
    'note',
    /overlays\/before-1\.30/,
  ],
  'the version says nothing': [
    { version: { value: { major: '1', minor: '', gitVersion: 'unknown' } } },
    'kubernetes',
    'lacks',
    /too old/,
  ],
  'the API server does not say its version': [
    { version: { unseen: 'HTTP 500' } },
    'kubernetes',
    'unknown',
    /could not be seen: HTTP 500/,
  ],
  'Karpenter’s kinds are not served': [
    { served: { value: new Set([servedName(EC2_NODE_CLASSES)]) } },
    'karpenter-crds',
    'lacks',
    /nodepools, nodeclaims of karpenter\.sh\/v1: install Karpenter 1\.0/,
  ],
  'no cloud’s NodeClass is served': [
    { served: { value: new Set([NODE_POOLS, NODE_CLAIMS].map(servedName)) } },
    'karpenter-crds',
    'lacks',
    /no NodeClass/,
  ],
  'Karpenter is nowhere to be seen': [{ karpenter: { value: [] } }, 'karpenter', 'unknown', /not known/],
  'Karpenter is too old': [
    {
      karpenter: {
        value: [
          karpenterDeployment({
            metadata: { name: 'k', namespace: 'n', labels: { 'app.kubernetes.io/version': '0.37.1' } },
          }),
        ],
      },
    },
    'karpenter',
    'lacks',
    /0\.37\.1 in n\/k is too old/,
  ],
  'no replica of Karpenter is ready': [
    { karpenter: { value: [karpenterDeployment({ status: {} })] } },
    'karpenter',
    'lacks',
    /does not run/,
  ],
  'there is no NodePool': [{ pools: { value: [] } }, 'nodepools', 'lacks', /There is no NodePool/],
  'the only NodePool launches nothing': [
    { pools: { value: [{ name: 'default', blocker: 'is being deleted' }] } },
    'nodepools',
    'lacks',
    /NodePool default is being deleted/,
  ],
  'a kind of ours is missing': [
    { schemas: { value: fewerKinds } },
    'crds',
    'lacks',
    /without EvictorConfig: apply our CRDs/,
  ],
  'our CRDs are of an earlier release': [
    { schemas: { value: oldSchemas } },
    'crds',
    'lacks',
    /older than this release.*RebalancePlan.* and \d+ others: apply ours again/,
  ],
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
    /castai-kentroller may not patch nodes: apply our roles/,
  ],
  'nobody may ask for rights': [{ missing: { unseen: 'forbidden' } }, 'rights', 'unknown', /rights/],
  'a policy is missing': [
    { policies: { value: POLICIES.slice(1) } },
    'policies',
    'note',
    /castai-own-guards is not there/,
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

t.test('a cluster that lacks nothing is said to lack nothing', async (t) => {
  const checks = checksOf(whole);
  t.same(
    checks.filter(({ state }) => state !== 'fine'),
    [],
  );
  t.equal(new Set(checks.map(({ name }) => name)).size, 11, 'everything was looked at');
});

t.test('a cluster that lacks one thing is said to lack just that', async (t) => {
  for (const [what, [change, name, state, message]] of Object.entries(CASES)) {
    const found = checksOf({ ...whole, ...change }).filter((check) => check.state !== 'fine');
    t.same(
      found.map((check) => [check.name, check.state]),
      [[name, state]],
      what,
    );
    t.match(found[0]?.message, message, what);
    t.match(found[0]?.message, /^[^.].*\.$/, `${what}: a sentence`);
  }
});

t.test('a NodePool that launches nothing beside one that does is said, and lacks nothing', async (t) => {
  const pools = { value: [{ name: 'a' }, { name: 'b', blocker: 'is being deleted' }] };
  const [, , check] = checkKarpenter({ ...whole, pools });
  t.equal(check?.state, 'fine');
  t.match(check?.message, /for a; NodePool b is being deleted/);
});

t.test('EKS Auto Mode shows no Karpenter, and has one', async (t) => {
  const served = {
    value: new Set([...(whole.served as { value: Set<string> }).value, 'nodeclasses.v1.eks.amazonaws.com']),
  };
  const checks = checkKarpenter({ ...whole, served, karpenter: { value: [] } });
  t.same(
    checks.map(({ state }) => state),
    ['fine', 'fine', 'fine'],
  );
});

t.test('before an installation, only whether it could be installed is asked', async (t) => {
  t.same(
    checkInstaller({ value: [] }).map(({ name, state }) => [name, state]),
    [
      ['installation', 'skipped'],
      ['may-install', 'fine'],
    ],
  );
  t.match(checkInstaller({ value: ['create clusterroles.rbac.authorization.k8s.io'] })[1], {
    state: 'lacks',
    message: /may not create clusterroles/,
  });
  t.ok(isOurComponent('castai-kentroller'));
  t.notOk(isOurComponent('constructor'));
});
