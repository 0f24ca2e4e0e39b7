import { Registry } from 'prom-client';
import t from 'tap';
import type { Node } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import { createAwsQueue } from '../../cloud/aws/sqs/queue.ts';
import { queueMessages } from '../../kentroller/spotprediction/metrics.ts';
import { markOf } from '../../kentroller/spotprediction/signal.ts';
import { createInstanceFinder, noteSignal } from '../../kentroller/spotprediction/sources/instances.ts';
import { createQueueSource } from '../../kentroller/spotprediction/sources/queue.ts';
import { memoryCaches } from '../../kentroller/testing/memorycaches.ts';
import { randomFrom } from '../../kentroller/testing/spotreplay.ts';
import { createLogger } from '../../kube/component/log.ts';
import { MemoryApi, typed } from '../../kube/testing/memory/api.ts';
import { type Call, memoryClient } from '../../kube/testing/memory/client.ts';
import { until } from '../../kube/testing/until.ts';
import { createAwsListener, listen } from '../ground/aws/endpoint.ts';
import { createRegion, type Region } from '../ground/aws/region.ts';
import { predictionQueueNameOf } from '../ground/aws/services/sqs.ts';

/** The queue of our own against the ground's SQS: bursts, doubled, foreign and broken messages, and an API server that refuses. */

t.setTimeout(900_000);

const NOW = Date.parse('2026-11-30T12:00:00Z');
const log = createLogger({ component: 'test', level: 'silent' });
const idOf = (n: number): string => `i-${n.toString(16).padStart(17, '0')}`;

const noticeOf = (instanceId: string, type = 'EC2 Instance Rebalance Recommendation', ageMs = 0): string =>
  JSON.stringify({
    version: '0',
    source: 'aws.ec2',
    'detail-type': type,
    time: new Date(NOW - ageMs).toISOString(),
    resources: [`arn:aws:ec2:us-west-2:0:instance/${instanceId}`],
    detail: { 'instance-id': instanceId },
  });

interface Scene {
  readonly region: Region;
  readonly clock: { now: number };
  readonly api: MemoryApi;
  /** Counts of messages by what became of them. */
  fates(): Promise<Readonly<Record<string, number>>>;
  /** A life of the reader, with what happens before each request to the API server. */
  start(before?: (call: Call) => void): { end(): void; news(): number };
  marked(): readonly string[];
}

const open = async (t: Pick<typeof import('tap').t, 'teardown'>, nodes: number): Promise<Scene> => {
  const clock = { now: NOW };
  const region = createRegion({
    name: 'us-west-2',
    zones: ['us-west-2a'],
    types: new Map(),
    cluster: {
      name: 'c',
      endpoint: '',
      version: '1.36',
      serviceCidr: '10.0.0.0/24',
      certificateAuthority: '',
    },
    seed: 1,
    now: () => clock.now,
    shouldReuseAddresses: false,
  });
  const { url, close } = await listen(createAwsListener(region), '127.0.0.1', 0);
  const api = new MemoryApi({ now: () => clock.now });
  for (let n = 0; n < nodes; n += 1) {
    const labels = { 'karpenter.sh/capacity-type': 'spot' };
    api.create(
      NODES,
      typed(NODES, {
        metadata: { name: `n-${n}`, labels },
        spec: { providerID: `aws:///us-west-2a/${idOf(n)}` },
      }),
    );
  }
  const registry = new Registry();
  const lives: AbortController[] = [];
  t.teardown(async () => {
    for (const life of lives) life.abort();
    await close();
  });
  return {
    region,
    clock,
    api,
    fates: async () => {
      const values =
        (await registry.getSingleMetric('kentroller_interruption_messages_total')?.get())?.values ?? [];
      return Object.fromEntries(values.map(({ labels, value }) => [String(labels.fate), value]));
    },
    start: (before = () => {}) => {
      const life = new AbortController();
      lives.push(life);
      const { caches } = memoryCaches(api);
      const client = memoryClient(api, async (call, serve) => {
        life.signal.throwIfAborted();
        before(call);
        return serve();
      });
      let news = 0;
      createQueueSource({
        queue: createAwsQueue({
          url: `${url}/000000000000/${predictionQueueNameOf('c')}`,
          region: 'us-west-2',
          credentials: async () => ({ accessKeyId: 'ground', secretAccessKey: 'ground' }),
        }),
        whereIs: createInstanceFinder(caches, () => clock.now),
        note: (signal) =>
          noteSignal({ client, caches, clock: { now: () => clock.now }, signal: life.signal }, signal),
        onSignal: () => {
          news += 1;
        },
        messages: queueMessages(registry),
        log,
        now: () => clock.now,
      }).open(life.signal);
      return { end: () => life.abort(), news: () => news };
    },
    marked: () =>
      api
        .list<Node>(NODES)
        .filter((node) => markOf(node, clock.now)?.heard['rebalance-recommendation'] !== undefined)
        .map(({ metadata }) => metadata.name),
  };
};

