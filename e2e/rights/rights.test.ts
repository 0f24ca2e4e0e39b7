import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Exception, grantedNotUsed, usedNotGranted } from './compare.ts';
import { type Grant, grantsOf, textOf } from './grants.ts';
import { leaveOut, readRequests, requestsIn } from './requests.ts';

const ACCOUNT = 'castai-agent:castai-pod-pinner';
const USER = `system:serviceaccount:${ACCOUNT}`;

const grant = (verb: string, resource: string, rest: Partial<Grant> = {}): Grant => ({
  account: ACCOUNT,
  verb,
  resource,
  ...rest,
});

const line = (
  verb: string,
  objectRef: object | undefined,
  o: { decision?: string; username?: string; isOfPod?: boolean; pod?: string; code?: number } = {},
): string =>
  JSON.stringify({
    verb,
    user: {
      username: o.username ?? USER,
      ...((o.isOfPod ?? true) && {
        extra: { 'authentication.kubernetes.io/pod-name': [o.pod ?? 'castai-pod-pinner-7d4b9-x2k8p'] },
      }),
    },
    ...(objectRef && { objectRef }),
    responseStatus: { code: o.code ?? 200 },
    annotations: { 'authorization.k8s.io/decision': o.decision ?? 'allow' },
  });

t.test('rules of roles become grants of the accounts that they are bound to', async (t) => {
  const subjects = [{ kind: 'ServiceAccount', name: 'castai-pod-pinner', namespace: 'castai-agent' }];
  const metadata = { name: 'one' };
  const grants = grantsOf([
    {
      kind: 'ClusterRole',
      metadata,
      rules: [{ apiGroups: [''], resources: ['pods', 'pods/binding'], verbs: ['create'] }],
    },
    { kind: 'ClusterRoleBinding', metadata, roleRef: { kind: 'ClusterRole', name: 'one' }, subjects },
    {
      kind: 'Role',
      metadata: { name: 'one', namespace: 'home' },
      rules: [{ apiGroups: ['apps'], resources: ['deployments'], resourceNames: ['a', 'b'], verbs: ['get'] }],
    },
    {
      kind: 'Role',
      metadata: { name: 'one', namespace: 'elsewhere' },
      rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
    },
    {
      kind: 'RoleBinding',
      metadata: { name: 'one', namespace: 'home' },
      roleRef: { kind: 'Role', name: 'one' },
      subjects,
    },
  ]);
  t.strictSame(grants.map(textOf), [
    `${ACCOUNT} create pods`,
    `${ACCOUNT} create pods/binding`,
    `${ACCOUNT} get deployments.apps a in home`,
    `${ACCOUNT} get deployments.apps b in home`,
  ]);
});

t.test('requests of our pods alone are gathered from an audit log, each kind once', async (t) => {
  const pod = { resource: 'pods', namespace: 'shop', name: 'web' };
  const requests = await requestsIn([
    line('get', pod),
    line('get', pod, { decision: 'forbid' }),
    line('create', { ...pod, subresource: 'eviction' }),
    line('create', pod),
    line('get', undefined),
    line('get', pod, { username: 'admin' }),
    line('update', pod, { isOfPod: false }),
    line('get', pod, { username: 'system:serviceaccount:shop:castai-pod-pinner' }),
    line('delete', { apiGroup: 'karpenter.sh', resource: 'nodeclaims', name: 'one' }, { decision: 'forbid' }),
  ]);
  t.strictSame(requests, [
    { account: ACCOUNT, verb: 'get', resource: 'pods', name: 'web', namespace: 'shop', isAllowed: true },
    {
      account: ACCOUNT,
      verb: 'create',
      resource: 'pods/eviction',
      name: 'web',
      namespace: 'shop',
      isAllowed: true,
    },
    { account: ACCOUNT, verb: 'create', resource: 'pods', namespace: 'shop', isAllowed: true },
    { account: ACCOUNT, verb: 'delete', resource: 'nodeclaims.karpenter.sh', name: 'one', isAllowed: false },
  ]);
});

t.test('what pods of another release ask for does not count', async (t) => {
  const log = join(t.testdir({ 'audit.log': '' }), 'audit.log');
  const asks = (name: string, pod: string): string => line('get', { resource: 'secrets', name }, { pod });
  writeFileSync(
    log,
    [
      asks('before', 'castai-pod-pinner-54c6f-abcde'),
      asks('now', 'castai-pod-pinner-7d4b9-abcde'),
      asks('both', 'castai-pod-pinner-54c6f-x2k8p'),
      asks('both', 'castai-pod-pinner-7d4b9-x2k8p'),
    ].join('\n'),
  );
  const names = async () => (await readRequests(log)).map(({ name }) => name);
  t.strictSame(await names(), ['before', 'now', 'both']);
  leaveOut(log, ['castai-kentroller-54c6f', 'castai-pod-pinner-54c6f']);
  t.strictSame(await names(), ['now', 'both']);
});

