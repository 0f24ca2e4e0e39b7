import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import type { Ground } from '../cluster.ts';
import { serverUrl } from '../controlplane/controlplane.ts';
import { writeKubeconfig } from '../controlplane/kubeconfig.ts';
import type { Pki } from '../controlplane/pki.ts';
import { INSIDE } from '../host/addresses.ts';
import { searchPath } from '../host/command.ts';
import { type GroundProcess, isAlive } from '../host/processes.ts';
import { GivenUp, httpsGet, READY_WITHIN_MS, until } from '../ready.ts';
import { cgroupOf, createCgroup } from './cgroups.ts';
import { containerdConfig, containerdSocket, networkConfig } from './containerd.ts';
import { kubeletConfig, NODE_LABEL, REAL_NODE } from './kubelet.ts';
import { privateMounts } from './mounts.ts';
import { enforceNetworkPolicies } from './networkpolicies.ts';
import { objectsOfNode } from './objects.ts';

const CNI_PLUGINS = ['bridge', 'host-local', 'loopback', 'portmap'];
const NODE_PROGRAMS = ['containerd', 'containerd-shim-runc-v2', 'ctr', 'runc'];

/** Starts the container runtime, which needs no API server; returns when it answers. */
export async function startRuntime(ground: Ground): Promise<GroundProcess> {
  const { dir } = ground;
  const node = join(dir, 'node');
  for (const folder of ['bin', 'cni/bin', 'cni/conf', 'kubelet', 'places']) {
    mkdirSync(join(node, folder), { recursive: true });
  }
  await linkPrograms(ground, NODE_PROGRAMS, join(node, 'bin'));
  await linkPrograms(ground, CNI_PLUGINS, join(node, 'cni', 'bin'));
  writeFileSync(join(node, 'containerd.toml'), containerdConfig(dir));
  writeFileSync(
    join(node, 'cni', 'conf', '10-bridge.conflist'),
    JSON.stringify(networkConfig(join(node, 'cni'))),
  );
  createCgroup(cgroupOf(dir));
  const argv = [join(node, 'bin', 'containerd'), '--config', join(node, 'containerd.toml')];
  const env = { PATH: `${join(node, 'bin')}:${searchPath()}` };
  const containerd = ground.addProcess({ name: 'containerd', argv: privateMounts(node, argv), env });
  await until('containerd answers', READY_WITHIN_MS, async () => {
    if (!isAlive(containerd)) throw new GivenUp(`containerd has ended: see ${containerd.log}`);
    await ctr(ground, ['version']);
    return true;
  });
  return containerd;
}

/** Starts kubelet, kube-proxy and CoreDNS beside the runtime; returns when the node is ready and names resolve. */
export async function startNode(ground: Ground, pki: Pki, containerd: GroundProcess): Promise<void> {
  const { dir, address } = ground;
  const url = serverUrl(address);
  const controlplane = await ground.program('controlplane');
  const kubeconfig = (name: 'kubelet' | 'kube-proxy' | 'coredns' | 'network-policies') => {
    const path = join(dir, `${name}.kubeconfig`);
    writeKubeconfig(path, url, pki.ca, pki.clients[name]);
    return path;
  };
  const beside = ['nsenter', `--mount=/proc/${containerd.pid}/ns/mnt`, '--'];
  writeFileSync(join(dir, 'node', 'resolv.conf'), '');
  writeFileSync(
    join(dir, 'node', 'kubelet.json'),
    JSON.stringify(kubeletConfig(dir, pki.ca.certificatePath)),
  );
  const kubelet = ground.addProcess({
    name: 'kubelet',
    argv: [
      ...[...beside, controlplane, 'kubelet', `--config=${join(dir, 'node', 'kubelet.json')}`],
      ...[
        `--kubeconfig=${kubeconfig('kubelet')}`,
        `--hostname-override=${REAL_NODE}`,
        `--node-ip=${address}`,
      ],
      ...[`--root-dir=${join(dir, 'node', 'kubelet')}`, `--cert-dir=${join(dir, 'node', 'kubelet', 'pki')}`],
      `--node-labels=${NODE_LABEL}=true`,
    ],
  });
  ground.addProcess({
    name: 'kube-proxy',
    argv: [
      ...[...beside, controlplane, 'kube-proxy', `--kubeconfig=${kubeconfig('kube-proxy')}`],
      ...['--proxy-mode=iptables', `--hostname-override=${REAL_NODE}`, `--cluster-cidr=${INSIDE.pods}`],
      // Pods share one bridge: an answer that doesn't come back through the node would not be translated.
      '--masquerade-all',
      // These settings are the host's, which stays unchanged.
      ...['--conntrack-max-per-core=0', '--conntrack-min=0'],
    ],
  });
  const corefile = join(dir, 'node', 'Corefile');
  writeFileSync(corefile, corefileText(kubeconfig('coredns')));
  const coredns = ground.addProcess({
    name: 'coredns',
    argv: [await ground.program('coredns'), '-conf', corefile],
  });
  await ground.kubectl(['apply', '--server-side', '--filename=-'], {
    input: JSON.stringify(objectsOfNode()),
  });
  await enforceNetworkPolicies(ground, kubeconfig('network-policies'));
  await until(`${REAL_NODE} is ready`, READY_WITHIN_MS, async () => {
    if (!isAlive(kubelet)) throw new GivenUp(`the kubelet has ended: see ${kubelet.log}`);
    const { body } = await httpsGet(`${url}/api/v1/nodes/${REAL_NODE}`, pki.ca, pki.clients.admin);
    const node = JSON.parse(body) as { status?: { conditions?: { type: string; status: string }[] } };
    return node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true;
  });
  await until('names are answered', READY_WITHIN_MS, () => {
    if (!isAlive(coredns)) throw new GivenUp(`CoreDNS has ended: see ${coredns.log}`);
    return answers(`http://${address}:8181/ready`);
  });
}

/** ctr on the real node's containerd, in the kubelet's namespace of images. */
export async function ctr(ground: Ground, args: readonly string[]): Promise<string> {
  return ground.exec([
    await ground.program('ctr'),
    `--address=${containerdSocket(ground.dir)}`,
    '--namespace=k8s.io',
    ...args,
  ]);
}

async function linkPrograms(ground: Ground, names: readonly string[], folder: string): Promise<void> {
  for (const name of names) {
    rmSync(join(folder, name), { force: true });
    symlinkSync(await ground.program(name), join(folder, name));
  }
}

function corefileText(kubeconfig: string): string {
  return `.:53 {
  bind ${INSIDE.dns}
  errors
  ready :8181
  cache 5
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
  }
}
`;
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', reject);
  });
}
