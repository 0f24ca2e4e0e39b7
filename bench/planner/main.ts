import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Catalogue, catalogueFromKwok } from '../../planner/model/catalogue.ts';
import { provision } from '../../planner/provision.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeSnapshot } from '../../planner/testing/builders.ts';
import { type BenchClock, clockOf } from './clock.ts';
import { scatteredCluster } from './clusters.ts';
import { instanceOf, type Kind, readTrace } from './instances.ts';
import { kwokCatalogue, startPeer } from './karpenter.ts';
import { HEADER, hourly, lineOf, type Row, race, summaryOf, warmUp } from './race.ts';
import { POOL, usualTypes } from './types.ts';

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Plans of each kind before the first race, so that the code is compiled. */
const WARM_UPS = 50;

/** Measures rebalancing: time, memory and gap to the bound. */
const rebalances = (catalogue: Catalogue, clock: BenchClock): void => {
  print(
    'rebalance | pods | budget ms | ms | before $/h | after $/h | gap % | nodes removed | pods moved | peak MB',
  );
  for (const [nodes, pods, timeBudgetMs] of [
    [100, 1500, 600],
    [2000, 30_000, 8000],
  ] as const) {
    const snapshot = scatteredCluster(nodes, pods, 3);
    const started = clock.now();
    const { plan } = rebalance({
      snapshot,
      catalogue,
      now: 0,
      seed: 1,
      clock: clock.now,
      timeBudgetMs,
      planName: 'bench',
    });
    const ms = clock.now() - started;
    const { savings, spec } = plan ?? {};
    print(
      `${nodes} nodes | ${snapshot.pods.length} | ${timeBudgetMs} | ${ms.toFixed(0)} | ${hourly(savings?.currentClusterMonthlyCost).toFixed(2)} | ` +
        `${hourly(savings?.projectedClusterMonthlyCost).toFixed(2)} | ${savings?.gapPercent} | ${spec?.nodeClaimsToDelete?.length} | ` +
        `${spec?.podsToMigrate?.length} | ${(process.resourceUsage().maxRSS / 1024).toFixed(0)}`,
    );
  }
};

/** Measures how the time of the first answer grows with the pods: the median of five. */
const growth = (catalogue: Catalogue, clock: BenchClock): void => {
  print('growth of the first answer | pods | ms | ms per 1,000 pods');
  for (const kind of ['workloads', 'diverse'] as const) {
    for (const count of [1000, 2000, 5000, 10_000, 20_000]) {
      const snapshot = makeSnapshot([], instanceOf(kind, count, 1, undefined).pods, { nodePools: [POOL] });
      const times = Array.from({ length: 5 }, () => {
        const started = clock.now();
        provision({
          snapshot,
          catalogue,
          now: 0,
          seed: 1,
          clock: clock.now,
          timeBudgetMs: 0,
          planName: 'bench',
        });
        return clock.now() - started;
      });
      const ms = times.sort((a, b) => a - b)[2] ?? Number.NaN;
      print(`${kind} | ${count} | ${ms.toFixed(0)} | ${((1000 * ms) / count).toFixed(1)}`);
    }
  }
};

/** Seeds as numbers: `3` stands for 1 to 3, `4-6` for 4 to 6. */
const seedsOf = (text: string): number[] => {
  const [from, to] = text.includes('-') ? text.split('-').map(Number) : [1, Number(text)];
  return Array.from({ length: (to ?? 1) - (from ?? 1) + 1 }, (_, n) => (from ?? 1) + n);
};

const races = async (
  folder: string,
  types: unknown[],
  catalogue: Catalogue,
  clock: BenchClock,
): Promise<void> => {
  const traceFile =
    process.argv[2] ?? process.env.ALIBABA_TRACE ?? '../shared/data/alibaba-openb-pods-cpu050.csv';
  const seeds = seedsOf(process.env.BENCH_SEEDS ?? '3');
  const sizes = (process.env.BENCH_SIZES ?? '100,300,1000,2000,5000').split(',').map(Number);
  const kinds = (process.env.BENCH_KINDS ?? 'trace,diverse,workloads,ruled').split(',') as Kind[];
  const budget = Number(process.env.BENCH_BUDGET_MS ?? 2000);
  const trace = readTrace(traceFile);
  if (!trace) {
    print(
      `The trace ${traceFile} is missing, so its instances are left out. Give its path as argument or in ALIBABA_TRACE.`,
    );
  }
  const file = join(folder, 'types.json');
  writeFileSync(file, JSON.stringify(types));
  const peer = startPeer(folder, file);
  print(`budget ${budget} ms`);
  print(HEADER);
  for (const kind of ['diverse', 'workloads', 'ruled'] as const) {
    warmUp(instanceOf(kind, 300, 0, undefined), catalogue, WARM_UPS);
  }
  await race(instanceOf('diverse', 300, 0, undefined), { catalogue, peer, budget: 300, clock });
  const rows: Row[] = [];
  for (const kind of kinds.filter((name) => name !== 'trace' || trace)) {
    for (const count of sizes) {
      for (const seed of count >= 5000 ? seeds.slice(0, 1) : seeds) {
        const row = await race(instanceOf(kind, count, seed, trace), { catalogue, peer, budget, clock });
        rows.push(row);
        print(lineOf(row));
      }
    }
  }
  peer.close();
  for (const [title, isRuled] of [
    ['without rules', false],
    ['with spread and anti-affinity', true],
  ] as const) {
    const found = rows.filter((row) => row.isRuled === isRuled);
    if (found.length > 0) print(summaryOf(title, found));
  }
};

const main = async (): Promise<void> => {
  const parts = (process.env.BENCH_PARTS ?? 'races,rebalances,growth').split(',');
  const clock = clockOf(process.env.BENCH_CLOCK);
  const folder = mkdtempSync(join(tmpdir(), 'bench-planner-'));
  try {
    const types = usualTypes(JSON.parse(readFileSync(kwokCatalogue(), 'utf8')));
    const catalogue = catalogueFromKwok(types);
    print(
      `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}; ${types.length} instance types; one core; ${clock.name} time`,
    );
    if (parts.includes('races')) await races(folder, types, catalogue, clock);
    if (parts.includes('rebalances')) rebalances(catalogue, clock);
    if (parts.includes('growth')) growth(catalogue, clock);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

await main();
