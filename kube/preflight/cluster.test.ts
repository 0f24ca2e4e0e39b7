import t from 'tap';
import { OUR_KINDS } from '../../api/kinds/published.ts';
import { EC2_NODE_CLASSES, NODE_CLAIMS, NODE_POOLS } from '../../api/resources.ts';
import type { Check } from './check.ts';
import type { ClusterFacts, DeploymentObject } from './facts.ts';
import { checkKarpenter } from './karpenter.ts';
import { checkKinds } from './kinds.ts';
import { checkKubernetes } from './kubernetes.ts';
import { servedName } from './served.ts';
import { type LackCase, testLacks } from './testing/lackcases.ts';

/** A cluster that lacks just one thing, and the one sentence that says so. */

const karpenterDeployment = (o: object = {}): DeploymentObject => ({
  metadata: {
    name: 'karpenter',
    namespace: 'kube-system',
    labels: { 'app.kubernetes.io/version': '1.14.1' },
  },
  status: { readyReplicas: 1 },
  ...o,
});
const schemas = new Map(OUR_KINDS.map(({ kind, schema }) => [kind, schema] as const));
const oldSchemas = new Map(schemas).set('RebalancePlan', { properties: { spec: {}, status: {} } });
const fewerKinds = new Map(schemas);
fewerKinds.delete('EvictorConfig');

const whole: ClusterFacts = {
  version: { value: { major: '1', minor: '36', gitVersion: 'v1.36.3' } },
  served: { value: new Set([NODE_POOLS, NODE_CLAIMS, EC2_NODE_CLASSES].map(servedName)) },
  karpenter: { value: [karpenterDeployment()] },
  pools: { value: [{ name: 'default' }] },
  schemas: { value: schemas },
};

const checksOf = (facts: ClusterFacts): readonly Check[] => [
  ...checkKubernetes(facts.version),
  ...checkKarpenter(facts),
  ...checkKinds(facts.schemas),
];

const CASES: Readonly<Record<string, LackCase<ClusterFacts>>> = {
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
    /without EvictorConfig: upgrade the release of the chart precision-packer-crds by Helm, or apply/,
  ],
  'our CRDs are of an earlier release': [
    { schemas: { value: oldSchemas } },
    'crds',
    'lacks',
    /older than this release.*RebalancePlan.* and \d+ others: upgrade the release of the chart precision-packer-crds/,
  ],
};

testLacks({ what: 'a cluster', whole, count: 5, checksOf, cases: CASES });

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