t.test('a patch that creates its object needs the right to create it, too', async (t) => {
  const map = { resource: 'configmaps', namespace: 'castai-agent', name: 'one' };
  const requests = await requestsIn([line('patch', map, { code: 201 })]);
  t.strictSame(
    requests.map(({ verb, name }) => [verb, name]),
    [
      ['patch', 'one'],
      ['create', 'one'],
    ],
  );
});

t.test('a request that the manifests do not allow is told, whether it was allowed or not', async (t) => {
  const requests = await requestsIn([
    line('get', { resource: 'secrets', namespace: 'castai-agent', name: 'mine' }),
    line('get', { resource: 'secrets', namespace: 'castai-agent', name: 'other' }),
    line('get', { resource: 'secrets', namespace: 'shop', name: 'mine' }, { decision: 'forbid' }),
    line('create', { resource: 'selfsubjectreviews', apiGroup: 'authentication.k8s.io' }),
  ]);
  t.strictSame(
    usedNotGranted([grant('get', 'secrets', { name: 'mine', namespace: 'castai-agent' })], requests),
    [
      `used but not granted: ${ACCOUNT} get secrets other in castai-agent`,
      `used but not granted: ${ACCOUNT} get secrets mine in shop`,
      `used but not granted: ${ACCOUNT} create selfsubjectreviews.authentication.k8s.io`,
    ],
  );
});

t.test('rights that nobody uses', async (t) => {
  interface Case {
    readonly grants: readonly Grant[];
    readonly lines: readonly string[];
    readonly exceptions?: readonly Exception[];
    readonly differences: readonly string[];
  }
  const watch = line('watch', { resource: 'nodes' });
  const lease = { resource: 'leases', apiGroup: 'coordination.k8s.io', namespace: 'castai-agent', name: 'a' };
  const leases = 'leases.coordination.k8s.io';
  const cases: Readonly<Record<string, Case>> = {
    'a right without a use is told': {
      grants: [grant('watch', 'nodes'), grant('delete', 'nodes')],
      lines: [watch],
      differences: [`granted but not used: ${ACCOUNT} delete nodes`],
    },
    'a refused request is no use': {
      grants: [grant('get', 'nodes')],
      lines: [line('get', { resource: 'nodes', name: 'a' }, { decision: 'forbid' })],
      differences: [`granted but not used: ${ACCOUNT} get nodes`],
    },
    'who watches may list': {
      grants: [grant('list', 'nodes'), grant('watch', 'nodes')],
      lines: [watch],
      differences: [],
    },
    'who lists may not watch': {
      grants: [grant('list', 'nodes'), grant('watch', 'nodes')],
      lines: [line('list', { resource: 'nodes' })],
      differences: [`granted but not used: ${ACCOUNT} watch nodes`],
    },
    'one right in a name is no use of another': {
      grants: [grant('get', leases, { name: 'a' }), grant('get', leases, { name: 'b' })],
      lines: [line('get', lease), line('get', { ...lease, namespace: 'shop' })],
      differences: [`granted but not used: ${ACCOUNT} get ${leases} b`],
    },
    'a right that a wider one includes is told': {
      grants: [grant('get', 'pods'), grant('get', 'pods', { name: 'a', namespace: 'shop' })],
      lines: [line('get', { resource: 'pods', namespace: 'shop', name: 'a' })],
      differences: [`granted twice: ${ACCOUNT} get pods a in shop`],
    },
    'a right for all namespaces that is used in ours alone is told': {
      grants: [grant('get', leases)],
      lines: [line('get', lease)],
      differences: [`used in castai-agent alone, but granted everywhere: ${ACCOUNT} get ${leases}`],
    },
    'an exception excuses its own verbs': {
      grants: [grant('update', 'nodes'), grant('delete', 'nodes')],
      lines: [],
      exceptions: [{ account: ACCOUNT, verbs: ['update'], resource: 'nodes', reason: 'for a test' }],
      differences: [`granted but not used: ${ACCOUNT} delete nodes`],
    },
    'an exception from no right is told': {
      grants: [],
      lines: [],
      exceptions: [{ account: ACCOUNT, verbs: ['update'], resource: 'nodes', reason: 'for a test' }],
      differences: [`excepted but not granted: ${ACCOUNT} update nodes`],
    },
  };
  for (const [name, { grants, lines, exceptions = [], differences }] of Object.entries(cases)) {
    t.strictSame(grantedNotUsed(grants, await requestsIn(lines), exceptions), differences, name);
  }
});
