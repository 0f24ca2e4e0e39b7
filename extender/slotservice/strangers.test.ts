import t from 'tap';
import { PIN } from '../../api/labels.ts';
import type { Node, Pod, SelectorRequirement } from '../../api/objects.ts';
import type { TakeRequest } from '../../api/pinning.ts';
import { createLogger } from '../../kube/component/log.ts';
import { assignPendingPods, GRANT_MS } from '../placement/allocate.ts';
import { slotsOf } from '../placement/slotcount.ts';
import { createScene, nodeOf, OWNER, podOf, slotsIntentOf } from '../testing/scene.ts';
import { SlotAllocator } from './allocator.ts';

/** Slots of `n/web` on node `a`, and a tenant who may create any pod in the namespace `attacker`. */

const COUNT = 10;
const INTENT = slotsIntentOf('a', COUNT);

const open = (count = COUNT) => {
  const scene = createScene();
  scene.pods.onChange((change) => scene.assumedPods.observe(change));
  scene.nodes.put(nodeOf('a'));
  scene.store.upsert(slotsIntentOf('a', count), 1);
  const log = createLogger({ component: 'slots', level: 'silent' });
  const allocator = new SlotAllocator({ log, now: scene.state.now });
  allocator.lead(scene.state);
  scene.advance(2_000);
  const used = (): number | undefined => slotsOf(scene.state, OWNER)[0]?.used;
  return { ...scene, allocator, used };
};

const requestOf = (requestUid: string, more: Partial<TakeRequest> = {}): TakeRequest => ({
  requestUid,
  namespace: 'n',
  ownerKind: 'ReplicaSet',
  ownerName: 'web',
  ownerUid: OWNER,
  pod: JSON.stringify(podOf('')),
  coexisting: false,
  ...more,
});

/** A pod of another namespace that says that it belongs to `web`. */
const forged = (name: string, o: Parameters<typeof podOf>[1] = {}): Pod => {
  const pod = podOf(name, o);
  return { ...pod, metadata: { ...pod.metadata, namespace: 'attacker' } };
};

const tiedTo = (pod: Pod, node: string): Pod => {
  const field: SelectorRequirement = { key: 'metadata.name', operator: 'In', values: [node] };
  const nodeSelectorTerms = [{ matchFields: [field] }];
  const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
  const metadata = { ...pod.metadata, annotations: { [PIN]: INTENT.id } };
  return { ...pod, metadata, spec: { ...pod.spec, affinity: { nodeAffinity: required } } };
};

t.test('attack: pods of another namespace take no slot, not again at each expiry either', async (t) => {
  const { allocator, advance, used } = open();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < COUNT; i++)
      t.match(allocator.take(requestOf(`${round}/${i}`, { namespace: 'attacker' })), { way: '' });
    t.equal(used(), 0);
    advance(GRANT_MS + 1);
  }
  t.match(allocator.take(requestOf('real')), { way: 'assign', nodeName: 'a' });
});

const others: readonly (readonly [string, Pod['metadata']['ownerReferences'], Partial<TakeRequest>])[] = [
  [
    'of another kind',
    [{ apiVersion: 'batch/v1', kind: 'Job', name: 'web', uid: OWNER, controller: true }],
    { ownerKind: 'Job' },
  ],
  [
    'of another name',
    [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'other', uid: OWNER, controller: true }],
    { ownerName: 'other' },
  ],
  [
    'that does not control it',
    [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: OWNER, controller: false }],
    {},
  ],
];
for (const [what, ownerReferences, more] of others) {
  t.test(`attack: a pod with the owner's uid, but ${what}, takes no slot`, async (t) => {
    const { allocator, used } = open();
    const pod = podOf('');
    const text = JSON.stringify({ ...pod, metadata: { ...pod.metadata, ownerReferences } });
    t.match(allocator.take(requestOf('r', { ...more, pod: text })), { way: '' });
    t.equal(used(), 0);
  });
}

