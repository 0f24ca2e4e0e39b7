import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCloud } from '../aws/cloud.ts';
import type { Ground } from '../cluster.ts';
import { groundFrom } from '../handle.ts';
import { run } from '../host/command.ts';
import { loadComponents } from '../image/images.ts';
import { cgroupOf } from '../node/cgroups.ts';
import { NODE_LABEL, NODE_TAINT } from '../node/kubelet.ts';
import { placementObjects } from '../node/placement.ts';
import { type GroundRecord, writeRecord } from '../record.ts';
import { clusterOf, kindConfig } from './kindcluster.ts';
import type { BackendInput } from './modules.ts';

/**
 * Brings up a cluster whose control plane and real node are kind's containers. The cloud runs beside it on the host.
 */
export async function upOnKind(input: BackendInput): Promise<Ground> {
  const { dir, name, programs, cloud, realNode, progress, env, options } = input;
  const kind = programs.get('kind') ?? '';
  const cluster = clusterOf(name);
  const kubeconfig = join(dir, 'kubeconfig');
  const begun: GroundRecord = {
    name,
    backend: 'kind',
    server: '',
    cloud,
    realNode,
    namespace: '',
    link: '',
    linkIndex: -1,
    address: '',
    hostAddress: '',
    programs: Object.fromEntries(programs),
    cgroup: cgroupOf(dir),
    isReady: false,
  };
  writeRecord(dir, begun);
  // A cluster of that name may remain from a ground whose folder is gone.
  await run([kind, 'delete', 'cluster', `--name=${cluster}`]);
  const config = join(dir, 'kind.json');
  writeFileSync(config, JSON.stringify(kindConfig(options.schedulerArgs ?? [], options.apiserverArgs ?? [])));
  await progress.during('start the cluster', () =>
    run([
      kind,
      'create',
      'cluster',
      `--name=${cluster}`,
      `--config=${config}`,
      `--kubeconfig=${kubeconfig}`,
      '--wait=120s',
    ]),
  );
  const gateway = await gatewayAddress();
  const record: GroundRecord = {
    ...begun,
    server: await serverOf(programs.get('controlplane') ?? '', kubeconfig),
    // Listens where both the host and pods reach it.
    address: gateway,
    hostAddress: gateway,
  };
  writeRecord(dir, record);
  const ground = groundFrom(dir, record, env);
  await copyAuthority(cluster, join(dir, 'pki'));
  if (realNode) {
    await progress.during('load the image', () => loadComponents(ground));
  }
  await reserveNode(ground, cluster);
  if (cloud) await progress.during('start the cloud', () => startCloud(ground, options.cloudOptions));
  writeRecord(dir, { ...record, isReady: true });
  return ground;
}

// kind's own pods are placed first: the taint keeps out only later ones.
async function reserveNode(ground: Ground, cluster: string): Promise<void> {
  for (const [namespace, deployment] of [
    ['kube-system', 'coredns'],
    ['local-path-storage', 'local-path-provisioner'],
  ]) {
    await ground.kubectl([
      'rollout',
      'status',
      `--namespace=${namespace}`,
      '--timeout=120s',
      `deployment/${deployment}`,
    ]);
  }
  const node = `${cluster}-control-plane`;
  await ground.kubectl(['label', '--overwrite', 'node', node, `${NODE_LABEL}=true`]);
  const taint = `${NODE_TAINT.key}=${NODE_TAINT.value}:${NODE_TAINT.effect}`;
  await ground.kubectl(['taint', '--overwrite', 'node', node, taint]);
  const list = { apiVersion: 'v1', kind: 'List', items: placementObjects() };
  await ground.kubectl(['apply', '--server-side', '--filename=-'], { input: JSON.stringify(list) });
}

// The machines' kubelets get certificates from the cluster's own authority.
async function copyAuthority(cluster: string, pki: string): Promise<void> {
  mkdirSync(pki, { recursive: true, mode: 0o700 });
  for (const file of ['ca.crt', 'ca.key']) {
    await run(['docker', 'cp', `${cluster}-control-plane:/etc/kubernetes/pki/${file}`, join(pki, file)]);
  }
}

async function gatewayAddress(): Promise<string> {
  const networks = JSON.parse(await run(['docker', 'network', 'inspect', 'kind'])) as {
    IPAM?: { Config?: { Gateway?: string }[] };
  }[];
  const gateways = networks
    .flatMap((network) => network.IPAM?.Config ?? [])
    .flatMap((one) => one.Gateway ?? []);
  const address = gateways.find((gateway) => /^\d+(\.\d+){3}$/.test(gateway));
  if (address === undefined) throw new Error("Docker's network 'kind' has no IPv4 gateway");
  return address;
}

async function serverOf(controlplane: string, kubeconfig: string): Promise<string> {
  const path = 'jsonpath={.clusters[0].cluster.server}';
  return run([controlplane, 'kubectl', `--kubeconfig=${kubeconfig}`, 'config', 'view', `--output=${path}`]);
}
