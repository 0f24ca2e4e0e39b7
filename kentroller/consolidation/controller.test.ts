import t from 'tap';
import { ownerMark } from '../../api/identity/ownermark.ts';
import { IN_USE_BY, REMOVAL_TAINT, SELECTED_NODE } from '../../api/labels.ts';
import {
  CAPACITY_BUFFERS,
  NODE_CLAIMS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  POD_TEMPLATES,
  PODS,
  REBALANCE_PLANS,
} from '../../api/resources.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { ConsolidationWorld } from '../testing/consolidationworld.ts';
import { crashingClient } from '../testing/crash.ts';

type Test = Pick<typeof t, 'equal' | 'notOk' | 'match' | 'ok' | 'same'>;

const isClosed = ({ api }: ConsolidationWorld, name: string): boolean =>
  api.find(NODES, { name: `node-${name}` })?.spec?.taints?.some(({ key }) => key === REMOVAL_TAINT) ?? false;

/** The node stands, and nothing of ours is left on it. */
const checkOpen = (test: Test, world: ConsolidationWorld, name: string, why: string): void => {
  test.notOk(world.isDeleting(name), `its claim stands: ${why}`);
  test.notOk(isClosed(world, name), 'it is open');
  test.equal(world.api.get(NODE_CLAIMS, { name }).metadata.annotations?.[IN_USE_BY], undefined, 'it is free');
};

const opened = (): ConsolidationWorld => {
  const world = new ConsolidationWorld();
  world.pool();
  return world;
};

t.test('an empty node is closed, looked at again and deleted; one with a pod is not', async (t) => {
  const world = opened();
  world.machine('idle');
  world.machine('busy');
  world.pod('p', { spec: { nodeName: 'node-busy' } });
  world.start();
  await world.pass(3);
  t.ok(isClosed(world, 'idle'));
  t.notOk(world.isDeleting('idle'), 'not before bindings have settled');
  await world.pass(4);
  t.ok(world.isDeleting('idle'));
  checkOpen(t, world, 'busy', 'it runs a pod');
  t.match(world.events, [/node-idle NodeConsolidated: .*it is empty/]);
});

/** What comes to a node between the taint and the deletion, and saves it. */
const SAVIOURS: Readonly<Record<string, (world: ConsolidationWorld) => void>> = {
  'a pod that tolerates every taint is bound': (world) => {
    world.pod('late', { spec: { nodeName: 'node-idle' } });
  },
  'a pod is nominated': (world) => {
    world.pod('late', { status: { nominatedNodeName: 'node-idle' } });
  },
  'a pod is bound that ends at once': (world) => {
    world.pod('late', { spec: { nodeName: 'node-idle' } });
    world.api.delete(PODS, { name: 'late', namespace: 'shop' });
  },
  'a volume is made for it': (world) => {
    world.pod('late', {
      cpu: 99,
      spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] },
    });
    world.api.create(
      PERSISTENT_VOLUME_CLAIMS,
      typed(PERSISTENT_VOLUME_CLAIMS, {
        metadata: { name: 'data', namespace: 'shop', annotations: { [SELECTED_NODE]: 'node-idle' } },
        status: { phase: 'Pending' },
      }),
    );
  },
  'a pod waits that has room nowhere else': (world) => {
    world.pod('late', {
      status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] },
    });
  },
  'a CapacityBuffer wants its room': (world) => {
    world.api.create(
      POD_TEMPLATES,
      typed(POD_TEMPLATES, {
        metadata: { name: 'chunk', namespace: 'shop' },
        template: { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] } },
      }),
    );
    world.api.create(
      CAPACITY_BUFFERS,
      typed(CAPACITY_BUFFERS, {
        metadata: { name: 'buffer', namespace: 'shop' },
        spec: { podTemplateRef: { name: 'chunk' } },
        status: { replicas: 1, conditions: [{ type: 'ReadyForProvisioning', status: 'True' }] },
      }),
    );
  },
  'a user forbids it': (world) => {
    world.api.patch(
      NODES,
      { name: 'node-idle' },
      { metadata: { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } } },
    );
  },
  'the feature is turned off': (world) => {
    world.isEnabled = false;
  },
};

for (const [name, come] of Object.entries(SAVIOURS)) {
  t.test(`a closed node is saved and opened again when ${name}`, async (t) => {
    const world = opened();
    world.machine('idle');
    world.start();
    await world.pass(2);
    t.ok(isClosed(world, 'idle'));
    // Behind the caches' back, so that only the last look can see it.
    world.deliver();
    let hasCome = false;
    world.before = ({ verb, resource }) => {
      if (hasCome || verb !== 'list' || resource.kind !== 'CapacityBuffer') return;
      hasCome = true;
      come(world);
    };
    world.now += 4_000;
    await world.settle();
    t.ok(hasCome, 'the last look has begun');
    await world.pass(1);
    checkOpen(t, world, 'idle', name);
    t.match(world.events, [/node-idle NodeKept/]);
  });
}

t.test('a pod that is bound during the last look saves its node by the precondition', async (t) => {
  const world = opened();
  world.machine('idle');
  world.start();
  await world.pass(2);
  world.before = ({ verb, resource }) => {
    if (verb !== 'delete' || resource.kind !== 'NodeClaim') return;
    world.before = () => {};
    world.pod('late', { spec: { nodeName: 'node-idle' } });
    // Karpenter notes on the claim when a pod came or went.
    world.api.edit(NODE_CLAIMS, { name: 'idle' }, (claim) => ({
      ...claim,
      status: { ...claim.status, lastPodEventTime: new Date(world.now).toISOString() },
    }));
  };
  await world.pass(10);
  checkOpen(t, world, 'idle', 'the pod came');
});

