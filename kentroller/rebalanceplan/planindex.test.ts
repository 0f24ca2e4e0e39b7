import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { SURGED } from '../../api/labels.ts';
import type { KubeObject, NodeClaim, Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, NODES, PODS, REBALANCE_MIGRATION_PLANS, REBALANCE_PLANS } from '../../api/resources.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { makeNode, makePod } from '../../planner/testing/builders.ts';
import { executePlans } from './controller.ts';

/** A change enqueues the plans that it concerns, and no others. */

const plan = (name: string, node: string, state: 'Running' | 'Done' = 'Running'): RebalancePlan =>
  ({
    metadata: { name, uid: `uid-${name}`, generation: 1 },
    spec: {
      execute: true,
      nodeClaimsToDelete: [{ nodeClaimName: `claim-${node}` }],
      podsToMigrate: [
        {
          namespace: 'default',
          name: `${name}-pod`,
          srcNode: node,
          dstNodeClaimName: `claim-${name}-filled`,
          owner: { kind: 'ReplicaSet', name, uid: `rs-${name}` },
        },
      ],
    },
    status: { state },
  }) as RebalancePlan;

const standing = () => {
  const caches = {
    plans: new FakeCache(REBALANCE_PLANS),
    nodeClaims: new FakeCache(NODE_CLAIMS),
    nodes: new FakeCache(NODES),
    migrations: new FakeCache(REBALANCE_MIGRATION_PLANS),
    pods: new FakeCache(PODS),
  };
  // Which plans a change concerns is decided from the caches alone.
  const { sources } = executePlans({ caches } as unknown as Parameters<typeof executePlans>[0]);
  const enqueued = <T extends KubeObject>(cache: FakeCache<T>, object: T): string[] => {
    const source = sources.find((each) => (each.cache as unknown) === cache);
    return [...(source?.keys({ type: 'update', object, old: object }) ?? [])].sort();
  };
  for (const node of ['a', 'b', 'free', 'one-filled']) {
    const { node: object, claim } = makeNode(node);
    caches.nodes.put(object);
    caches.nodeClaims.put(claim);
  }
  caches.plans.put(plan('one', 'a'));
  caches.plans.put(plan('two', 'b'));
  caches.plans.put(plan('old', 'a', 'Done'));
  return { caches, enqueued, ofPod: (pod: Pod) => enqueued(caches.pods, pod) };
};

t.test('a pod that no plan moves, on a node that no plan uses, enqueues nothing', async (t) => {
  const { ofPod } = standing();
  t.same(ofPod(makePod('p', { node: 'free', app: 'other' })), []);
  t.same(ofPod(makePod('p', { app: 'other' })), []);
  t.same(ofPod(makePod('p', { node: 'unknown', owner: null })), []);
});

t.test('a pod enqueues the plan that it concerns', async (t) => {
  const { ofPod } = standing();
  t.same(ofPod(makePod('p', { node: 'a', app: 'other' })), ['one'], 'it is on a node that the plan removes');
  t.same(
    ofPod(makePod('p', { node: 'one-filled', app: 'x' })),
    ['one'],
    'it is on a node that the plan fills',
  );
  t.same(ofPod(makePod('p', { node: 'free', app: 'two' })), ['two'], 'the plan moves pods of its owner');
  t.same(ofPod(makePod('p', { app: 'two' })), ['two'], 'also while it waits');
  t.same(ofPod(makePod('two-pod', { owner: null })), ['two'], 'the plan names it');
  t.same(ofPod(makePod('p', { node: 'b', app: 'one' })), ['one', 'two']);
  const pod = makePod('p', { node: 'free', owner: null });
  const record = JSON.stringify({ plan: 'two', hash: 'h', replicaSet: { name: 'r', uid: 'u' } });
  const detached = { ...pod, metadata: { ...pod.metadata, annotations: { [SURGED]: record } } };
  t.same(ofPod(detached), ['two'], 'the plan has detached it');
});

t.test('a node enqueues the plans that use it', async (t) => {
  const { caches, enqueued } = standing();
  t.same(enqueued(caches.nodes, makeNode('a').node), ['one']);
  t.same(enqueued(caches.nodes, makeNode('free').node), []);
});

t.test('a machine that a plan has ordered is its own, once its node is known', async (t) => {
  const { caches, enqueued, ofPod } = standing();
  const { node, claim } = makeNode('new');
  const own: NodeClaim = {
    ...claim,
    metadata: {
      ...claim.metadata,
      annotations: { 'autoscaling.cast.ai/owned-by': 'one/uid-one' },
    },
  };
  caches.nodes.put(node);
  t.same(ofPod(makePod('p', { node: 'new', app: 'x' })), []);
  caches.nodeClaims.put({ ...own, status: {} });
  t.same(enqueued(caches.nodeClaims, own), ['one']);
  t.same(ofPod(makePod('p', { node: 'new', app: 'x' })), []);
  caches.nodeClaims.put({ ...own, status: { providerID: 'aws:///new' } });
  t.same(ofPod(makePod('p', { node: 'new', app: 'x' })), ['one'], 'by its provider id');
  caches.nodeClaims.drop('claim-new');
  t.same(ofPod(makePod('p', { node: 'new', app: 'x' })), []);
});

t.test('plans that begin, change and end are followed', async (t) => {
  const { caches, ofPod } = standing();
  const pod = makePod('p', { node: 'free', app: 'three' });
  caches.plans.put({ ...plan('three', 'free'), status: { state: 'Pending' } });
  t.same(ofPod(pod), []);
  caches.plans.put(plan('three', 'free'));
  t.same(ofPod(pod), ['three']);
  const changed = plan('three', 'b');
  caches.plans.put({ ...changed, metadata: { ...changed.metadata, generation: 2 } });
  t.same(ofPod(makePod('p', { node: 'free', app: 'x' })), []);
  t.same(ofPod(makePod('p', { node: 'b', app: 'x' })), ['three', 'two']);
  caches.plans.put(plan('three', 'b', 'Done'));
  t.same(ofPod(pod), []);
  caches.plans.drop('two');
  t.same(ofPod(makePod('p', { node: 'b', app: 'two' })), []);
});
