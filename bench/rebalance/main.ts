import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { HOURS_PER_MONTH } from '../../api/labels.ts';
import { up } from '../../e2e/ground/ground.ts';
import { progressOn } from '../../e2e/ground/host/progress.ts';
import { startKwok } from '../../e2e/ground/kwok/kwok.ts';
import { locateKwokFiles } from '../../e2e/ground/kwok/modules.ts';
import { usualTypes } from '../../e2e/ground/kwok/types.ts';
import { createCaches, startCaches } from '../../kentroller/caches.ts';
import { Offerings } from '../../kentroller/cloud/offerings.ts';
import { gatherSnapshot } from '../../kentroller/snapshot.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';
import { type Catalogue, catalogueFromKwok } from '../../planner/model/catalogue.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { machine } from '../support/bed.ts';
import { readFlags } from '../support/flags.ts';
import { formatNumber, formatRatio, type Row, tableOf } from '../support/table.ts';
import { type Fragments, fragmentsOf } from './fragments.ts';
import { Meter } from './meter.ts';
import { courseOf, isSettled, leastEvictions, type Outcome, outcomeOf } from './outcome.ts';
import { setScene } from './scene.ts';
import { karpenterSide, ourSide } from './sides.ts';

/**
 * One fragmented cluster given to Karpenter's own consolidation and to us, until nothing changes any more. `--nodes 200
 * --pods 3000 --deployments 120 --seed 1 --budget 10 --join 15 --quiet 120 --minutes 15 --only karpenter,ours`.
 */

const SIDES = ['karpenter', 'ours'] as const;
type SideName = (typeof SIDES)[number];

const { numbers, groups } = readFlags(process.argv.slice(2), {
  numbers: {
    nodes: 200,
    pods: 3000,
    deployments: 120,
    seed: 1,
    budget: 10,
    join: 15,
    quiet: 120,
    minutes: 15,
  },
  groups: SIDES,
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const load = (): string => `load ${loadavg()[0]?.toFixed(1)}`;

/** Lower bound on the cost of machines for these pods, USD per hour. */
const boundOf = async (client: KubeClient, catalogue: Catalogue): Promise<number> => {
  const stopping = new AbortController();
  try {
    const caches = createCaches({ client, log: createLogger({ component: 'bench', level: 'error' }) });
    await startCaches(caches, [], stopping.signal);
    const answer = rebalance({
      snapshot: gatherSnapshot(caches),
      catalogue,
      now: Date.now(),
      seed: 1,
      timeBudgetMs: 20_000,
      clock: () => performance.now(),
      planName: 'bound',
    });
    return Number(answer.plan?.savings.lowerBoundMonthlyCost) / HOURS_PER_MONTH;
  } finally {
    stopping.abort(new Error('done'));
  }
};

const measure = async (
  name: SideName,
  fragments: Fragments,
): Promise<{ readonly outcome: Outcome; readonly bound: number }> => {
  const progress = progressOn(process.stdout);
  const ground = await up({ name: `reb-${name[0]}-${process.pid}`, progress });
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'bench', qps: 2_000, burst: 2_000 });
  const end = async (): Promise<void> => {
    client.close();
    await ground.down();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void end().finally(() => process.exit(1)));
  try {
    const { typesFile } = await progress.during('start kwok and Karpenter', () =>
      startKwok(ground, { joinMs: numbers.join * 1000 }),
    );
    const catalogue = catalogueFromKwok(JSON.parse(readFileSync(typesFile, 'utf8')));
    await ground.kubectl(['apply', '--server-side', '-k', 'manifests/overlays/processes']);
    await progress.during('make the cluster', () =>
      setScene(ground, client, { fragments, catalogue, budget: `${numbers.budget}%` }),
    );
    const bound = await boundOf(client, catalogue);
    const side = name === 'karpenter' ? karpenterSide(client) : ourSide(ground, client, { typesFile });
    const meter = await Meter.watch(client, catalogue);
    try {
      await side.prepare();
      meter.start();
      say(
        `${name} begins at ${meter.last.cost.toFixed(2)} $/h, ${meter.last.nodes} nodes; bound ${bound.toFixed(2)} $/h; ${load()}`,
      );
      await side.begin();
      const deadline = numbers.minutes * 60_000;
      await progress.during(`${name} at work`, () =>
        until('settled', () => isSettled(meter.samples, numbers.quiet * 1000) || meter.last.at >= deadline, {
          timeoutMs: deadline + 60_000,
          everyMs: 1_000,
        }),
      );
      say(courseOf(meter.samples, 10_000));
      for (const line of await side.story()) say(line);
      const outcome = outcomeOf(meter.samples, deadline);
      say(`${name}: ${JSON.stringify(outcome)}; ${load()}`);
      return { outcome, bound };
    } finally {
      meter.stop();
      await side.stop();
    }
  } finally {
    await end();
  }
};