t.test('a volume that nobody waits for keeps no node', async (t) => {
  const world = opened();
  world.machine('idle');
  SAVIOURS['a volume is made for it']?.(world);
  world.api.delete(PODS, { name: 'late', namespace: 'shop' }, { gracePeriodSeconds: 0 });
  world.start();
  await world.pass(10);
  t.ok(world.isDeleting('idle'));
});

t.test('a plan and node consolidation never have a node both', async (t) => {
  const world = opened();
  world.machine('idle');
  world.machine('planned');
  const plan = world.api.create(
    REBALANCE_PLANS,
    typed(REBALANCE_PLANS, { metadata: { name: 'plan' }, spec: { execute: true } }),
  );
  const metadata = { annotations: { [IN_USE_BY]: ownerMark(plan) } };
  world.api.patch(NODE_CLAIMS, { name: 'planned' }, { metadata });
  world.machine('named');
  world.api.create(
    REBALANCE_PLANS,
    typed(REBALANCE_PLANS, {
      metadata: { name: 'other' },
      spec: { execute: true, nodeClaimsToDelete: [{ nodeClaimName: 'named' }] },
    }),
  );
  world.api.edit(REBALANCE_PLANS, { name: 'other' }, (plan) => ({
    ...plan,
    status: { state: 'Running' as const },
  }));
  world.start();
  await world.pass(2);
  t.match(
    world.api.get(NODE_CLAIMS, { name: 'idle' }).metadata.annotations?.[IN_USE_BY],
    /^node-consolidation/,
  );
  await world.pass(10);
  t.ok(world.isDeleting('idle'));
  t.notOk(world.isDeleting('planned'), 'one that a plan has taken');
  t.notOk(isClosed(world, 'planned'));
  checkOpen(t, world, 'named', 'a running plan names it');
  world.api.patch(NODE_CLAIMS, { name: 'planned' }, { metadata: { annotations: { [IN_USE_BY]: null } } });
  await world.pass(10);
  t.ok(world.isDeleting('planned'), 'once the plan has freed it');
});

t.test('disruption budgets for empty nodes hold, whatever is looked at at once', async (t) => {
  const world = new ConsolidationWorld();
  world.pool({ budgets: [{ nodes: '2', reasons: ['Empty'] }] });
  const names = Array.from({ length: 8 }, (_, index) => `idle-${index}`);
  for (const name of names) world.machine(name);
  world.start();
  await world.pass(60);
  t.equal(names.filter((name) => world.isDeleting(name)).length, 2);
  t.equal(
    names.filter((name) => isClosed(world, name) && !world.isDeleting(name)).length,
    0,
    'the rest is open',
  );
});

t.test('one node is kept for a buffer that needs one of many, and it is never closed', async (t) => {
  const world = opened();
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) world.machine(name);
  SAVIOURS['a CapacityBuffer wants its room']?.(world);
  world.start();
  let leastOpen = names.length;
  await world.pass(90, () => {
    const open = names.filter((name) => !world.isDeleting(name) && !isClosed(world, name));
    leastOpen = Math.min(leastOpen, open.length);
  });
  t.equal(names.filter((name) => !world.isDeleting(name)).length, 1);
  t.equal(leastOpen, 1, 'a node was open for it all the time');
});

t.test('an expired node goes at its time, with its pods', async (t) => {
  const world = opened();
  world.machine('old', { expireAfter: '90s', consolidatable: false });
  world.pod('p', { spec: { nodeName: 'node-old' } });
  world.start();
  await world.pass(89);
  t.notOk(world.isDeleting('old'));
  await world.pass(2);
  t.ok(world.isDeleting('old'));
});

/** The same end, dying once before and once after each write. */
const dieAtEachWrite = async (
  world: ConsolidationWorld,
  isDone: () => boolean,
): Promise<readonly string[]> => {
  const deaths = new Set<string>();
  world.wrap = (client) =>
    crashingClient(
      client,
      (write, moment) => {
        const key = `${moment} ${write.replace(/ [0-9a-f]{6}$/, '')}`;
        if (deaths.has(key)) return false;
        deaths.add(key);
        return true;
      },
      () => {},
    );
  for (let life = 0; life < 30; life += 1) {
    world.start();
    if (await world.pass(20)) break;
  }
  if (!isDone()) throw new Error(`it is not done after deaths at ${[...deaths].join(', ')}`);
  return [...deaths];
};

t.test('killed before and after each write, the node goes all the same', async (t) => {
  const world = opened();
  world.machine('idle');
  const deaths = await dieAtEachWrite(world, () => world.isDeleting('idle'));
  t.same(deaths, [
    'before patch NodeClaim idle',
    'after patch NodeClaim idle',
    'before patch Node node-idle',
    'after patch Node node-idle',
    'before delete NodeClaim idle',
    'after delete NodeClaim idle',
  ]);
});

t.test('killed before and after each write, a node that a pod comes to is open in the end', async (t) => {
  const world = opened();
  world.machine('idle');
  world.start();
  await world.pass(2);
  t.ok(isClosed(world, 'idle'));
  world.pod('late', { spec: { nodeName: 'node-idle' } });
  const deaths = await dieAtEachWrite(world, () => !isClosed(world, 'idle'));
  checkOpen(t, world, 'idle', 'the pod came');
  t.equal(deaths.length, 4, deaths.join(', '));
});