const pretenders: readonly (readonly [string, (name: string) => Pod])[] = [
  ['behind our gate', (name) => forged(name, { gatedFor: INTENT.id })],
  ['tied to the node', (name) => tiedTo(forged(name), 'a')],
  ['on the node', (name) => forged(name, { nodeName: 'a' })],
  [
    'of the owner, for a scheduler that never places them,',
    (name) => {
      const pod = tiedTo(podOf(name), 'a');
      return { ...pod, spec: { ...pod.spec, schedulerName: 'nobody' } };
    },
  ],
];
for (const [what, make] of pretenders) {
  t.test(`attack: pods ${what} with a forged pin hold no slot`, async (t) => {
    const { allocator, pods, used } = open();
    for (let i = 0; i < COUNT; i++) pods.put(make(`fake-${i}`));
    t.equal(used(), 0);
    t.match(allocator.take(requestOf('real')), { way: 'assign', nodeName: 'a' });
  });
}

t.test('attack: a reinvocation with a forged pin takes over no grant of another', async (t) => {
  const { allocator, assumedPods } = open();
  t.match(allocator.take(requestOf('real')), { way: 'assign' });
  const [before] = assumedPods.ofOwner(OWNER);
  const thief = forged('thief', { nodeName: 'a' });
  const pod = { ...thief, metadata: { ...thief.metadata, annotations: { [PIN]: INTENT.id } } };
  const reply = allocator.take(requestOf('thief', { namespace: 'attacker', pod: JSON.stringify(pod) }));
  t.match(reply, { way: '', intentId: '' });
  t.same(assumedPods.ofOwner(OWNER), [before]);
});

t.test(
  'attack: a pod with a forged pin that appears uses up no grant, which would be given twice',
  async (t) => {
    const { allocator, pods, used } = open(1);
    t.match(allocator.take(requestOf('real')), { way: 'assign' });
    const pod = forged('thief', { gatedFor: INTENT.id });
    pods.put(pod);
    pods.drop('attacker/thief');
    t.equal(used(), 1);
    t.match(allocator.take(requestOf('next')), { way: '' });
  },
);

t.test('attack: the uid of a request of another namespace gets none of its reply', async (t) => {
  const { allocator } = open();
  t.match(allocator.take(requestOf('r')), { way: 'assign', nodeName: 'a' });
  t.match(allocator.take(requestOf('r', { namespace: 'attacker' })), { way: '', nodeName: '' });
});

t.test('attack: pending pods of another namespace are put on no node of the plan', async (t) => {
  const { state, pods } = open();
  pods.put(forged('fake'));
  t.same(assignPendingPods(state, OWNER), []);
  pods.put(podOf('real'));
  t.match(assignPendingPods(state, OWNER), [{ pod: { metadata: { name: 'real' } } }]);
});

/** A node of 1 CPU with room for one pod of the plan that takes nine tenths of it. */
const SMALL: Node = {
  ...nodeOf('a'),
  status: { ...nodeOf('a').status, allocatable: { cpu: '1', memory: '4Gi', pods: '110' } },
};
const large = (pod: Pod): Pod => ({
  ...pod,
  spec: { ...pod.spec, containers: [{ name: 'main', resources: { requests: { cpu: '900m' } } }] },
});

for (const [what, make] of pretenders.filter(([what]) => what !== 'on the node')) {
  t.test(`attack: forged pins take no room of a node: pods ${what}`, async (t) => {
    const flooded = (): ReturnType<typeof open> => {
      const scene = open(1);
      scene.nodes.put(SMALL);
      for (let i = 0; i < COUNT; i++) scene.pods.put(large(make(`fake-${i}`)));
      return scene;
    };
    const created = JSON.stringify(large(podOf('')));
    const assigned = { way: 'assign', nodeName: 'a' };
    t.match(flooded().allocator.take(requestOf('real', { pod: created })), assigned);
    const { state, pods } = flooded();
    pods.put(large(podOf('real')));
    t.match(assignPendingPods(state, OWNER), [{ pod: { metadata: { name: 'real' } } }]);
  });
}