const SLOW = { timeoutMs: 600_000, everyMs: 50 };
/**
 * `ticks`: time goes on meanwhile, so that a message comes back which the open request of a reader that has ended took with it.
 */
const isEmpty = ({ region, clock }: Scene, { ticks = false } = {}) =>
  until(
    'the queue is empty',
    () => {
      if (ticks) clock.now += 1_000;
      if (region.predictionQueue.size > 0)
        throw new Error(`${region.predictionQueue.size} messages are left`);
      return true;
    },
    SLOW,
  );

t.test(
  '15,000 messages in a burst, half of them foreign, doubled or broken: nothing is left undone',
  async (t) => {
    const NODES_HIT = 2_500;
    const scene = await open(t, 3_000);
    const random = randomFrom(16);
    const bodies = [
      // Each of these nodes is told of three times.
      ...Array.from({ length: 3 * NODES_HIT }, (_, n) => noticeOf(idOf(n % NODES_HIT))),
      ...Array.from({ length: 4_000 }, (_, n) => noticeOf(idOf(100_000 + n), undefined, 120_000)),
      ...Array.from({ length: 2_000 }, (_, n) =>
        JSON.stringify({ ...JSON.parse(noticeOf(idOf(n))), source: 'aws.s3' }),
      ),
      ...Array.from({ length: 1_500 }, (_, n) => noticeOf(idOf(n)).slice(0, 40 + (n % 100))),
    ];
    t.equal(bodies.length, 15_000);
    for (const body of bodies.map((text) => [random(), text] as const).toSorted(([a], [b]) => a - b)) {
      scene.region.predictionQueue.send(body[1]);
    }
    const since = performance.now();
    const cpu = process.cpuUsage();
    const life = scene.start();
    await isEmpty(scene);
    const seconds = (performance.now() - since) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const fates = await scene.fates();
    t.comment(
      `${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of CPU with the server: ${JSON.stringify(fates)}`,
    );
    t.equal(scene.marked().length, NODES_HIT);
    t.match(fates, { acted: NODES_HIT, known: 2 * NODES_HIT, foreign: 6_000, broken: 1_500, waiting: 0 });
    t.equal(life.news(), NODES_HIT);
  },
);

t.test(
  'a message is deleted only once it is stored: refused writes and deaths leave it in the queue',
  async (t) => {
    const scene = await open(t, 40);
    for (let n = 0; n < 40; n += 1) scene.region.predictionQueue.send(noticeOf(idOf(n)));
    let refused = 0;
    const first = scene.start((call) => {
      if (call.verb === 'patch' && refused++ < 25) throw new Error('the API server is away');
    });
    await until(
      '25 writes were refused',
      () => refused >= 25 && scene.region.predictionQueue.size === 25,
      SLOW,
    );
    t.equal(scene.marked().length, 15, 'what was stored is deleted, and nothing else');
    first.end();
    scene.clock.now += 61_000;
    let writes = 0;
    const second = scene.start((call) => {
      if (call.verb === 'patch' && ++writes === 5) second.end();
    });
    await until('it has died', () => writes >= 5, SLOW);
    t.ok(scene.region.predictionQueue.size >= 20, 'a message of the dead is still there');
    scene.clock.now += 61_000;
    scene.start();
    await isEmpty(scene, { ticks: true });
    t.equal(scene.marked().length, 40);
  },
);

t.test(
  'a machine that is just being made is waited for; one that nobody knows is foreign after a minute',
  async (t) => {
    const scene = await open(t, 0);
    scene.region.predictionQueue.send(noticeOf(idOf(7)));
    const first = scene.start();
    await until('it waits', async () => ((await scene.fates()).waiting ?? 0) === 1, SLOW);
    t.equal(scene.region.predictionQueue.size, 1);
    first.end();
    scene.api.create(
      NODES,
      typed(NODES, {
        metadata: { name: 'late', labels: { 'karpenter.sh/capacity-type': 'spot' } },
        spec: { providerID: `aws:///us-west-2a/${idOf(7)}` },
      }),
    );
    scene.region.predictionQueue.send(noticeOf(idOf(8)));
    scene.clock.now += 61_000;
    scene.start();
    await isEmpty(scene, { ticks: true });
    t.same(scene.marked(), ['late']);
    t.match(await scene.fates(), { acted: 1, foreign: 1 });
  },
);
