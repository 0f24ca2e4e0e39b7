import t from 'tap';
import {
  DRAINING,
  EVICTION_STATUS,
  HOSTNAME,
  IN_USE_BY,
  INSTALL_NAMESPACE,
  REMOVAL_TAINT,
} from '../../api/labels.ts';
import { CONFIG_MAPS, NODE_CLAIMS, NODES, PODS } from '../../api/resources.ts';
import { crashingClient } from '../../kentroller/testing/crash.ts';
import { createLogger } from '../../kube/component/log.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { up } from '../ground/ground.ts';
import { applyPool, dropPool, machinesReady, orderMachine, type PoolOptions } from '../support/fleet.ts';
import { createNamespace, deleteNamespace } from '../support/workload.ts';
import { looksAt, type Machine } from './machinelooks.ts';
import { startSession } from './session.ts';
import { openStage } from './stage.ts';

/** Node consolidation with real Karpenter: its three paths, what saves a node, and the feature off and on. */

const CONFIG = 'castai-kentroller-dynamic-config';
const NAMESPACE = 'consolidated';
const LONG = { timeoutMs: 180_000, everyMs: 250 };
const ground = await up({ name: 'consolidation', cloud: true });
const stage = await openStage(ground);
const { eventsOf, isGoing, says, waitFor } = looksAt(stage.client);

t.before(() => createNamespace(stage.client, NAMESPACE));
t.teardown(async () => {
  await deleteNamespace(stage.client, NAMESPACE).catch(() => undefined);
  stage.close();
  await ground.down();
});

const setFeature = (enabled: boolean): Promise<unknown> =>
  stage.client.apply(
    CONFIG_MAPS,
    {
      metadata: { name: CONFIG, namespace: INSTALL_NAMESPACE },
      data: { 'nodeConsolidation.enabled': String(enabled) },
    },
    { fieldManager: 'e2e', force: true },
  );

/** Machines of a NodePool of their own, and the names of their nodes. */
const machines = async (o: PoolOptions, count: number): Promise<ReadonlyMap<string, string>> => {
  const pool = await applyPool(stage.client, o);
  const names = Array.from({ length: count }, (_, index) => `${o.name}-${index + 1}`);
  for (const name of names) {
    await orderMachine(stage.client, pool, {
      name,
      instanceType: 'm5.large',
      zone: 'us-west-2a',
    });
  }
  const ready = await machinesReady(stage.client, names, 180_000);
  return new Map(ready.map(({ metadata, status }) => [metadata.name, status?.nodeName ?? '']));
};

const handOver = (node: string): Promise<unknown> =>
  stage.client.patch(
    NODES,
    { name: node },
    {
      metadata: { labels: { [EVICTION_STATUS]: 'done', [DRAINING]: 'evictor' } },
      spec: { unschedulable: true },
    },
  );

const first = (found: ReadonlyMap<string, string>): Machine => {
  const [entry] = found;
  if (!entry) throw new Error('no machine was ordered');
  return entry;
};

/** Lines of the log of its sessions. */
const lines: string[] = [];
const log = createLogger({
  component: 'session',
  level: 'info',
  to: { write: (line: string) => void lines.push(line) },
});

const open = (wrap?: Parameters<typeof startSession>[0]['wrap']) =>
  startSession({
    kubeconfig: stage.kubeconfig,
    cloud: stage.cloud,
    env: stage.env,
    hasFeatures: true,
    log,
    ...(wrap && { wrap }),
  });

t.test(
  'the evictor hands a node over: it goes once its last pod is gone and the feature is on',
  async (t) => {
    await setFeature(false);
    const [machine, second, empty] = [...(await machines({ name: 'handed', consolidateAfter: 'Never' }, 3))];
    if (!machine || !second || !empty) throw new Error('three machines were ordered');
    const [claim, node] = machine;
    const { providerID = '' } = (await stage.client.get(NODE_CLAIMS, { name: claim })).status ?? {};
    const pod = { name: 'late', namespace: NAMESPACE };
    await stage.client.create(PODS, {
      metadata: pod,
      spec: {
        nodeName: node,
        tolerations: [{ operator: 'Exists' }],
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image: 'pause' }],
      } as never,
    });
    const session = open();
    t.teardown(async () => {
      session.stop();
      await session.ended;
      await dropPool(stage.client, 'handed');
    });
    const reconciles = async (): Promise<number> =>
      Number(
        /reconcile_total\{controller="empty-node-deleter",result="success"\} (\d+)/.exec(
          await session.registry.metrics(),
        )?.[1] ?? 0,
      );
    /** Hands a node over while the feature is off. */
    const handOverInVain = async (given: Machine): Promise<void> => {
      const before = await reconciles();
      await handOver(given[1]);
      await waitFor('the controller has looked', given, async () => (await reconciles()) > before);
      t.same(
        (await eventsOf(given[1])).filter((event) => /^Node(Kept|Consol)/.test(event)),
        [],
        'it is off',
      );
    };
    await handOverInVain(machine);
    t.match(
      await session.registry.metrics(),
      /max_concurrent_reconciles\{controller="empty-node-deleter"\} 10/,
    );
    await setFeature(true);
    await waitFor('it says what keeps the node', machine, () => says(node, /NodeKept: .*consolidated\/late/));
    t.notOk(await isGoing(claim));
    await stage.client.delete(PODS, pod);
    await waitFor('the node goes', machine, () => isGoing(claim));
    t.ok(await says(node, /NodeConsolidated: .*the evictor has emptied it/));
    t.ok(
      lines.some((line) => line.includes('empty-node-deleter') && line.includes(node)),
      'its log has the name of its controller',
    );
    await waitFor('Karpenter ends its machine', machine, async () => {
      const left = await getOrUndefined(stage.client.get(NODES, { name: node }));
      const instances = await cloudOf(ground).control.instances();
      const instance = instances.find(({ id }) => providerID.endsWith(id));
      return left === undefined && (instance === undefined || instance.state === 'terminated');
    });

    const told = lines.length;
    await setFeature(false);
    await waitFor('it is off again', second, async () =>
      lines.slice(told).some((line) => line.includes('features applied')),
    );
    await handOverInVain(second);
    t.notOk(await isGoing(second[0]));
    await setFeature(true);
    await waitFor('the second goes', second, () => isGoing(second[0]));
    t.notOk(await isGoing(empty[0]), 'an empty node whose NodePool does not consolidate stays');
  },
);

