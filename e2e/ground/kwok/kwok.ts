import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { pacedSeconds } from '../../../kube/testing/pace.ts';
import type { Ground } from '../cluster.ts';
import { until } from '../ready.ts';
import { type KwokFiles, locateKwokFiles } from './modules.ts';
import { usualTypes } from './types.ts';

/** Hundreds of machines without a kubelet each: Karpenter's kwok provider orders them, kwok plays them. */
export interface KwokOptions {
  /** From a machine's Node to its being Ready, milliseconds; 0 when left out. */
  readonly joinMs?: number;
  /** Additional environment of Karpenter, such as FEATURE_GATES. */
  readonly karpenterEnv?: Readonly<Record<string, string>>;
}

export interface Kwok {
  /** The instance types that Karpenter was given. */
  readonly typesFile: string;
}

const PORTS = { metrics: 19_212, health: 19_213, kwok: 19_214 } as const;
// The Node inherits it from its claim.
const PLAYED = 'kwok.x-k8s.io/node=fake';

interface Stage {
  readonly spec: object;
}

const writeStage = (dir: string, file: string, joinMs: number): string => {
  const stage = parse(readFileSync(file, 'utf8')) as Stage;
  const path = join(dir, 'node-initialize.yaml');
  writeFileSync(
    path,
    stringify({ ...stage, spec: { ...stage.spec, delay: { durationMilliseconds: joinMs } } }),
  );
  return path;
};

/** How many Nodes, and how many pods, kwok plays at once; its own 4 make some twenty pods a second run. */
const PLAYED_AT_ONCE = 16;

/** What kwok takes for 0 where a file has other options; all are its own defaults. */
const OWN_DEFAULTS = {
  cidr: '10.0.0.0/24',
  nodeLeaseParallelism: 4,
  podsOnNodeSyncParallelism: 1,
  enablePodsOnNodeSyncListPager: true,
};

const writeConfig = (dir: string): string => {
  const path = join(dir, 'config.yaml');
  const options = {
    ...OWN_DEFAULTS,
    podPlayStageParallelism: PLAYED_AT_ONCE,
    nodePlayStageParallelism: PLAYED_AT_ONCE,
  };
  writeFileSync(
    path,
    stringify({ apiVersion: 'config.kwok.x-k8s.io/v1alpha1', kind: 'KwokConfiguration', options }),
  );
  return path;
};

const startMachines = async (
  ground: Ground,
  dir: string,
  { stages }: KwokFiles,
  joinMs: number,
): Promise<void> => {
  const files = [writeConfig(dir), writeStage(dir, stages.nodeInitialize, joinMs), ...stages.others];
  ground.addProcess({
    name: 'kwok',
    argv: [
      await ground.program('kwok'),
      `--kubeconfig=${ground.kubeconfig}`,
      '--manage-all-nodes=false',
      `--manage-nodes-with-annotation-selector=${PLAYED}`,
      '--node-lease-duration-seconds=40',
      `--server-address=${ground.address}:${PORTS.kwok}`,
      ...files.map((file) => `--config=${file}`),
    ],
  });
  await until('kwok is ready', 60_000, async () => {
    const response = await fetch(`http://${ground.address}:${PORTS.kwok}/healthz`);
    return response.ok;
  });
};

const startKarpenter = async (
  ground: Ground,
  typesFile: string,
  env: Readonly<Record<string, string>>,
): Promise<void> => {
  ground.addProcess({
    name: 'karpenter',
    argv: [await ground.program('karpenter-kwok')],
    env: {
      KUBECONFIG: ground.kubeconfig,
      SYSTEM_NAMESPACE: 'kube-system',
      DISABLE_LEADER_ELECTION: 'true',
      INSTANCE_TYPES_FILE_PATH: typesFile,
      METRICS_PORT: String(PORTS.metrics),
      HEALTH_PROBE_PORT: String(PORTS.health),
      ...env,
    },
  });
  await karpenterReady(ground);
};

/** Waits until the ground's Karpenter of the kwok provider answers. */
export const karpenterReady = (ground: Ground): Promise<void> =>
  until('Karpenter is ready', 60_000, async () => {
    const response = await fetch(`http://${ground.address}:${PORTS.health}/readyz`);
    return response.ok;
  });

/** Starts kwok and Karpenter with its kwok provider on a ground; both end with it. A NodePool can be applied then. */
export const startKwok = async (ground: Ground, options: KwokOptions = {}): Promise<Kwok> => {
  const files = await locateKwokFiles();
  const dir = join(ground.dir, 'kwok');
  mkdirSync(dir, { recursive: true });
  const typesFile = join(dir, 'instance-types.json');
  writeFileSync(typesFile, JSON.stringify(usualTypes(files.types)));
  const folders = files.crds.flatMap((folder) => ['-f', folder]);
  await ground.kubectl(['apply', '--server-side', '--force-conflicts', ...folders]);
  await ground.kubectl([
    'wait',
    '--for=condition=Established',
    'crd',
    '--all',
    `--timeout=${pacedSeconds(30)}`,
  ]);
  await startMachines(ground, dir, files, options.joinMs ?? 0);
  await startKarpenter(ground, typesFile, options.karpenterEnv ?? {});
  return { typesFile };
};
