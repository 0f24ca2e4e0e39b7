import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodePool } from '../../api/objects.ts';
import { type Catalogue, catalogueFromKwok } from '../../planner/catalogue.ts';
import { provision } from '../../planner/provision.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makePool, makeSnapshot } from '../../planner/testcluster.ts';
import { scatteredCluster } from './clusters.ts';
import { instanceOf, type Kind, readTrace } from './instances.ts';
import { kwokCatalogue, type Peer, startPeer } from './karpenter.ts';

/** Families c, m, r newer than generation 2, for linux on amd64: what Karpenter's getting-started NodePool asks for. */
const isUsual = (type: { name: string; architecture: string; operatingSystems: string[] }): boolean =>
  type.operatingSystems.includes('linux') &&
  (type.architecture === 'amd64' || type.architecture === 'x86_64') &&
  /^[cmr][3-9]\d*[a-z0-9-]*\./.test(type.name);

const usualTypes = (file: string): unknown[] => {
  const names = new Set<string>();
  const all = JSON.parse(readFileSync(file, 'utf8')) as Parameters<typeof isUsual>[0][];
  return all
    .filter((type) => isUsual(type) && !names.has(type.name) && names.add(type.name))
    .map((type) => ({ ...type, architecture: 'amd64', operatingSystems: ['linux'] }));
};