t.test('killed before and after each write, a node that was handed over goes all the same', async (t) => {
  await setFeature(true);
  const machine = first(await machines({ name: 'deadly', consolidateAfter: 'Never' }, 1));
  const [claim, node] = machine;
  t.teardown(() => dropPool(stage.client, 'deadly'));
  await handOver(node);
  const deaths = new Set<string>();
  const isOver = new AbortController();
  const lives = (async () => {
    while (!isOver.signal.aborted) {
      const session = open((inner, end) =>
        crashingClient(
          inner,
          (write, moment) => {
            const key = `${moment} ${write.replace(/ [0-9a-f]{6}$/, '')}`;
            if (!/ (Node|NodeClaim) /.test(key) || deaths.has(key)) return false;
            deaths.add(key);
            return true;
          },
          end,
        ),
      );
      const stop = (): void => session.stop();
      isOver.signal.addEventListener('abort', stop, { once: true });
      if (isOver.signal.aborted) stop();
      await session.ended;
    }
  })();
  try {
    await waitFor('the node goes', machine, () => isGoing(claim));
  } finally {
    isOver.abort();
    await lives;
  }
  t.ok(deaths.size >= 5, `it died at ${[...deaths].join(', ')}`);
});

t.test('an empty node goes by ours before Karpenter looks twice, one that runs a pod stays', async (t) => {
  await setFeature(true);
  const found = await machines(
    { name: 'idle', consolidateAfter: '0s', consolidationPolicy: 'WhenEmpty', budgets: [{ nodes: '0' }] },
    3,
  );
  const [busy, ...idle] = [...found];
  if (!busy) throw new Error('no machine was ordered');
  await stage.client.create(PODS, {
    metadata: { name: 'busy', namespace: NAMESPACE },
    spec: {
      nodeSelector: { [HOSTNAME]: busy[1] },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', image: 'pause' }],
    } as never,
  });
  await waitFor('the pod runs', busy, async () => {
    const pod = await stage.client.get(PODS, { name: 'busy', namespace: NAMESPACE });
    return pod.spec.nodeName === busy[1];
  });
  const session = open();
  t.teardown(async () => {
    session.stop();
    await session.ended;
    await dropPool(stage.client, 'idle');
  });
  // The budget held all of them until now.
  await applyPool(stage.client, { name: 'idle', consolidateAfter: '0s', consolidationPolicy: 'WhenEmpty' });
  for (const machine of idle) {
    await waitFor(`${machine[0]} goes`, machine, () => isGoing(machine[0]));
  }
  const ours = await Promise.all(idle.map(([, node]) => says(node, /NodeConsolidated: .*it is empty/)));
  t.ok(ours.includes(true), 'Karpenter was not first at all of them');
  t.notOk(await isGoing(busy[0]), 'the node with the pod');
  const { spec, metadata } = await stage.client.get(NODES, { name: busy[1] });
  t.notOk(
    spec?.taints?.some(({ key }) => key === REMOVAL_TAINT),
    'is open',
  );
  t.equal(metadata.annotations?.[IN_USE_BY], undefined);
});

t.test('an expired node goes at its time by ours, also while Karpenter stands still', async (t) => {
  await setFeature(true);
  const pool = await applyPool(stage.client, { name: 'old', consolidateAfter: 'Never' });
  t.teardown(() => dropPool(stage.client, 'old'));
  const order = { name: 'old-1', instanceType: 'm5.large', zone: 'us-west-2a', expireAfter: '1m' };
  const { metadata } = await orderMachine(stage.client, pool, order);
  const node = await until(
    'the machine has a node',
    async () => (await stage.client.get(NODE_CLAIMS, { name: 'old-1' })).status?.nodeName,
    LONG,
  );
  const karpenter = ground.processes().find(({ name }) => name === 'karpenter');
  if (!karpenter) throw new Error('no process of the ground is called karpenter');
  // Karpenter deletes expired claims in the same second.
  process.kill(karpenter.pid, 'SIGSTOP');
  const session = open();
  try {
    await waitFor('our event is there', ['old-1', node], () =>
      says(node, /NodeConsolidated: .*its expireAfter has elapsed/),
    );
    t.ok(await isGoing('old-1'));
    const age = Date.now() - Date.parse(metadata.creationTimestamp ?? '');
    t.ok(age >= 60_000, `after ${Math.round(age / 1000)} s`);
  } finally {
    process.kill(karpenter.pid, 'SIGCONT');
    session.stop();
    await session.ended;
  }
});
