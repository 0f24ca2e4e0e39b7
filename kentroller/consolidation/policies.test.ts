import t from 'tap';
import type { AutoscalerPolicySpec } from '../../api/kinds/autoscalerpolicy.ts';
import {
  CONTROL_PLANE,
  IN_USE_BY,
  MANAGED_BY,
  PLAN,
  REMOVAL_DISABLED,
  REMOVAL_TAINT,
} from '../../api/labels.ts';
import { NODE_CLAIMS, NODES, PODS } from '../../api/resources.ts';
import { ConsolidationWorld } from '../testing/consolidationworld.ts';
import { crashingClient } from '../testing/crash.ts';

/** The node deletion policy, cluster CPU limits and scoped mode, on node consolidation in virtual time. */

/** Time from the decision to the deletion: bindings settle, and Karpenter tells of pods again. */
const SETTLED_S = 20;

const downscaling = (delaySeconds?: number, more: AutoscalerPolicySpec = {}): AutoscalerPolicySpec => ({
  enabled: true,
  nodeDownscaler: {
    enabled: true,
    emptyNodes: { enabled: true, ...(delaySeconds !== undefined && { delaySeconds }) },
  },
  ...more,
});
const limits = (minCores: number): AutoscalerPolicySpec => ({
  clusterLimits: { enabled: true, cpu: { minCores } },
});

/** A cluster on which nothing but policies deletes nodes; Karpenter calls none of them consolidatable. */
const opened = (spec?: AutoscalerPolicySpec): ConsolidationWorld => {
  const world = new ConsolidationWorld();
  world.isEnabled = false;
  world.pool({ consolidateAfter: '1h' });
  if (spec) world.policy(spec);
  return world;
};
const EMPTY = { consolidatable: false } as const;
const isOpen = ({ api }: ConsolidationWorld, name: string): boolean =>
  !api.get(NODES, { name: `node-${name}` }).spec?.taints?.some(({ key }) => key === REMOVAL_TAINT) &&
  api.get(NODE_CLAIMS, { name }).metadata.annotations?.[IN_USE_BY] === undefined;

t.test('nodes are removed when they no longer have scheduled workloads', async (t) => {
  const world = opened(downscaling(60));
  world.machine('n', EMPTY);
  world.machine('other', EMPTY);
  world.pod('p', { spec: { nodeName: 'node-n' } });
  world.pod('q', { spec: { nodeName: 'node-other' } });
  world.start();
  await world.pass(200);
  t.notOk(world.isDeleting('n'), 'it runs a pod');
  world.api.delete(PODS, { name: 'p', namespace: 'shop' }, { gracePeriodSeconds: 0 });
  await world.pass(55);
  t.notOk(world.isDeleting('n'), 'it is empty for less than its delay');
  t.match(world.said, /1 empty nodes stay; node node-n: empty nodes are kept for 60 s/);
  await world.pass(5 + SETTLED_S);
  t.ok(world.isDeleting('n'));
  t.notOk(world.isDeleting('other'));
  t.same(world.acts, ['deleted the NodeClaim of node node-n, which was empty']);
  t.equal(world.said, 'Idle: no node is empty');
});

t.test('without the policy, or with a switch above it off, no node is removed', async (t) => {
  const specs = [
    undefined,
    {},
    { ...downscaling(0), enabled: false },
    { enabled: true, nodeDownscaler: { emptyNodes: { enabled: true } } },
  ];
  for (const spec of specs) {
    const world = opened(spec);
    world.machine('n', EMPTY);
    world.start();
    await world.pass(600);
    t.notOk(world.isDeleting('n'), JSON.stringify(spec));
  }
});

t.test('with a delay of 0 an empty node is deleted as soon as it is detected', async (t) => {
  const world = opened(downscaling(0));
  world.machine('n', EMPTY);
  world.start();
  await world.pass(1);
  t.notOk(isOpen(world, 'n'), 'it is closed at once');
  await world.pass(6);
  t.ok(world.isDeleting('n'));
});

t.test('a time parameter keeps an empty node alive for so long, 300 s by default', async (t) => {
  const world = opened(downscaling());
  world.machine('n', EMPTY);
  world.start();
  await world.pass(299);
  t.ok(isOpen(world, 'n'));
  await world.pass(SETTLED_S);
  t.ok(world.isDeleting('n'));
});

t.test('a pod that comes within the delay begins it anew', async (t) => {
  const world = opened(downscaling(60));
  world.machine('n', EMPTY);
  world.start();
  await world.pass(50);
  world.pod('p', { spec: { nodeName: 'node-n' } });
  await world.pass(5);
  world.api.delete(PODS, { name: 'p', namespace: 'shop' }, { gracePeriodSeconds: 0 });
  await world.pass(50);
  t.ok(isOpen(world, 'n'));
  await world.pass(10 + SETTLED_S);
  t.ok(world.isDeleting('n'));
});

t.test('a node labeled or annotated removal-disabled stays though it is completely empty', async (t) => {
  for (const where of ['labels', 'annotations'] as const) {
    const world = opened(downscaling(0));
    world.machine('n', { ...EMPTY });
    world.api.edit(NODES, { name: 'node-n' }, (node) => ({
      ...node,
      metadata: { ...node.metadata, [where]: { ...node.metadata[where], [REMOVAL_DISABLED]: 'true' } },
    }));
    world.start();
    await world.pass(600);
    t.ok(isOpen(world, 'n'), where);
    t.match(world.said, /removal-disabled/);
    const without = (marks: Record<string, string> = {}): Record<string, string> =>
      Object.fromEntries(Object.entries(marks).filter(([key]) => key !== REMOVAL_DISABLED));
    world.api.edit(NODES, { name: 'node-n' }, (node) => ({
      ...node,
      metadata: { ...node.metadata, [where]: without(node.metadata[where]) },
    }));
    await world.pass(15 + SETTLED_S);
    t.ok(world.isDeleting('n'), `it goes once the mark in its ${where} is removed`);
  }
});

