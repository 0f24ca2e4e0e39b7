import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { INSIDE } from '../host/addresses.ts';
import { type GroundProcess, isAlive } from '../host/processes.ts';
import { GivenUp, httpsGet, READY_WITHIN_MS, until } from '../ready.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import type { Pki } from './pki.ts';

export interface ControlPlaneInput {
  readonly dir: string;
  readonly address: string;
  readonly pki: Pki;
  readonly programs: ReadonlyMap<string, string>;
  /** Further arguments of kube-scheduler, `--config=…` for one. */
  readonly schedulerArgs: readonly string[];
  /** Further arguments of kube-apiserver. */
  readonly apiserverArgs: readonly string[];
  start(name: string, argv: readonly string[]): GroundProcess;
}

const API_PORT = 6443;

// At its default of 20 requests a second, the controller manager takes 5 s to start.
const UNTHROTTLED = ['--kube-api-qps=500', '--kube-api-burst=1000'];

/** The API server's address, both for the host and inside. */
export function serverUrl(address: string): string {
  return `https://${address}:${API_PORT}`;
}

/** Starts etcd, the API server, the scheduler and the controller manager; returns when pods can be created. */
export async function startControlPlane(input: ControlPlaneInput): Promise<void> {
  const { dir, pki, start } = input;
  const url = serverUrl(input.address);
  const controlplane = pathOf(input, 'controlplane');
  for (const client of ['scheduler', 'controller-manager'] as const) {
    writeKubeconfig(join(dir, `${client}.kubeconfig`), url, pki.ca, pki.clients[client]);
  }
  mkdirSync(join(dir, 'etcd'), { recursive: true, mode: 0o700 });
  start('etcd', [pathOf(input, 'etcd'), ...etcdArgs(join(dir, 'etcd'))]);
  const apiserver = start('apiserver', [
    controlplane,
    'apiserver',
    ...apiserverArgs(input),
    ...input.apiserverArgs,
  ]);
  await until('the API server is ready', READY_WITHIN_MS, async () => {
    if (!isAlive(apiserver)) throw new GivenUp(`the API server has ended: see ${apiserver.log}`);
    return (await httpsGet(`${url}/readyz`, pki.ca, pki.clients.admin)).status === 200;
  });
  start('scheduler', [
    controlplane,
    'scheduler',
    `--kubeconfig=${join(dir, 'scheduler.kubeconfig')}`,
    '--leader-elect=false',
    ...UNTHROTTLED,
    ...input.schedulerArgs,
  ]);
  const manager = start('controller-manager', [
    controlplane,
    'controller-manager',
    ...controllerManagerArgs(input),
  ]);
  await until('pods can be made', READY_WITHIN_MS, async () => {
    if (!isAlive(manager)) throw new GivenUp(`the controller manager has ended: see ${manager.log}`);
    const account = `${url}/api/v1/namespaces/default/serviceaccounts/default`;
    return (await httpsGet(account, pki.ca, pki.clients.admin)).status === 200;
  });
}

function etcdArgs(data: string): string[] {
  const client = 'http://127.0.0.1:2379';
  const peer = 'http://127.0.0.1:2380';
  return [
    `--data-dir=${data}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ];
}

function apiserverArgs({ pki, address }: ControlPlaneInput): string[] {
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    '--bind-address=0.0.0.0',
    `--secure-port=${API_PORT}`,
    `--advertise-address=${address}`,
    `--tls-cert-file=${pki.apiserver.certificatePath}`,
    `--tls-private-key-file=${pki.apiserver.keyPath}`,
    `--client-ca-file=${pki.ca.certificatePath}`,
    `--kubelet-client-certificate=${pki.clients.apiserver.certificatePath}`,
    `--kubelet-client-key=${pki.clients.apiserver.keyPath}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${pki.serviceAccountKeyPath}`,
    `--service-account-signing-key-file=${pki.serviceAccountKeyPath}`,
    `--service-cluster-ip-range=${INSIDE.services}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged',
  ];
}

function controllerManagerArgs({ dir, pki }: ControlPlaneInput): string[] {
  return [
    `--kubeconfig=${join(dir, 'controller-manager.kubeconfig')}`,
    `--service-account-private-key-file=${pki.serviceAccountKeyPath}`,
    `--root-ca-file=${pki.ca.certificatePath}`,
    `--cluster-signing-cert-file=${pki.ca.certificatePath}`,
    `--cluster-signing-key-file=${pki.ca.keyPath}`,
    '--use-service-account-credentials',
    '--leader-elect=false',
    ...UNTHROTTLED,
  ];
}

function pathOf(input: ControlPlaneInput, name: string): string {
  const path = input.programs.get(name);
  if (path === undefined) throw new Error(`${name} has not been built`);
  return path;
}