/** Price and pods of each machine of the fragments. */
const machinesOf = (fragments: Fragments, catalogue: Catalogue) => {
  const offerings = new Offerings(catalogue);
  return fragments.machines.map(({ instanceType, zone, pods }) => ({
    price: offerings.price(instanceType, zone, 'on-demand', undefined) ?? Number.NaN,
    pods: [...pods.values()].reduce((sum, n) => sum + n, 0),
  }));
};

const rowsOf = (
  ours: Outcome,
  peer: Outcome,
  bound: number,
  machines: ReturnType<typeof machinesOf>,
): readonly Row[] => {
  const row = (what: string, of: (o: Outcome) => number, reach: number | undefined, words: string): Row => ({
    what,
    ours: formatNumber(of(ours)),
    peer: formatNumber(of(peer)),
    ratio: formatRatio(of(ours) / of(peer)),
    reach: words,
    isMet: reach === undefined ? undefined : of(ours) <= reach * of(peer),
  });
  return [
    row('before, USD an hour', (o) => o.before, undefined, ''),
    row('after, USD an hour', (o) => o.after, 1 - 1e-9, 'lower'),
    row('above the lower bound, %', (o) => 100 * (o.after / bound - 1), undefined, ''),
    row('minutes until nothing changed', (o) => o.minutes, 0.5, '≤ 0.5 ×'),
    row('pods evicted', (o) => o.evicted, undefined, ''),
    row(
      'pods that such savings move at least',
      (o) => leastEvictions(machines, o.before - o.after),
      undefined,
      '',
    ),
    row('pods evicted a USD an hour saved', (o) => o.evictedPerDollar, 0.5, '≤ 0.5 ×'),
    row('pods pending at most', (o) => o.mostPending, undefined, ''),
    row('pods pending, pod seconds', (o) => o.pendingSeconds, undefined, ''),
    row(`USD spent in ${numbers.minutes} minutes`, (o) => o.spent, undefined, ''),
    row('nodes after', (o) => o.nodes, undefined, ''),
  ];
};

const { types } = await locateKwokFiles();
const catalogue = catalogueFromKwok(usualTypes(types));
const fragments = fragmentsOf(catalogue, numbers);
say(
  `${machine()}, ${load()}; ${numbers.nodes} nodes, ${numbers.pods} pods of ${fragments.workloads.length} Deployments`,
);
const found = new Map<SideName, Awaited<ReturnType<typeof measure>>>();
for (const name of SIDES.filter((each) => groups.has(each))) found.set(name, await measure(name, fragments));
const [peer, ours] = [found.get('karpenter'), found.get('ours')];
if (peer && ours) {
  say(`\nLower bound: ${ours.bound.toFixed(2)} USD an hour. Peer: Karpenter's own consolidation.\n`);
  say(tableOf(rowsOf(ours.outcome, peer.outcome, ours.bound, machinesOf(fragments, catalogue))));
}
