import t from 'tap';
import { parse } from 'yaml';
import { up } from '../ground/ground.ts';
import { run } from '../ground/host/command.ts';
import { CHART, CRDS_CHART, KENTROLLER_CHART, PINNER_CHART, program, ROOT } from './tools.ts';

/** Releases on a real API server, by the commands that users of other charts know. */

const MINUTES = { timeout: 540_000 };
const NAMESPACE = 'castai-agent';
const KINDS =
  'clusterroles,clusterrolebindings,customresourcedefinitions,mutatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,flowschemas,prioritylevelconfigurations';
const NAMESPACED =
  'deployments,services,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,secrets,configmaps';

const ground = await up({ name: `releases-${process.pid}`, cloud: false, realNode: false });
t.teardown(() => ground.down());
const bin = await program('helm');

const helm = (...args: readonly string[]): Promise<string> =>
  run([bin, ...args, '--namespace', NAMESPACE], { cwd: ROOT, env: { KUBECONFIG: ground.kubeconfig } });
const kubectl = (...args: readonly string[]): Promise<string> => ground.kubectl(args);

/** Everything of ours that the cluster has, by kind and name. */
const ours = async (): Promise<readonly string[]> => {
  const label = '--selector=app.kubernetes.io/part-of=precision-packer';
  const lists = [
    await kubectl('get', KINDS, label, '--output=name'),
    await kubectl('get', NAMESPACED, label, '--all-namespaces', '--output=name'),
  ];
  return lists.join('\n').split('\n').filter(Boolean);
};

const replicasOf = async (name: string): Promise<string> =>
  kubectl('get', 'deployment', name, `--namespace=${NAMESPACE}`, '--output=jsonpath={.spec.replicas}');

t.test(
  'each component is a release of its own, listed, upgraded and scaled as users expect',
  MINUTES,
  async (t) => {
    await helm('upgrade', '--install', 'precision-packer-crds', CRDS_CHART, '--create-namespace');
    // The commands of users of castai-pod-pinner, with our chart's folder for the name of a repository.
    await helm('upgrade', '--install', 'castai-pod-pinner', PINNER_CHART);
    await helm('upgrade', '-i', 'castai-pod-pinner', PINNER_CHART, '--set', 'managedByCASTAI=false');
    await helm('upgrade', '--install', 'castai-kentroller', KENTROLLER_CHART);
    const list = await helm('list', '--filter', 'castai-pod-pinner');
    t.match(
      list,
      /castai-pod-pinner\s+castai-agent\s+2\s.*deployed\s+castai-pod-pinner-\d+\.\d+\.\d+\s+\d+\.\d+\.\d+/,
    );
    t.notMatch(list, /castai-kentroller/);
    const deployments = await kubectl('get', 'deployments.apps', '-n', NAMESPACE);
    for (const name of ['castai-pod-pinner', 'castai-pod-pinner-webhook', 'castai-kentroller'])
      t.match(deployments, name);

    await kubectl('scale', 'deployment', 'castai-pod-pinner', '--replicas=0', '-n', NAMESPACE);
    t.equal(await replicasOf('castai-pod-pinner'), '0');
    await kubectl('scale', 'deployment', 'castai-pod-pinner', '--replicas=2', '-n', NAMESPACE);
    await helm('upgrade', 'castai-pod-pinner', PINNER_CHART);
    t.equal(await replicasOf('castai-pod-pinner'), '2');
    await helm('upgrade', 'castai-pod-pinner', PINNER_CHART, '--set', 'replicas=0', '--force-conflicts');
    t.equal(await replicasOf('castai-pod-pinner'), '0');
  },
);

t.test('an upgrade keeps plans, claims, and what the keeper has written', MINUTES, async (t) => {
  const claim = {
    apiVersion: 'autoscaling.cast.ai/v1alpha',
    kind: 'RebalancePlanClaim',
    metadata: { name: 'first' },
    spec: { minSavingsPercentage: '10', autoExecute: false },
  };
  await ground.kubectl(['create', '--filename=-'], { input: JSON.stringify(claim) });
  const uid = async (): Promise<string> =>
    kubectl('get', 'rebalanceplanclaims', 'first', '--output=jsonpath={.metadata.uid}');
  const before = await uid();
  const webhook = 'castai-pod-pinner-webhook';
  const patch = (path: string, value: string) => ({
    op: 'add',
    path: `/webhooks/0/clientConfig/${path}`,
    value,
  });
  const authority = await kubectl(
    'get',
    'configmap',
    'kube-root-ca.crt',
    '-n',
    NAMESPACE,
    '--output=jsonpath={.data.ca\\.crt}',
  );
  const certificate = Buffer.from(authority).toString('base64');
  const written = [patch('caBundle', certificate), patch('service/path', '/secret')];
  await kubectl(
    'patch',
    'mutatingwebhookconfiguration',
    webhook,
    '--type=json',
    `--patch=${JSON.stringify(written)}`,
  );
  await helm('upgrade', 'precision-packer-crds', CRDS_CHART);
  await helm(
    'upgrade',
    'castai-pod-pinner',
    PINNER_CHART,
    '--force-conflicts',
    '--set',
    'webhook.settings.LOG_LEVEL=debug',
  );
  t.equal(await uid(), before, 'the claim is the same');
  const configuration = parse(await kubectl('get', 'mutatingwebhookconfiguration', webhook, '--output=yaml'));
  t.match(configuration.webhooks[0].clientConfig, {
    caBundle: certificate,
    service: { path: '/secret' },
  });
  const settings = await kubectl(
    'get',
    'configmap',
    webhook,
    '-n',
    NAMESPACE,
    '--output=jsonpath={.data.LOG_LEVEL}',
  );
  t.equal(settings, 'debug');
});

t.test('releases are uninstalled in any order, and nothing is left', MINUTES, async (t) => {
  t.ok((await ours()).length > 40);
  for (const name of ['castai-pod-pinner', 'precision-packer-crds', 'castai-kentroller'])
    await helm('uninstall', name, '--wait');
  t.same(await ours(), []);
  t.same((await helm('list', '--short')).trim(), '');
});

t.test('the umbrella installs both, and what it is told to', MINUTES, async (t) => {
  await helm('install', 'precision-packer-crds', CRDS_CHART);
  await helm('install', 'precision-packer', CHART, '--set', 'castai-pod-pinner.enabled=false');
  const without = await ours();
  t.notOk(without.includes('deployment.apps/castai-pod-pinner'));
  await helm('upgrade', 'precision-packer', CHART, '--reset-values');
  t.ok((await ours()).includes('deployment.apps/castai-pod-pinner'));
  await helm('uninstall', 'precision-packer', '--wait');
  await helm('uninstall', 'precision-packer-crds', '--wait');
  t.same(await ours(), []);
});
