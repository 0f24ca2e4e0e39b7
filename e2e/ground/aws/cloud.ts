import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pacedSeconds } from '../../../kube/testing/pace.ts';
import type { Ground } from '../cluster.ts';
import type { SupervisorConfig } from '../machines/main.ts';
import { until } from '../ready.ts';
import { type CatalogueFiles, locateCatalogue } from './catalogue/locate.ts';
import { type CloudControl, createControlClient } from './control/client.ts';
import type { EndpointConfig } from './main.ts';
import type { CloudOptions } from './options.ts';
import { queueNameOf } from './services/sqs.ts';

/** EKS without AWS, on one ground. */
export interface Cloud {
  /** URL of the AWS endpoint, for what runs inside the ground, in its pods, and on the host. */
  readonly endpoint: string;
  readonly control: CloudControl;
  /** Environment that makes any AWS SDK use the endpoint. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts the machines' supervisor again; it takes over the machines that run. */
  restartMachines(): void;
}

const REGION = 'us-west-2';
const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'];
const PORTS = {
  endpoint: 19_200,
  control: 19_201,
  karpenterMetrics: 19_202,
  karpenterHealth: 19_203,
} as const;

const AWS_MAIN = join(import.meta.dirname, 'main.ts');
const MACHINES_MAIN = join(import.meta.dirname, '../machines/main.ts');

const configPath = (ground: Ground, name: string): string => join(ground.dir, 'cloud', `${name}.json`);

const writeConfig = (ground: Ground, name: string, config: object): string => {
  const path = configPath(ground, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  return path;
};

/** The range of the cluster's Services, which EKS knows of a cluster. */
const serviceRangeOf = async (ground: Ground): Promise<string> => {
  let range = '';
  await until('the API server knows its range of Services', 30_000, async () => {
    const output = '--output=jsonpath={.spec.cidrs[0]}';
    range = (await ground.kubectl(['get', 'servicecidr', 'kubernetes', output])).trim();
    return range !== '';
  });
  return range;
};

const startEndpoint = async (
  ground: Ground,
  files: CatalogueFiles,
  clusterName: string,
  options: CloudOptions,
): Promise<Cloud> => {
  const config: EndpointConfig = {
    host: ground.address,
    port: PORTS.endpoint,
    controlPort: PORTS.control,
    region: REGION,
    zones: ZONES,
    seed: options.seed ?? 1,
    shouldReuseAddresses: options.shouldReuseAddresses ?? false,
    files: { ...files, crds: [...files.crds] },
    cluster: {
      name: clusterName,
      endpoint: ground.server,
      version: '1.36',
      serviceCidr: await serviceRangeOf(ground),
      certificateAuthority: readFileSync(join(ground.dir, 'pki/ca.crt')).toString('base64'),
    },
  };
  ground.addProcess({
    name: 'aws',
    argv: [process.execPath, AWS_MAIN, writeConfig(ground, 'aws', config)],
  });
  const cloud = cloudOf(ground);
  await until(
    'the AWS endpoint is ready',
    20_000,
    async () => (await cloud.control.instances()).length === 0,
  );
  return cloud;
};

const addMachines = (ground: Ground): void => {
  ground.addProcess({
    name: 'machines',
    argv: [process.execPath, MACHINES_MAIN, configPath(ground, 'machines')],
  });
};

const startMachines = async (ground: Ground, memoryOverhead: number): Promise<void> => {
  const config: SupervisorConfig = {
    controlUrl: `http://${ground.address}:${PORTS.control}`,
    kubeconfig: ground.kubeconfig,
    groundDir: ground.dir,
    program: await ground.program('machine'),
    server: ground.server,
    caCertificate: join(ground.dir, 'pki/ca.crt'),
    caKey: join(ground.dir, 'pki/ca.key'),
    memoryOverhead,
  };
  writeConfig(ground, 'machines', config);
  addMachines(ground);
};

const startKarpenter = async (
  ground: Ground,
  cloud: Cloud,
  clusterName: string,
  env: Readonly<Record<string, string>>,
): Promise<void> => {
  ground.addProcess({
    name: 'karpenter',
    argv: [await ground.program('karpenter-aws')],
    env: {
      ...cloud.env,
      KUBECONFIG: ground.kubeconfig,
      CLUSTER_NAME: clusterName,
      CLUSTER_ENDPOINT: ground.server,
      INTERRUPTION_QUEUE: queueNameOf(clusterName),
      SYSTEM_NAMESPACE: 'kube-system',
      DISABLE_LEADER_ELECTION: 'true',
      METRICS_PORT: String(PORTS.karpenterMetrics),
      HEALTH_PROBE_PORT: String(PORTS.karpenterHealth),
      ...env,
    },
  });
  await until('Karpenter is ready', 60_000, async () => {
    const response = await fetch(`http://${ground.address}:${PORTS.karpenterHealth}/readyz`);
    return response.ok;
  });
};

const applyCrds = async (ground: Ground, folders: readonly string[]): Promise<void> => {
  await ground.kubectl([
    'apply',
    '--server-side',
    '--force-conflicts',
    ...folders.flatMap((each) => ['-f', each]),
  ]);
  await ground.kubectl([
    'wait',
    '--for=condition=Established',
    'crd',
    '--all',
    `--timeout=${pacedSeconds(30)}`,
  ]);
};

/** The cloud of a ground on which startCloud was called, by this process or another. */
export const cloudOf = (ground: Ground): Cloud => {
  const endpoint = `http://${ground.address}:${PORTS.endpoint}`;
  return {
    endpoint,
    control: createControlClient(`http://${ground.address}:${PORTS.control}`),
    restartMachines: () => addMachines(ground),
    env: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: 'ground',
      AWS_SECRET_ACCESS_KEY: 'ground',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  };
};

/**
 * Starts the AWS endpoint, the machines and Karpenter's AWS controller on a ground, and returns when a NodePool
 * can be applied. All of it ends with the ground. Throws when a part does not come up in time.
 */
export const startCloud = async (ground: Ground, options: CloudOptions = {}): Promise<Cloud> => {
  const clusterName = options.clusterName ?? 'ground';
  const files = await locateCatalogue();
  const [cloud] = await Promise.all([
    startEndpoint(ground, files, clusterName, options),
    applyCrds(ground, files.crds),
  ]);
  await startMachines(ground, options.memoryOverhead ?? 0);
  if (options.hasKarpenter ?? true)
    await startKarpenter(ground, cloud, clusterName, options.karpenterEnv ?? {});
  return cloud;
};
