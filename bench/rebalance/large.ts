import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import { up } from '../../e2e/ground/ground.ts';
import { progressOn } from '../../e2e/ground/host/progress.ts';
import { startKwok } from '../../e2e/ground/kwok/kwok.ts';
import { claimEnded, claimRebalance } from '../../e2e/support/claim.ts';
import { witness } from '../../e2e/support/witness.ts';
import { podsRunning } from '../../e2e/support/workload.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';
import { type Catalogue, catalogueFromKwok } from '../../planner/model/catalogue.ts';
import { machine } from '../support/bed.ts';
import { metricsPage } from '../support/cluster.ts';
import { readFlags } from '../support/flags.ts';
import { totalOf } from '../support/prometheus.ts';
import type { Fragments } from './fragments.ts';
import { NAMESPACE, POOL, setScene } from './scene.ts';
import { ourSide } from './sides.ts';

/**
 * One claim that replaces every node of a full cluster: as many moves as there are pods. `--nodes 2000 --pods 32000
 * --deployments 600 --join 5 --drains 20 --minutes 120`.
 */

const { numbers } = readFlags(process.argv.slice(2), {
  numbers: { nodes: 2000, pods: 32_000, deployments: 600, join: 5, drains: 20, minutes: 120 },
  groups: [],
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const load = (): string => `load ${loadavg()[0]?.toFixed(1)}`;
const deadlineMs = numbers.minutes * 60_000;

const TYPE = 'm5.xlarge';
const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'] as const;
/** Share of a machine's CPU that its pods request, so that no pod finds room on another one. */
const FILLED = 0.97;

/** Equal machines, full of CPU and not of memory, which cheaper types of more CPU a USD replace one by one. */
const fullCluster = (catalogue: Catalogue): Fragments => {
  const type = catalogue.instanceTypes.find(({ name }) => name === TYPE);
  if (!type) throw new Error(`the catalogue has no ${TYPE}`);
  const each = Math.round(numbers.pods / numbers.nodes);
  const cpu = Math.floor(((type.capacity.cpu - type.overhead.cpu) * FILLED) / each);
  const replicas = new Map<string, number>();
  const machines = Array.from({ length: numbers.nodes }, (_, at) => {
    const pods = new Map<string, number>();
    for (let i = 0; i < each; i++) {
      const app = `app-${1 + ((at * each + i) % numbers.deployments)}`;
      pods.set(app, (pods.get(app) ?? 0) + 1);
      replicas.set(app, (replicas.get(app) ?? 0) + 1);
    }
    return {
      name: `old-${String(at + 1).padStart(4, '0')}`,
      instanceType: TYPE,
      zone: ZONES[at % ZONES.length] ?? ZONES[0],
      pods,
    };
  });
  const workloads = [...replicas].map(([name, count]) => ({ name, cpu, memory: 64, replicas: count }));
  return { machines, workloads };
};

/** Plans of the claim, once it has them all. */
const plansReady = async (client: KubeClient, name: string) => {
  await until(
    'the plans ready',
    async () => {
      const { status } = await client.get(REBALANCE_PLAN_CLAIMS, { name });
      if (status?.rebalanceName) return true;
      throw new Error(
        `the claim is ${status?.state}: ${status?.errorMessage ?? status?.skippedMessage ?? ''}`,
      );
    },
    { timeoutMs: deadlineMs, everyMs: 1_000 },
  );
  return (await client.list(REBALANCE_PLANS)).items;
};

const progress = progressOn(process.stdout);
const ground = await up({ name: `large-${process.pid}`.slice(0, 16), progress });
const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'large', qps: 2_000, burst: 2_000 });
const ending: (() => unknown)[] = [() => ground.down(), () => client.close()];
const end = async (): Promise<void> => {
  for (const each of ending.toReversed()) await each();
};
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void end().finally(() => process.exit(1)));
try {
  const { typesFile } = await startKwok(ground, { joinMs: numbers.join * 1_000 });
  const catalogue = catalogueFromKwok(JSON.parse(readFileSync(typesFile, 'utf8')));
  await ground.kubectl(['apply', '--server-side', '-k', 'manifests/overlays/processes']);
  const fragments = fullCluster(catalogue);
  const count = fragments.workloads.reduce((sum, { replicas }) => sum + replicas, 0);
  await progress.during('make the cluster', () =>
    setScene(ground, client, { fragments, catalogue, budget: '100%', stepMs: deadlineMs }),
  );
  const ours = ourSide(ground, client, { typesFile, drains: numbers.drains });
  ending.push(() => ours.stop());
  await ours.prepare();
  const seen = await witness(client, NAMESPACE);
  ending.push(() => seen.stop());
  const requests = async (): Promise<number> => totalOf(await metricsPage(client), 'apiserver_request_total');
  const before = await requests();
  const began = Date.now();
  const seconds = (): string => `${Math.round((Date.now() - began) / 1_000)} s`;
  say(`${machine()}; ${numbers.nodes} nodes, ${count} pods; ${load()}`);
  await claimRebalance(client, {
    name: 'large',
    pool: POOL,
    spec: {
      timeouts: {
        planGenerationTimeout: `${numbers.minutes}m`,
        rebalanceExecutionTimeout: `${numbers.minutes}m`,
      },
    },
  });
  const plans = await plansReady(client, 'large');
  const moves = plans.reduce((sum, { spec }) => sum + (spec.podsToMigrate?.length ?? 0), 0);
  say(`planned after ${seconds()}: ${plans.length} plans, ${moves} moves; ${load()}`);
  const claim = await claimEnded(client, 'large', deadlineMs);
  say(`claim ${claim.status?.state} after ${seconds()}; ${load()}`);
  const { items } = await client.list(REBALANCE_PLANS);
  const states = Map.groupBy(items, ({ status }) => status?.state ?? '');
  say([...states].map(([state, of]) => `${of.length} ${state}`).join(', '));
  const bytes = items.map((plan) => Buffer.byteLength(JSON.stringify(plan)));
  say(`largest plan at its end: ${Math.max(...bytes)} bytes`);
  const placed = items.reduce((sum, { status }) => sum + (status?.achievedOutcome?.podsPlaced ?? 0), 0);
  say(`${placed} of ${moves} pods where their plans put them`);
  await podsRunning(client, NAMESPACE, count, deadlineMs);
  say(`${count} pods run, ${seen.failed.size} were ever in phase Failed`);
  const kentroller = ours.kentroller();
  say(
    `kentroller: ${kentroller?.peakMebibytes()} MiB at most, ${kentroller?.cpuSeconds().toFixed(0)} s of CPU`,
  );
  say(`API requests of everybody: ${(await requests()) - before}`);
} finally {
  await end();
}
