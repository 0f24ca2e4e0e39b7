import { request } from 'node:https';
import t from 'tap';
import type { KubeObject } from '../api/objects.ts';
import type { Resource } from '../api/resources.ts';
import { connect, type KubeClient } from '../kube/client/client.ts';
import { attach } from './ground/ground.ts';

/** Our FlowSchemas on a real API server, which says in each answer by which one it took the request in. */

interface Named extends KubeObject {
  readonly spec?: { readonly rules?: readonly { readonly subjects?: readonly Subject[] }[] };
}

interface Subject {
  readonly serviceAccount?: { readonly name: string };
}

const flowcontrol = (kind: string, plural: string): Resource<Named> => ({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind,
  plural,
  namespaced: false,
});
const FLOW_SCHEMAS = flowcontrol('FlowSchema', 'flowschemas');
const PRIORITY_LEVELS = flowcontrol('PriorityLevelConfiguration', 'prioritylevelconfigurations');

const NAMESPACE = 'castai-agent';
const ground = attach(process.env.GROUND_NAME ?? '');
const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'precision-packer-e2e' });
t.teardown(() => client.close());

const tokenOf = async (admin: KubeClient, account: string): Promise<string> => {
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${account}/token`;
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: 600 },
  };
  return (await admin.request<{ status: { token: string } }>('POST', path, { body })).status.token;
};

/** Uids of the FlowSchema and the priority level that took in a request. */
const classified = (token: string, path: string): Promise<readonly unknown[]> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    // The ground's certificate is not the matter here.
    request(`${ground.server}${path}`, { headers, rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      const { headers: said } = response;
      resolve([said['x-kubernetes-pf-flowschema-uid'], said['x-kubernetes-pf-prioritylevel-uid']]);
    })
      .on('error', reject)
      .end();
  });

const uidOf = async (resource: Resource<Named>, name: string): Promise<string | undefined> =>
  (await client.get(resource, { name })).metadata.uid;

t.test(
  'requests of our components have their own share of the API server, and leases queues of their own',
  async (t) => {
    const level = await uidOf(PRIORITY_LEVELS, 'castai-agent');
    const all = await uidOf(FLOW_SCHEMAS, 'castai-agent');
    const leases = await uidOf(FLOW_SCHEMAS, 'castai-agent-leases');
    const deployments = JSON.parse(
      await ground.kubectl(['get', 'deployments', '--namespace', NAMESPACE, '--output=json']),
    ) as { items: { spec: { template: { spec: { serviceAccountName: string } } } }[] };
    const accounts = deployments.items.map(({ spec }) => spec.template.spec.serviceAccountName);
    t.ok(accounts.length >= 3, accounts.join(', '));
    for (const account of accounts) {
      const token = await tokenOf(client, account);
      t.strictSame(
        await classified(token, '/version'),
        [all, level],
        `${account}, a path without a resource`,
      );
      // Refused or not found: it is taken in before anybody asks for rights.
      const nodes = await classified(token, '/apis/precision-packer.dev/v1/nothing');
      t.strictSame(nodes, [all, level], `${account}, a resource of the whole cluster`);
      const lease = `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases/castai-kentroller`;
      t.strictSame(await classified(token, lease), [leases, level], `${account}, a Lease`);
    }
  },
);

t.test('a stranger gets nothing of our share', async (t) => {
  const level = await uidOf(PRIORITY_LEVELS, 'castai-agent');
  const [, taken] = await classified(await tokenOf(client, 'default'), '/version');
  t.ok(taken, 'it has a priority level');
  t.not(taken, level, 'which is not ours');
});

t.test(
  'a component that asks in a loop gets a tenth of the API server at most, and never nothing',
  async (t) => {
    const text = await ground.kubectl(['get', '--raw', '/metrics']);
    const seats = (bound: string): ReadonlyMap<string, number> =>
      new Map(
        [
          ...text.matchAll(
            new RegExp(`apiserver_flowcontrol_${bound}_limit_seats{priority_level="([^"]+)"} (\\d+)`, 'g'),
          ),
        ].map(([, level = '', count]) => [level, Number(count)]),
      );
    const total = [...seats('nominal').values()].reduce((sum, count) => sum + count, 0);
    t.ok(total > 0, `${total} requests at a time`);
    const most = seats('upper').get('castai-agent') ?? Number.NaN;
    const least = seats('lower').get('castai-agent') ?? Number.NaN;
    t.ok(most <= total / 10, `at most ${most} of ours`);
    t.ok(least >= total / 100, `at least ${least} of ours`);
  },
);
