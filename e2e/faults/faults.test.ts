import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS, NAMESPACES } from '../../api/resources.ts';
import { type Cache, createCache } from '../../kube/cache/cache.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { ApiProxy } from '../../kube/testing/apiproxy.ts';
import { upstreamOf, writeKubeconfig } from '../../kube/testing/kubeconfig.ts';
import { paced } from '../../kube/testing/pace.ts';
import { up } from '../ground/ground.ts';
import { lackHere } from '../run/needs.ts';
import { differences, Ledger, stateOf } from './ledger.ts';
import { FaultProxy } from './proxy.ts';
import { seeded } from './random.ts';
import { type Field, pick, ROUNDS } from './rounds.ts';
import { Writer } from './writer.ts';

const isSoak = process.env.SOAK === '1';
const ROUND_COUNT = Number(process.env.FAULT_ROUNDS ?? (isSoak ? 2000 : 200));
const SEED = Number(process.env.FAULT_SEED ?? 20_261_122);
const CONVERGE_MS = 30_000;
// Between the first rounds, in which pools and code warm up, and the last.
const HEAP_GROWTH_BYTES = 8_000_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

t.setTimeout(0);

interface Subject {
  readonly name: string;
  readonly cache: Cache<ConfigMap>;
  readonly ledger: Ledger;
}

const skip = await lackHere('processes of the control plane');

t.test(`the cache holds through ${ROUND_COUNT} rounds of faults, seed ${SEED}`, { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'faults-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const ground = await up({ name: `faults-${process.pid}`, cloud: false, realNode: false });
  t.teardown(() => ground.down());

  const upstream = upstreamOf(ground.kubeconfig);
  const api = await ApiProxy.to(upstream);
  t.teardown(() => api.close());
  const tcp = await FaultProxy.to({ host: '127.0.0.1', port: api.port });
  t.teardown(() => tcp.close());
  const kubeconfig = writeKubeconfig(join(directory, 'kubeconfig'), {
    server: `https://127.0.0.1:${tcp.port}`,
    ca: api.certificate,
  });

  const direct = connect({ kubeconfig: ground.kubeconfig, userAgent: 'faults-direct' });
  t.teardown(() => direct.close());
  const namespace = 'faults';
  await direct.create(NAMESPACES, { metadata: { name: namespace } });

  const client = connect({ kubeconfig, userAgent: 'faults', inactivityMs: 800 });
  t.teardown(() => client.close());
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const log = createLogger({ component: 'faults', level: process.env.FAULT_LOG ?? 'silent' });
  const subjects = [true, false].map((canStreamLists): Subject => {
    const ledger = new Ledger();
    const cache = createCache<ConfigMap>({
      client,
      resource: CONFIG_MAPS,
      namespace,
      log,
      inactivityMs: 800,
      backoff: { firstMs: 10, maxMs: 200 },
      canStreamLists,
    });
    cache.onChange((change) => ledger.record(change));
    cache.start(stop.signal);
    return { name: canStreamLists ? 'streamed' : 'paged', cache, ledger };
  });

  const random = seeded(SEED);
  const writer = new Writer(direct, namespace, random);
  const field: Field = { tcp, api, ground, random, write: (times) => writer.write(times) };

  const wrongs = async (): Promise<string[]> => {
    const truth = stateOf((await direct.list(CONFIG_MAPS, { namespace })).items);
    return subjects.flatMap(({ name, cache, ledger }) => [
      ...differences(truth, stateOf(cache.list())).map((d) => `${name} cache: ${d}`),
      ...differences(truth, ledger.state()).map((d) => `${name} handlers: ${d}`),
    ]);
  };
  const converge = async (what: string): Promise<void> => {
    const deadline = performance.now() + paced(CONVERGE_MS);
    let left = await wrongs();
    while (left.length > 0 && performance.now() < deadline) {
      await sleep(20);
      left = await wrongs();
    }
    const told = subjects.flatMap(({ name, ledger }) => ledger.faults.map((f) => `${name}: ${f}`));
    if (left.length > 0 || told.length > 0) throw new Error(`${what}: ${[...left, ...told].join('; ')}`);
  };

  const seen = new Map<string, number>();
  let heapBefore = 0;
  for (let n = 1; n <= ROUND_COUNT; n++) {
    // Each kind once at first, then as the seed decides.
    const round = ROUNDS[n - 1] ?? pick(random);
    seen.set(round.name, (seen.get(round.name) ?? 0) + 1);
    await round.run(field);
    api.set(undefined);
    tcp.set({ kind: 'clear' });
    await converge(`round ${n}, ${round.name}`);
    if (n === Math.min(50, ROUND_COUNT)) {
      collectGarbage();
      heapBefore = process.memoryUsage().heapUsed;
    }
  }
  for (const [name, count] of seen) t.comment(`${count} × ${name}`);
  for (const { name, ledger } of subjects)
    t.ok(ledger.changes > ROUND_COUNT, `${name}: ${ledger.changes} changes told`);

  collectGarbage();
  const growth = process.memoryUsage().heapUsed - heapBefore;
  t.ok(growth < HEAP_GROWTH_BYTES, `the heap grew by ${Math.round(growth / 1000)} kB`);
  t.ok(tcp.connections <= 6, `${tcp.connections} connections are open: two watches and what lists used`);

  stop.abort();
  for (const { ledger } of subjects) ledger.close();
  const after = connect({ kubeconfig, userAgent: 'faults-after' });
  t.teardown(() => after.close());
  const witness = createCache({ client: after, resource: CONFIG_MAPS, namespace, log });
  const ended = new AbortController();
  t.teardown(() => ended.abort());
  witness.start(ended.signal);
  await witness.synced();
  await writer.write(20);
  const truth = stateOf((await direct.list(CONFIG_MAPS, { namespace })).items);
  const deadline = performance.now() + paced(CONVERGE_MS);
  while (differences(truth, stateOf(witness.list())).length > 0 && performance.now() < deadline)
    await sleep(20);
  t.same(
    differences(truth, stateOf(witness.list())),
    [],
    'a cache that still runs sees what is written after the stop',
  );
  for (const { name, ledger } of subjects) t.same(ledger.faults, [], `${name}: no handler ran after stop`);
});
