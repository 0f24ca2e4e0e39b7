import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import { NODE_POOLS } from '../../api/resources.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { Controller } from '../../kube/controller/controller.ts';
import type { Caches } from '../caches.ts';
import { ConsolidationWorld, consolidationOver } from '../testing/consolidationworld.ts';
import { memoryCaches } from '../testing/memorycaches.ts';

const MACHINES = 50;
const NEVER = new AbortController().signal;

/** A controller beside many machines, and how often it has gone over all objects of a kind. */
const flooded = (o: { readonly isBusy: boolean; readonly budgets?: readonly object[] }) => {
  const world = new ConsolidationWorld();
  const pool = world.pool(o.budgets ? { budgets: o.budgets } : {});
  const names = Array.from({ length: MACHINES }, (_, index) => `m${index}`);
  for (const name of names) {
    world.machine(name);
    if (o.isBusy) world.pod(`p-${name}`, { spec: { nodeName: `node-${name}` } });
  }
  const { caches } = memoryCaches(world.api);
  const lists: string[] = [];
  for (const kind of ['nodeClaims', 'nodes', 'pods', 'persistentVolumeClaims'] as const) {
    const cache = caches[kind];
    const list = cache.list.bind(cache);
    cache.list = (() => {
      lists.push(kind);
      return list();
    }) as typeof cache.list;
  }
  const controller = consolidationOver(world, {
    caches,
    log: createLogger({ component: 'flood', level: 'silent' }),
  });
  return { names: names.map((name) => `node-${name}`), pool, caches, lists, controller };
};

const keysOf = (
  { sources }: Controller,
  { nodePools }: Caches,
  old: NodePool,
  object: NodePool,
): readonly string[] => {
  const source = sources.find(({ cache }) => cache === (nodePools as never));
  return [...(source?.keys({ type: 'update', object, old } as never) ?? [])];
};

t.test(
  'a NodePool whose status Karpenter counts has no node looked at; one with another spec has',
  async (t) => {
    const { controller, caches, pool, names } = flooded({ isBusy: true });
    t.equal(pool.metadata.name, caches.nodePools.list()[0]?.metadata.name, NODE_POOLS.plural);
    const counted = { ...pool, status: { resources: { cpu: '9' } } } as NodePool;
    t.same(keysOf(controller, caches, pool, counted), []);
    const changed = { ...pool, spec: { ...pool.spec, disruption: { consolidateAfter: 'Never' } } };
    t.same(keysOf(controller, caches, pool, changed).toSorted(), names.toSorted());
    const going = { ...pool, metadata: { ...pool.metadata, deletionTimestamp: '2026-11-22T12:00:00Z' } };
    t.equal(keysOf(controller, caches, pool, going).length, MACHINES);
  },
);

t.test('a look at a node that runs a pod goes over no other node', async (t) => {
  const { controller, lists, names } = flooded({ isBusy: true });
  for (const name of names) await controller.reconcile(name, NEVER);
  t.same(lists, []);
});

t.test('budgets are counted once for all empty nodes of a NodePool', async (t) => {
  const { controller, lists, names } = flooded({ isBusy: false, budgets: [{ nodes: '0' }] });
  for (const name of names) await controller.reconcile(name, NEVER);
  t.equal(lists.filter((kind) => kind === 'nodeClaims').length, 1, lists.join(' '));
});