t.test('in scoped mode only nodes that the autoscaler has created are cleaned up', async (t) => {
  const world = opened(downscaling(0, { isScopedMode: true }));
  for (const name of ['foreign', 'planned', 'labeled']) world.machine(name, EMPTY);
  const label = (name: string, labels: Record<string, string>) =>
    world.api.edit(NODE_CLAIMS, { name }, (claim) => ({
      ...claim,
      metadata: { ...claim.metadata, labels: { ...claim.metadata.labels, ...labels } },
    }));
  label('planned', { [PLAN]: 'some-plan' });
  label('labeled', { [MANAGED_BY]: 'cast.ai' });
  world.start();
  await world.pass(60);
  t.same(
    ['foreign', 'planned', 'labeled'].map((name) => world.isDeleting(name)),
    [false, true, true],
  );
  t.match(world.said, /scoped mode, and did not buy it/);
  world.policy(downscaling(0));
  await world.pass(SETTLED_S);
  t.ok(world.isDeleting('foreign'), 'all are, once it is off');
});

t.test('downscaling stops at minCores, and goes on at once when it is lowered', async (t) => {
  const world = opened(downscaling(0, limits(8)));
  for (const name of ['a', 'b', 'c', 'd']) world.machine(name, { ...EMPTY, cpu: 4 });
  world.api.create(NODES, {
    metadata: { name: 'control', labels: { [CONTROL_PLANE]: '' } },
    spec: {},
    status: { capacity: { cpu: '16' } },
  });
  world.start();
  await world.pass(120);
  const going = () => ['a', 'b', 'c', 'd'].filter((name) => world.isDeleting(name)).length;
  t.equal(going(), 2, 'eight cores are left, those of a control plane not counted');
  t.match(world.said, /2 empty nodes stay; .*would have 4 cores, and clusterLimits\.cpu\.minCores is 8/);
  world.policy(downscaling(0, limits(4)));
  await world.pass(SETTLED_S);
  t.equal(going(), 3);
  world.policy(downscaling(0));
  await world.pass(SETTLED_S);
  t.equal(going(), 4, 'if disabled, the cluster can downscale to 0 worker nodes');
});

t.test('limits also hold node consolidation that the features turn on', async (t) => {
  const world = opened({ enabled: true, ...limits(4) });
  world.isEnabled = true;
  world.machine('a', { cpu: 4 });
  world.machine('b', { cpu: 4 });
  world.start();
  await world.pass(120);
  t.equal([world.isDeleting('a'), world.isDeleting('b')].filter(Boolean).length, 1);
});

t.test('policies that nobody can read keep empty nodes, and what is under way is opened again', async (t) => {
  const world = opened({ enabled: true });
  world.isEnabled = true;
  world.machine('n');
  world.start();
  await world.pass(3);
  t.notOk(isOpen(world, 'n'), 'it is about to go');
  world.policyAbsence = 'forbidden';
  await world.pass(60);
  t.ok(isOpen(world, 'n'));
  t.match(world.events.at(-1), /NodeKept: .*grant list and watch on autoscalerpolicies/);
});

t.test('a NodePool whose consolidateAfter is Never keeps its nodes', async (t) => {
  const world = opened(downscaling(0));
  world.pool({ consolidateAfter: 'Never' }, 'kept');
  world.machine('n', { ...EMPTY, pool: 'kept' });
  world.start();
  await world.pass(120);
  t.ok(isOpen(world, 'n'));
});

t.test('turned on and off while kentroller runs, and off in time saves a node', async (t) => {
  const world = opened();
  world.machine('n', EMPTY);
  world.start();
  await world.pass(60);
  world.policy(downscaling(0));
  await world.pass(2);
  t.notOk(isOpen(world, 'n'));
  world.policy({});
  await world.pass(2);
  t.ok(isOpen(world, 'n'), 'opened again');
  world.policy(downscaling(0));
  await world.pass(40 + SETTLED_S);
  t.ok(world.isDeleting('n'), 'it rests, and goes');
});

t.test('a process that dies at any write leaves the same end', async (t) => {
  for (const moment of ['before', 'after'] as const) {
    for (let at = 1; ; at += 1) {
      const world = opened(downscaling(30, limits(4)));
      for (const name of ['a', 'b']) world.machine(name, { ...EMPTY, cpu: 4 });
      let writes = 0;
      let isDead = false;
      const die = (): void => {
        isDead = true;
      };
      world.wrap = (client) =>
        crashingClient(
          client,
          (_, when) => {
            if (when === moment) writes += 1;
            return when === moment && writes === at;
          },
          die,
        );
      world.start();
      await world.pass(120);
      if (!isDead) break;
      world.wrap = (client) => client;
      world.start();
      await world.pass(180);
      const left = ['a', 'b'].filter((name) => !world.isDeleting(name));
      t.equal(left.length, 1, `${moment} write ${at}`);
      t.ok(isOpen(world, left[0] ?? ''), 'what stays is open');
    }
  }
});
