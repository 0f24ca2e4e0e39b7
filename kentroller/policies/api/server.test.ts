import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import t from 'tap';
import { AUTOSCALER_POLICY } from '../../../api/kinds/autoscalerpolicy.ts';
import {
  AUTOSCALER_POLICIES,
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  NAMESPACES,
  SERVICE_ACCOUNTS,
} from '../../../api/resources.ts';
import { connect } from '../../../kube/client/client.ts';
import { createLogger } from '../../../kube/component/log.ts';
import { ignoreNotFound } from '../../../kube/ignore.ts';
import { until } from '../../../kube/testing/until.ts';
import { policiesNow } from '../settings.ts';
import { statusOf } from '../status.ts';
import { servePolicies } from './serve.ts';

/** The policies API on a real API server: who may, what it takes, and what it says to everyone else. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'policies-api-test', qps: 200, burst: 200 });
const log = createLogger({ component: 'policies-api-test', level: 'silent' });
const namespace = `policies-api-${randomBytes(4).toString('hex')}`;
const ROLES = { reader: ['get'], writer: ['get', 'update', 'create'], nobody: [] } as const;
const stopping = new AbortController();
const ref = { name: AUTOSCALER_POLICY };
const PATH = '/v1/kubernetes/clusters/blue/policies';

const dir = t.testdir({});
const certFile = join(dir, 'tls.crt');
const keyFile = join(dir, 'tls.key');
const made = await generate([{ name: 'commonName', value: 'policies' }], {
  keyType: 'ec',
  curve: 'P-256',
  algorithm: 'sha256',
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
});
writeFileSync(certFile, made.cert);
writeFileSync(keyFile, made.private);

const OPTIONS = {
  client,
  clusterId: 'blue',
  port: 0,
  host: '127.0.0.1',
  certFile,
  keyFile,
  log,
  signal: stopping.signal,
};
let server: Awaited<ReturnType<typeof servePolicies>>;
const tokens: Record<string, string> = {};

const tokenOf = async (name: string, audience: string): Promise<string> => {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [audience] },
  };
  const { status } = await client.request<{ status: { token: string } }>('POST', path, { body });
  return status.token;
};

interface Answer {
  readonly status: number;
  readonly body: { readonly message?: string; readonly [key: string]: unknown };
  readonly etag: string | undefined;
}

const ask = async (
  method: string,
  as: string | undefined,
  o: { readonly body?: string | object; readonly path?: string; readonly ifMatch?: string } = {},
): Promise<Answer> => {
  const sent = request({
    host: '127.0.0.1',
    port: server?.port,
    path: o.path ?? PATH,
    method,
    ca: made.cert,
    agent: false,
    headers: {
      ...(as !== undefined && { authorization: `Bearer ${tokens[as] ?? as}` }),
      ...(o.ifMatch !== undefined && { 'if-match': o.ifMatch }),
    },
  });
  sent.end(typeof o.body === 'object' ? JSON.stringify(o.body) : o.body);
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { statusCode: status, headers } = response;
  return { status, body: JSON.parse(Buffer.concat(chunks).toString('utf8')), etag: headers.etag };
};
const remove = () => client.delete(AUTOSCALER_POLICIES, ref).catch(ignoreNotFound);

t.before(async () => {
  await remove();
  await client.create(NAMESPACES, { metadata: { name: namespace } });
  for (const [name, verbs] of Object.entries(ROLES)) {
    await client.create(SERVICE_ACCOUNTS, { metadata: { name, namespace } });
    const role = { metadata: { name: `${namespace}-${name}` } };
    const { group, plural } = AUTOSCALER_POLICIES;
    const rules = verbs.length > 0 ? [{ apiGroups: [group], resources: [plural], verbs }] : [];
    await client.create(CLUSTER_ROLES, { ...role, rules } as never);
    await client.create(CLUSTER_ROLE_BINDINGS, {
      ...role,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role.metadata.name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    } as never);
    tokens[name] = await tokenOf(name, 'precision-packer');
  }
  tokens.elsewhere = await tokenOf('writer', 'https://kubernetes.default.svc');
  server = await servePolicies({ ...OPTIONS, port: await freePort() });
  await until('roles are known', async () => (await ask('GET', 'reader')).status === 200, {
    timeoutMs: 60_000,
  });
});
t.teardown(async () => {
  stopping.abort();
  await server?.close();
  await remove();
  for (const name of Object.keys(ROLES)) {
    for (const resource of [CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS])
      await client.delete(resource, { name: `${namespace}-${name}` }).catch(ignoreNotFound);
  }
  await client.delete(NAMESPACES, { name: namespace });
  client.close();
});

const freePort = async (): Promise<number> => {
  const { createServer } = await import('node:net');
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  return typeof address === 'object' && address ? address.port : 0;
};

/** Full policy config with evictor settings updated, as the seed calls the API. */
const FULL = {
  enabled: true,
  isScopedMode: false,
  clusterLimits: { enabled: true, cpu: { minCores: 1, maxCores: 20 } },
  unschedulablePods: {
    enabled: true,
    headroom: { enabled: true, cpuPercentage: 10, memoryPercentage: 10 },
    nodeConstraints: { enabled: true, minCpuCores: 2, maxCpuCores: 32, minRamMib: 2_048, maxRamMib: 262_144 },
  },
  nodeDownscaler: {
    enabled: true,
    emptyNodes: { enabled: true, delaySeconds: 0 },
    evictor: {
      enabled: true,
      dryRun: false,
      aggressiveMode: false,
      scopedMode: true,
      cycleInterval: '5s',
      allowed: true,
      nodeGracePeriodMinutes: 2,
    },
  },
};

