import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pacedSeconds } from '../../../kube/testing/pace.ts';
import { startCloud } from '../aws/cloud.ts';
import { hasDocker } from '../backend.ts';
import type { Ground } from '../cluster.ts';
import { auditArgs, auditLogOf, auditPolicyOf } from '../controlplane/audit.ts';
import { groundFrom } from '../handle.ts';
import { run } from '../host/command.ts';
import { createNetwork, inside } from '../host/network.ts';
import { loadComponents } from '../image/images.ts';
import { docker, type Engine, startEngine } from '../kind/engine.ts';
import { copyDataRoot, NODE_IMAGE, nodeImage } from '../kind/nodeimage.ts';
import { cgroupOf } from '../node/cgroups.ts';
import { type GroundRecord, lastLinkIndex, writeRecord } from '../record.ts';
import { clusterOf, kindConfig } from './kindcluster.ts';
import { reserveNodes } from './kindnodes.ts';
import type { BackendInput } from './modules.ts';

/** The engine of a ground, with what it adds to the ground's record. */
interface Machine {
  readonly engine: Engine;
  /** The name of the node image; undefined for the one that kind comes with. */
  readonly image: string | undefined;
  /** The address at which pods reach the host; undefined where Docker's network tells. */
  readonly hostAddress: string | undefined;
}

/**
 * Brings up a cluster whose nodes are kind's containers, on the machine's Docker engine, or on one of its own where none
 * runs. The cloud runs in the network of the first node.
 */
export async function upOnKind(input: BackendInput): Promise<Ground> {
  const { dir, name, programs, cloud, realNode, progress, env, options } = input;
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
  const [own, machine] = await machineFor(input, begun);
  const { engine } = machine;
  const cluster = clusterOf(name);
  const kubeconfig = join(dir, 'kubeconfig');
  const kind = (args: readonly string[]) => run([programs.get('kind') ?? '', ...args], { env: engine.env });
  // A cluster of that name may remain from a ground whose folder is gone.
  await kind(['delete', 'cluster', `--name=${cluster}`]);
  const config = join(dir, 'kind.json');
  writeFileSync(
    config,
    JSON.stringify(
      kindConfig({
        nodes: realNode ? 2 : 1,
        schedulerArgs: options.schedulerArgs ?? [],
        apiserverArgs: [...(cloud ? auditArgs(dir) : []), ...(options.apiserverArgs ?? [])],
        files: cloud ? [auditPolicyOf({ dir }), dirname(auditLogOf({ dir }))] : [],
      }),
    ),
  );
  await progress.during('start the cluster', () =>
    kind([
      ...['create', 'cluster', `--name=${cluster}`, `--config=${config}`, `--kubeconfig=${kubeconfig}`],
      ...(machine.image === undefined ? [] : [`--image=${machine.image}`]),
      `--wait=${pacedSeconds(120)}`,
    ]),
  );
  const node = `${cluster}-control-plane`;
  const { pid, address } = await placeOf(engine, node);
  const server = `https://${address}:6443`;
  const record: GroundRecord = {
    ...own,
    server,
    namespace: `/proc/${pid}/ns/net`,
    address,
    hostAddress: machine.hostAddress ?? (await gatewayAddress(engine)),
  };
  writeRecord(dir, record);
  const ground = groundFrom(dir, record, env);
  // kind names a port of the machine; the address is reached from everywhere.
  await ground.kubectl(['config', 'set-cluster', `kind-${cluster}`, `--server=${server}`]);
  await copyAuthority(engine, node, join(dir, 'pki'));
  await reserveNodes(ground);
  if (realNode) await progress.during('load the image', () => loadComponents(ground));
  if (cloud) await progress.during('start the cloud', () => startCloud(ground, options.cloudOptions));
  writeRecord(dir, { ...record, isReady: true });
  return ground;
}

/** The machine's Docker engine with the image of KIND_IMAGE or kind's own, else one of the ground's with ours. */
async function machineFor(input: BackendInput, begun: GroundRecord): Promise<[GroundRecord, Machine]> {
  const { dir, env, cache, progress } = input;
  if (await hasDocker()) {
    return [begun, { engine: { env: {} }, image: env.KIND_IMAGE || undefined, hostAddress: undefined }];
  }
  const image = await nodeImage(cache, progress);
  const namespace = join(dir, 'netns');
  const addresses = await createNetwork(namespace, lastLinkIndex(dir));
  const record: GroundRecord = {
    ...begun,
    engine: image.engine,
    link: addresses.link,
    linkIndex: addresses.index,
  };
  writeRecord(dir, record);
  // The upper half of the link's network; its route goes with the link.
  const subnet = `10.90.${addresses.index}.128/25`;
  await run(['ip', 'route', 'add', subnet, 'via', addresses.inner]);
  const dataRoot = join(dir, 'docker');
  const engine = await progress.during('start a Docker engine', async () => {
    await copyDataRoot(image.dataRoot, dataRoot);
    return startEngine({
      dir,
      files: image.engine,
      dataRoot,
      enter: inside(namespace),
      cgroup: record.cgroup,
      subnet,
    });
  });
  return [record, { engine, image: NODE_IMAGE, hostAddress: addresses.host }];
}

async function placeOf(engine: Engine, node: string): Promise<{ pid: string; address: string }> {
  const format = '{{.State.Pid}} {{.NetworkSettings.Networks.kind.IPAddress}}';
  const [pid = '', address = ''] = (await docker(engine, ['inspect', `--format=${format}`, node]))
    .trim()
    .split(' ');
  if (address === '') throw new Error(`${node} has no address in Docker's network 'kind'`);
  return { pid, address };
}

// The machines' kubelets get certificates from the cluster's own authority.
async function copyAuthority(engine: Engine, node: string, pki: string): Promise<void> {
  mkdirSync(pki, { recursive: true, mode: 0o700 });
  for (const file of ['ca.crt', 'ca.key'])
    await docker(engine, ['cp', `${node}:/etc/kubernetes/pki/${file}`, join(pki, file)]);
}

async function gatewayAddress(engine: Engine): Promise<string> {
  const networks = JSON.parse(await docker(engine, ['network', 'inspect', 'kind'])) as {
    IPAM?: { Config?: { Gateway?: string }[] };
  }[];
  const gateways = networks
    .flatMap((network) => network.IPAM?.Config ?? [])
    .flatMap((one) => one.Gateway ?? []);
  const address = gateways.find((gateway) => /^\d+(\.\d+){3}$/.test(gateway));
  if (address === undefined) throw new Error("Docker's network 'kind' has no IPv4 gateway");
  return address;
}
