import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import type { KubeObject } from '../api/objects.ts';
import { NAMESPACES, NODES, PODS, type Resource } from '../api/resources.ts';
import { connect, type KubeClient } from '../kube/client/client.ts';
import { makeNode } from '../planner/testing/builders.ts';
import { listSnapshot } from './cluster.ts';
import { writeCatalog } from './testing/catalogfile.ts';

const kubeconfig = process.env.KUBECONFIG ?? '';
const id = `cli-${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'cli-'));
const client = connect({ kubeconfig, userAgent: 'cli-test' });

const SERVICE_ACCOUNTS: Resource<KubeObject> = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  namespaced: true,
};
const catalog = writeCatalog(folder);

/** Where a run of tests keeps what Node has compiled; a start takes a third less with it. */
const { NODE_COMPILE_CACHE } = process.env;

const run = (
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    const options = {
      maxBuffer: 1 << 26,
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, HOME: folder, ...env },
    };
    execFile(process.execPath, ['cli/main.ts', ...args, '--catalog', catalog], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });

/** A copy of the kubeconfig with changes to its cluster and user; returns its path. */
const writeKubeconfig = (name: string, cluster: object, user?: object): string => {
  const config = parse(readFileSync(kubeconfig, 'utf8'));
  Object.assign(config.clusters[0].cluster, cluster);
  if (user) config.users[0].user = user;
  const path = join(folder, name);
  writeFileSync(path, stringify(config));
  return path;
};

t.before(async () => {
  await client.create(NAMESPACES, { metadata: { name: id } });
  await client.create(SERVICE_ACCOUNTS, { metadata: { name: 'nobody', namespace: id } });
});
t.teardown(async () => {
  await client.delete(NODES, { name: `${id}-node` }).catch(() => {});
  await client.delete(NAMESPACES, { name: id }).catch(() => {});
  client.close();
  rmSync(folder, { recursive: true, force: true });
});

t.test('a cluster without Karpenter is an error of one sentence', async (t) => {
  // The test cluster serves Karpenter's kinds, so an unknown version takes the place of a missing kind.
  const withoutKarpenter: KubeClient = {
    ...client,
    list: (resource, o) =>
      client.list(resource.group === 'karpenter.sh' ? { ...resource, version: 'v1alpha5' } : resource, o),
  };
  await t.rejects(listSnapshot(withoutKarpenter), {
    name: 'UsageError',
    message:
      'The cluster does not serve nodepools of karpenter.sh/v1: Karpenter 1.0 or newer is not installed there.',
  });
});

t.test('report, plan and explain read a real cluster', async (t) => {
  const { node } = makeNode(`${id}-node`);
  await client.create(NODES, {
    metadata: node.metadata,
    spec: { ...node.spec },
    ...(node.status && { status: node.status }),
  });
  const pod = await client.create(PODS, {
    metadata: { name: 'web', namespace: id },
    spec: {
      nodeName: `${id}-node`,
      automountServiceAccountToken: false,
      serviceAccountName: 'nobody',
      containers: [{ name: 'main', image: 'none', resources: { requests: { cpu: '1' } } }],
    } as never,
  });
  t.ok(pod.metadata.uid);
  const report = await run(['report', '-o', 'json', '--time-budget', '300ms'], { KUBECONFIG: kubeconfig });
  t.equal(report.err, '');
  t.equal(report.code, 0);
  const line = JSON.parse(report.out).lines.find((each: { name: string }) => each.name === `${id}-node`);
  t.match(line, { instanceType: 'm5.xlarge', pods: 1, cpu: 3900, cpuFree: 2900, monthlyCost: 140.16 });
  t.match(line.reasons, [/^it is not managed by Karpenter as far as the snapshot shows: /]);
  const plan = await run(['plan', 'rebalance', '--time-budget', '300ms', '--kubeconfig', kubeconfig]);
  t.equal(plan.code, 0);
  t.equal(JSON.parse(plan.out).kind, 'RebalancePlan');
  const explained = await run(['explain', 'pod', `${id}/web`, '--kubeconfig', kubeconfig]);
  t.match(explained.out, new RegExp(`^${id}-node: it runs here`, 'm'));
  await client.delete(PODS, { name: 'web', namespace: id }, { gracePeriodSeconds: 0 });
});

t.test('a user without permissions learns what to grant', async (t) => {
  const { status } = await client.request<{ status: { token: string } }>(
    'POST',
    `/api/v1/namespaces/${id}/serviceaccounts/nobody/token`,
    { body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } },
  );
  const { code, err } = await run([
    'report',
    '--kubeconfig',
    writeKubeconfig('nobody', {}, { token: status.token }),
  ]);
  t.equal(code, 1);
  t.match(
    err,
    /^The user of the kubeconfig may not list nodes, pods, nodepools, .*: grant it with a ClusterRole\.\n$/,
  );
});

t.test('an unknown token and an unreachable server are errors of one sentence', async (t) => {
  const stranger = await run([
    'report',
    '--kubeconfig',
    writeKubeconfig('stranger', {}, { token: 'no-such' }),
  ]);
  t.equal(stranger.code, 1);
  t.match(stranger.err, /^The API server .* does not accept our credentials \(401\).*\n$/);
  const away = await run([
    'report',
    '--kubeconfig',
    writeKubeconfig('away', { server: 'https://127.0.0.1:1' }),
  ]);
  t.equal(away.code, 1);
  t.match(
    away.err,
    /^Cannot talk to the API server https:\/\/127\.0\.0\.1:1: the connection was refused.*\n$/,
  );
});
