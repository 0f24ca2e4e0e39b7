import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import t from 'tap';
import { KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK } from '../../api/labels.ts';
import type { KubeObject } from '../../api/objects.ts';
import {
  AUTO_NODE_CLASSES,
  CLUSTER_ROLE_BINDINGS,
  DEPLOYMENTS,
  EC2_NODE_CLASSES,
  NODE_POOLS,
  PODS,
  type Resource,
} from '../../api/resources.ts';
import { checkCommand } from '../../cli/check/command.ts';
import { parseFlags } from '../../cli/flags.ts';
import { readChecks } from '../../kentroller/preflight.ts';
import type { Check } from '../../kube/preflight/check.ts';
import { missingToInstall } from '../../kube/preflight/installer.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { until } from '../../kube/testing/until.ts';
import { ownHost, Scene } from '../pinner/fixture.ts';
import { InstalledRights } from './installed.ts';

/** `precision-packer check` and kentroller's own checks on a real API server, with our roles as they are installed. */

const scene = new Scene('rights-preflight');
const rights = new InstalledRights(scene);
const { client, namespace } = scene;
const ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
const DEADLINE = { timeoutMs: 60_000 };

const check = async (...more: string[]): Promise<{ code: number; checks: readonly Check[] }> => {
  const argv = ['check', '--namespace', namespace, '-o', 'json', ...more];
  const known = new Set(['namespace', 'output', 'scheduler-config']);
  const { out, code } = await checkCommand(client, parseFlags(argv, known, new Set()));
  return { code, checks: JSON.parse(out).checks };
};
const rightsOf = (checks: readonly Check[], account: string): Check | undefined =>
  checks.find(({ name, message }) => name === 'rights' && message.startsWith(`${account} `));

t.before(() => scene.open());
t.teardown(async () => {
  await rights.remove();
  await scene.close();
});

t.test('before an installation, it says what stands against one', async (t) => {
  const { checks } = await check();
  const state = (name: string): string | undefined => checks.find((each) => each.name === name)?.state;
  t.same([state('kubernetes'), state('karpenter-crds')], ['fine', 'fine']);
  t.same([state('installation'), state('may-install')], ['skipped', 'fine']);
  t.equal(state('rights'), undefined, 'nobody is asked about accounts that are not there');
  t.match(
    checks.find(({ name }) => name === 'left-over'),
    { state: 'note', message: /^CustomResourceDefinition .* are not marked as ours/ },
    'CRDs are there already, applied as files without the label of an installation',
  );
});

t.test('whoever may create, but not patch, escalate or bind, is told so', async (t) => {
  const name = `${namespace}-installer`;
  const groups = [
    '',
    'apps',
    'policy',
    'networking.k8s.io',
    'rbac.authorization.k8s.io',
    'apiextensions.k8s.io',
    'admissionregistration.k8s.io',
    'flowcontrol.apiserver.k8s.io',
  ];
  const role = (verbs: readonly string[]): object => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    rules: [{ apiGroups: groups, resources: ['*'], verbs }],
  });
  t.teardown(() => client.request('DELETE', `${ROLES}/${name}`));
  await client.request('POST', ROLES, { body: role(['create']) });
  const user = await rights.asUser(name, name);
  const lacking = async (part: 'stock' | 'options' = 'stock'): Promise<string> => {
    const found = await missingToInstall({ client: user, signal: AbortSignal.timeout(60_000) }, namespace);
    return 'value' in found ? found.value[part].join('; ') : found.unseen;
  };
  await until('the binding counts', async () => !(await lacking()).includes('create'), DEADLINE);
  t.match(
    await lacking(),
    /patch clusterroles.*escalate clusterroles.*bind roles.*of the rights in our roles/,
  );
  t.match(
    await lacking('options'),
    /patch mutatingadmissionpolicies.*; patch mutatingadmissionpolicybindings/,
    'of the optional kinds that this API server serves',
  );
  t.notMatch(await lacking('options'), 'monitoring', 'and of no others');
  await client.request('PUT', `${ROLES}/${name}`, { body: role(['create', 'patch', 'escalate', 'bind']) });
  await until('the role counts', async () => (await lacking()) === '', DEADLINE);
});

