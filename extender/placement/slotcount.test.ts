import t from 'tap';
import type { Intent } from '../../api/pinning.ts';
import { createScene, OWNER, podOf, START, slotsIntentOf } from '../testing/scene.ts';
import { slotsOf } from './slotcount.ts';

type Scene = ReturnType<typeof createScene>;

const assume = ({ assumedPods }: Scene, uid: string, nodeName: string, intentId = `pin/${nodeName}`): void =>
  assumedPods.assume({
    uid,
    nodeName,
    intentId,
    ownerUid: OWNER,
    pod: podOf(uid),
    isGrant: true,
    until: START + 1_000,
  });

/** Used slots on the nodes a, b and the one without a name; each has three. */
const CASES: readonly (readonly [string, (scene: Scene) => void, readonly [number, number, number]])[] = [
  ['no pod uses no slot', () => {}, [0, 0, 0]],
  ['a pod on the node uses a slot', ({ pods }) => pods.put(podOf('x', { nodeName: 'a' })), [1, 0, 0]],
  ['a pod on another node uses none', ({ pods }) => pods.put(podOf('x', { nodeName: 'z' })), [0, 0, 0]],
  ['a pending pod uses none', ({ pods }) => pods.put(podOf('x')), [0, 0, 0]],
  [
    'a pod that has ended uses none',
    ({ pods }) => pods.put(podOf('x', { nodeName: 'a', phase: 'Succeeded' })),
    [0, 0, 0],
  ],
  [
    'a gated pod uses the slot that it is held for',
    ({ pods }) => pods.put(podOf('x', { gatedFor: 'pin/b' })),
    [0, 1, 0],
  ],
  ['an assumed pod uses a slot', (scene) => assume(scene, 'x', 'a'), [1, 0, 0]],
  [
    'an assumed pod that the cache shows on its node counts once',
    (scene) => {
      assume(scene, 'x', 'a');
      scene.pods.put(podOf('x', { nodeName: 'a' }));
    },
    [1, 0, 0],
  ],
  [
    'an assumed pod that the cache shows behind our gate counts once',
    (scene) => {
      assume(scene, 'x', 'b');
      scene.pods.put(podOf('x', { gatedFor: 'pin/b' }));
    },
    [0, 1, 0],
  ],
  [
    'a pod that was assumed before its node had a name counts for its intent',
    (scene) => assume(scene, 'x', '', 'pin/unnamed'),
    [0, 0, 1],
  ],
  [
    'an assumed pod that expired uses none',
    (scene) => {
      assume(scene, 'x', 'a');
      scene.advance(1_000);
    },
    [0, 0, 0],
  ],
];

for (const [sentence, arrange, expected] of CASES) {
  t.test(sentence, async (t) => {
    const scene = createScene();
    for (const [node, id] of [
      ['b', 'pin/b'],
      ['', 'pin/unnamed'],
      ['a', 'pin/a'],
    ] as const)
      scene.store.upsert(slotsIntentOf(node, 3, id), 1);
    arrange(scene);
    const slots = slotsOf(scene.state, OWNER);
    t.same(
      slots.map(({ intent, count }) => [intent.id, count]),
      [
        ['pin/a', 3],
        ['pin/b', 3],
        ['pin/unnamed', 3],
      ],
      'sorted by id',
    );
    t.same(
      slots.map(({ used }) => used),
      expected,
    );
  });
}

t.test('an owner that no plan moves has no slots', async (t) => {
  t.same(slotsOf(createScene().state, 'nobody'), []);
});

/** An intent for the pods that replace these on node `a`. */
const replacing = (replaces: readonly string[], names: readonly string[] = []): Intent => {
  const plain = slotsIntentOf('a', replaces.length);
  const owner = { kind: 'ReplicaSet', name: 'web', uid: OWNER, count: replaces.length };
  return { ...plain, pin: { namespace: 'n', owner: { ...owner, replaces, names } } };
};

const leaving = (name: string) => {
  const pod = podOf(name, { nodeName: 'old' });
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } };
};

t.test('fault 11: a slot opens as the pod that it replaces is evicted, not before', async (t) => {
  const { state, store, pods } = createScene();
  store.upsert(replacing(['x', 'y', 'z']), 1);
  for (const name of ['x', 'y', 'z']) pods.put(podOf(name, { nodeName: 'old' }));
  const slot = () => slotsOf(state, OWNER)[0];
  t.match(slot(), { used: 0, closed: 3, free: 0 }, 'a scale-up takes none');
  pods.put(leaving('x'));
  t.match(slot(), { used: 0, closed: 2, free: 1 });
  pods.put(podOf('successor', { nodeName: 'a' }));
  t.match(slot(), { used: 1, closed: 2, free: 0 });
  pods.drop('n/x');
  pods.drop('n/y');
  t.match(slot(), { used: 1, closed: 1, free: 1 });
  pods.put({ ...podOf('z', { nodeName: 'old' }), metadata: { name: 'z', namespace: 'n', uid: 'z' } });
  t.match(slot(), { used: 1, closed: 0, free: 2 }, 'a surging pod has left its owner');
});

t.test('fault 15: the slot of a terminating StatefulSet pod is kept for its successor', async (t) => {
  const { state, store, pods } = createScene();
  store.upsert(replacing(['db-0'], ['db-0']), 1);
  pods.put(podOf('db-0', { nodeName: 'old' }));
  pods.put(podOf('db-7', { nodeName: 'a' }));
  const slot = () => slotsOf(state, OWNER)[0];
  t.match(slot(), { used: 0, count: 1, free: 0 }, 'another pod of the set on the node takes no slot');
  pods.put(leaving('db-0'));
  t.match(slot(), { used: 0, free: 1 });
  pods.drop('n/db-0');
  pods.put(podOf('db-0', { nodeName: 'a' }));
  t.match(slot(), { used: 1, free: 0 });
});