t.test('PUT of a full config is what the object holds, and what GET answers', async (t) => {
  t.match(await ask('GET', 'writer'), { status: 200, body: {}, etag: '"none"' });
  const put = await ask('PUT', 'writer', { body: FULL });
  t.equal(put.status, 200, JSON.stringify(put.body));
  t.same(put.body, FULL);
  t.same((await client.get(AUTOSCALER_POLICIES, ref)).spec, FULL);
  const got = await ask('GET', 'reader');
  t.same(got, { status: 200, body: FULL, etag: put.etag });
  const less = await ask('PUT', 'writer', { body: { enabled: false } });
  t.same(less.body, { enabled: false }, 'what is left out is gone');
});

t.test('If-Match refuses a write over settings that have changed, and not over a status', async (t) => {
  const { etag } = await ask('PUT', 'writer', { body: FULL });
  await client.patch(AUTOSCALER_POLICIES, ref, { status: { active: 'none' } }, { subresource: 'status' });
  const next = await ask('PUT', 'writer', { body: { enabled: true }, ifMatch: `${etag}` });
  t.equal(next.status, 200);
  t.not(next.etag, etag);
  const late = await ask('PUT', 'writer', { body: FULL, ifMatch: `${etag}` });
  t.match(late, { status: 412, body: { message: /have changed since If-Match/ } });
  t.same((await ask('GET', 'reader')).body, { enabled: true });
  t.match((await client.get(AUTOSCALER_POLICIES, ref)).status, { active: 'none' }, 'the status is kept');
});

t.test('two writers with the same tag never both win', async (t) => {
  const { etag } = await ask('PUT', 'writer', { body: {} });
  const bodies = [1, 2, 3, 4].map((minCores) => ({ clusterLimits: { cpu: { minCores } } }));
  const answers = await Promise.all(bodies.map((body) => ask('PUT', 'writer', { body, ifMatch: `${etag}` })));
  t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412]);
});

/** Who is turned away. */
const STRANGERS: readonly (readonly [
  who: string,
  method: string,
  as: string | undefined,
  status: number,
  says: RegExp,
])[] = [
  ['without a token', 'GET', undefined, 401, /bearer token for the audience precision-packer/],
  ['with a made-up token', 'GET', 'made-up', 401, /does not accept the token/],
  [
    'with a token for the API server',
    'GET',
    'elsewhere',
    401,
    /does not accept the token|not for the audience/,
  ],
  ['without a right', 'GET', 'nobody', 403, /nobody may not get autoscalerpolicies/],
  ['who may only read', 'PUT', 'reader', 403, /reader may not update autoscalerpolicies/],
];
t.test('the API server decides who may read and who may write', async (t) => {
  for (const [who, method, as, status, says] of STRANGERS)
    t.match(
      await ask(method, as, { body: method === 'PUT' ? FULL : '' }),
      { status, body: { message: says } },
      who,
    );
});

/** What is refused of those who may. */
const REFUSED: readonly (readonly [object | string, status: number, says: RegExp])[] = [
  [{ scopedMode: true }, 400, /unknown field "spec\.scopedMode"/],
  [
    { nodeDownscaler: { evictor: { scopesMode: true } } },
    400,
    /unknown field "spec\.nodeDownscaler\.evictor\.scopesMode"/,
  ],
  [
    { clusterLimits: { cpu: { minCores: 9, maxCores: 8 } } },
    422,
    /spec\.clusterLimits\.cpu\.minCores: .*minCores is above maxCores/s,
  ],
  ['{"enabled":', 400, /not JSON/],
  ['[]', 400, /no JSON object/],
  ['['.repeat(1_000), 400, /deep/],
  [JSON.stringify({ enabled: true, x: 'x'.repeat(70_000) }), 413, /over the limit/],
];
t.test('what makes no sense is refused with one clear sentence, and nothing is written', async (t) => {
  await ask('PUT', 'writer', { body: { enabled: true } });
  for (const [body, status, says] of REFUSED)
    t.match(await ask('PUT', 'writer', { body }), { status, body: { message: says } }, String(says));
  t.same((await ask('GET', 'reader')).body, { enabled: true });
});

t.test('another cluster, another path and another method get a sentence', async (t) => {
  const other = await ask('GET', 'reader', { path: PATH.replace('blue', 'green') });
  t.match(other, { status: 404, body: { message: /this is cluster blue, not green/ } });
  t.match(await ask('GET', 'reader', { path: '/v1/kubernetes/clusters' }), {
    status: 404,
    body: { message: /only \/v1/ },
  });
  t.match(await ask('DELETE', 'writer'), { status: 405 });
});

t.test('the API server takes what the record writes of every state', async (t) => {
  const specs = [
    {},
    { enabled: true, spotInstances: { enabled: true }, unschedulablePods: { enabled: true } },
  ];
  for (const spec of specs) {
    await ask('PUT', 'writer', { body: spec });
    const object = await client.get(AUTOSCALER_POLICIES, ref);
    const now = policiesNow({ object, absence: undefined, hasSynced: true }, {});
    const notes = new Map([['unschedulablePods', { state: 'Acting', message: 'buys' }]] as const);
    const acts = new Map([['unschedulablePods', { action: 'bought', at: Date.now() }]] as const);
    for (const seen of [now, { known: false, reason: 'PoliciesInvalid', message: 'no sense' } as const]) {
      const status = statusOf(object, seen, { notes, acts }, Date.now());
      const written = await client.patch(AUTOSCALER_POLICIES, ref, { status }, { subresource: 'status' });
      t.match(written.status, status);
    }
  }
});

t.test('it is served over TLS alone, and not at all without a port', async (t) => {
  t.equal(await servePolicies(OPTIONS), undefined);
  await t.rejects(servePolicies({ ...OPTIONS, port: 1, certFile: '' }), { message: /POLICIES_CERT_FILE/ });
});