t.test('after it, each account has its rights, and a role that is gone is told', async (t) => {
  await rights.install();
  const container = { name: 'main', image: 'precision-packer:dev' };
  const labels = { app: KENTROLLER };
  const resource = DEPLOYMENTS as Resource<KubeObject>;
  await client.create(resource, {
    metadata: { name: KENTROLLER, namespace },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  } as KubeObject);
  const { checks, code } = await check();
  t.equal(code, 1, 'three Deployments are missing');
  t.match(rightsOf(checks, KENTROLLER), { state: 'fine' });
  t.match(rightsOf(checks, POD_PINNER), { state: 'fine' });
  t.match(
    checks.find(({ name, state }) => name === 'crds' && state !== 'fine'),
    undefined,
    'our CRDs are those of this release',
  );
  t.match(
    checks.find(({ name }) => name === 'webhook-reach'),
    { state: 'lacks', message: /not found/ },
    'there is no Service',
  );

  await client.delete(CLUSTER_ROLE_BINDINGS, { name: `${namespace}-${POD_PINNER}` });
  await until(
    'the right is gone',
    async () => {
      const found = rightsOf((await check()).checks, POD_PINNER);
      if (found?.state !== 'lacks') throw new Error(`seen last: ${JSON.stringify(found)}`);
      return true;
    },
    DEADLINE,
  );
  const after = await check();
  t.match(
    rightsOf(after.checks, POD_PINNER)?.message,
    /may not get nodes, list nodes.*its roles are gone.*apply the folder again/,
  );
  t.match(rightsOf(after.checks, KENTROLLER), { state: 'fine' });
});

t.test('kentroller sees with its own token what it lacks', async (t) => {
  const as = await rights.as(KENTROLLER);
  const caches = {
    nodePools: new FakeCache(NODE_POOLS),
    ec2NodeClasses: new FakeCache(EC2_NODE_CLASSES),
    autoNodeClasses: new FakeCache(AUTO_NODE_CLASSES),
  };
  const o = { client: as, caches, namespace, isPod: true, signal: AbortSignal.timeout(60_000) };
  const lacking = async (): Promise<readonly string[]> =>
    (await readChecks(o)).filter(({ state }) => state !== 'fine').map(({ name }) => name);
  t.same(await lacking(), ['nodepools']);
  await client.delete(CLUSTER_ROLE_BINDINGS, { name: `${namespace}-${KENTROLLER}` });
  await until(
    'the rights are gone',
    async () => {
      const found = await lacking();
      if (!found.includes('rights')) throw new Error(`seen last: ${found.join(', ')}`);
      return true;
    },
    DEADLINE,
  );
  t.pass('it lacks its rights');
});

t.test('whether the API server reaches the webhook is asked by the way that admission takes', async (t) => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'webhook' }], {
    algorithm: 'sha256',
    keyType: 'ec',
    curve: 'P-256',
  });
  // What the webhook says to whoever does not know its path.
  const server = createServer({ key, cert }, (_, answer) => {
    answer.writeHead(404, { 'content-type': 'application/json' }).end('{"message":"nothing is served here"}');
  });
  server.listen(0, ownHost);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const place = `/api/v1/namespaces/${namespace}`;
  const named = { name: POD_PINNER_WEBHOOK, namespace };
  const post = (path: string, body: object): Promise<unknown> => client.request('POST', path, { body });
  const pod = { name: 'webhook', namespace };
  await post(`${place}/pods`, {
    metadata: pod,
    spec: { nodeName: `${namespace}-nowhere`, containers: [{ name: 'main', image: 'main' }] },
  });
  const status = { podIP: ownHost, podIPs: [{ ip: ownHost }] };
  await client.patch(PODS, pod, { status }, { subresource: 'status' });
  await post(`${place}/services`, { metadata: named, spec: { ports: [{ name: 'webhook', port: 443 }] } });
  const addresses = [{ ip: ownHost, targetRef: { kind: 'Pod', ...pod } }];
  await post(`${place}/endpoints`, {
    metadata: named,
    subsets: [{ addresses, ports: [{ name: 'webhook', port }] }],
  });
  const reach = (state: Check['state']): Promise<Check> =>
    until(
      `the webhook is ${state}`,
      async () => {
        const found = (await check()).checks.find(({ name }) => name === 'webhook-reach');
        if (found?.state !== state) throw new Error(`seen last: ${JSON.stringify(found)}`);
        return found;
      },
      DEADLINE,
    );
  t.match((await reach('fine')).message, /reaches the webhook/);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  t.match((await reach('lacks')).message, /connection refused.*port 8443/);
});