const POOL: NodePool = makePool('default', {
  requirements: [
    { key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
    { key: 'kubernetes.io/os', operator: 'In', values: ['linux'] },
    { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
  ],
});

interface Row {
  readonly name: string;
  readonly isRuled: boolean;
  readonly ours: number;
  readonly first: number;
  readonly firstMs: number;
  readonly ms: number;
  readonly gap: number;
  readonly unplaced: number;
  readonly peer: number;
  readonly peerMs: number;
  readonly peerUnplaced: number;
}

const hourly = (monthly: string | undefined): number => Number(monthly ?? 0) / 730;

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
};

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** One instance, ours and the peer's, one after the other. */
const race = async (
  kind: Kind,
  count: number,
  seed: number,
  o: {
    trace: ReturnType<typeof readTrace>;
    catalogue: ReturnType<typeof catalogueFromKwok>;
    peer: Peer;
    budget: number;
  },
): Promise<Row> => {
  const instance = instanceOf(kind, count, seed, o.trace);
  const snapshot = makeSnapshot([], instance.pods, { nodePools: [POOL] });
  const solve = (timeBudgetMs: number) => {
    const started = performance.now();
    const result = provision({
      snapshot,
      catalogue: o.catalogue,
      now: 0,
      seed: 1,
      clock: () => performance.now(),
      timeBudgetMs,
      planName: 'bench',
    });
    return { result, ms: performance.now() - started };
  };
  const first = solve(0);
  const best = solve(o.budget);
  const peer = await o.peer.solve(instance.pods, POOL);
  if (peer.error) throw new Error(`${instance.name}: ${peer.error}`);
  return {
    name: instance.name,
    isRuled: instance.isRuled,
    ours: hourly(best.result.plan?.savings.projectedMonthlyCost),
    first: hourly(first.result.plan?.savings.projectedMonthlyCost),
    firstMs: first.ms,
    ms: best.ms,
    gap: Number(best.result.plan?.savings.gapPercent),
    unplaced: best.result.unplaced.length,
    peer: peer.hourly,
    peerMs: peer.milliseconds,
    peerUnplaced: peer.unplaced,
  };
};

const summarize = (title: string, rows: readonly Row[]): void => {
  if (rows.length === 0) return;
  const ratio = rows.map((row) => row.ours / row.peer);
  const notDearer = ratio.filter((r) => r <= 1 + 1e-9).length / rows.length;
  print(
    `${title}: ${rows.length} instances; cheaper or equal on ${(100 * notDearer).toFixed(1)} %; ` +
      `cost against Karpenter median ${(100 * (quantile(ratio, 0.5) - 1)).toFixed(1)} %, worst ${(100 * (Math.max(...ratio) - 1)).toFixed(1)} %; ` +
      `gap to bound median ${quantile(
        rows.map((row) => row.gap),
        0.5,
      ).toFixed(1)} %, p95 ${quantile(
        rows.map((row) => row.gap),
        0.95,
      ).toFixed(1)} %`,
  );
};

/** Rebalancing: time, memory and gap. */
const rebalances = async (catalogue: Catalogue): Promise<void> => {
  print(
    'rebalance | pods | budget ms | ms | before $/h | after $/h | gap % | nodes removed | pods moved | peak MB',
  );
  for (const [nodes, pods, timeBudgetMs] of [
    [100, 1500, 800],
    [2000, 30_000, 8000],
  ] as const) {
    const snapshot = scatteredCluster(nodes, pods, 3);
    const started = performance.now();
    const { plan } = rebalance({
      snapshot,
      catalogue,
      now: 0,
      seed: 1,
      clock: () => performance.now(),
      timeBudgetMs,
      planName: 'bench',
    });
    const ms = performance.now() - started;
    const { savings, spec } = plan ?? {};
    print(
      `${nodes} nodes | ${snapshot.pods.length} | ${timeBudgetMs} | ${ms.toFixed(0)} | ${hourly(savings?.currentClusterMonthlyCost).toFixed(2)} | ` +
        `${hourly(savings?.projectedClusterMonthlyCost).toFixed(2)} | ${savings?.gapPercent} | ${spec?.nodeClaimsToDelete?.length} | ` +
        `${spec?.podsToMigrate?.length} | ${(process.resourceUsage().maxRSS / 1024).toFixed(0)}`,
    );
  }
};

/** Time against pods, for the first answer. */
const growth = (catalogue: Catalogue): void => {
  print('growth of the first answer | pods | ms | ms per 1,000 pods');
  for (const count of [1000, 2000, 5000, 10_000, 20_000]) {
    const snapshot = makeSnapshot([], instanceOf('workloads', count, 1, null).pods, { nodePools: [POOL] });
    const started = performance.now();
    provision({
      snapshot,
      catalogue,
      now: 0,
      seed: 1,
      clock: () => performance.now(),
      timeBudgetMs: 0,
      planName: 'bench',
    });
    const ms = performance.now() - started;
    print(`workloads | ${count} | ${ms.toFixed(0)} | ${((1000 * ms) / count).toFixed(1)}`);
  }
};

const main = async (): Promise<void> => {
  const traceFile =
    process.argv[2] ?? process.env.ALIBABA_TRACE ?? '../shared/data/alibaba-openb-pods-cpu050.csv';
  const seeds = Number(process.env.BENCH_SEEDS ?? 3);
  const sizes = (process.env.BENCH_SIZES ?? '100,300,1000,2000,5000').split(',').map(Number);
  const budget = Number(process.env.BENCH_BUDGET_MS ?? 2000);
  const trace = readTrace(traceFile);
  if (!trace)
    print(
      `The trace ${traceFile} is not there: instances of it are left out. Give its path as argument or ALIBABA_TRACE.`,
    );
  const folder = mkdtempSync(join(tmpdir(), 'bench-planner-'));
  try {
    const types = usualTypes(kwokCatalogue());
    const file = join(folder, 'types.json');
    writeFileSync(file, JSON.stringify(types));
    const peer = startPeer(folder, file);
    const catalogue = catalogueFromKwok(types);
    print(
      `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}; ${types.length} instance types; budget ${budget} ms, one core`,
    );
    print('instance | Karpenter $/h | ms | ours $/h | ms | first $/h | ms | gap % | unplaced ours/Karpenter');
    const rows: Row[] = [];
    for (const kind of ['trace', 'diverse', 'workloads', 'ruled'] as const) {
      if (kind === 'trace' && !trace) continue;
      for (const count of sizes) {
        for (let seed = 1; seed <= (count >= 5000 ? 1 : seeds); seed += 1) {
          const row = await race(kind, count, seed, { trace, catalogue, peer, budget });
          rows.push(row);
          print(
            `${row.name} | ${row.peer.toFixed(3)} | ${row.peerMs.toFixed(0)} | ${row.ours.toFixed(3)} | ${row.ms.toFixed(0)} | ` +
              `${row.first.toFixed(3)} | ${row.firstMs.toFixed(0)} | ${row.gap} | ${row.unplaced}/${row.peerUnplaced}`,
          );
        }
      }
    }
    peer.close();
    print('');
    await rebalances(catalogue);
    growth(catalogue);
    print('');
    summarize(
      'without rules',
      rows.filter((row) => !row.isRuled),
    );
    summarize(
      'with spread and anti-affinity',
      rows.filter((row) => row.isRuled),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

await main();
