import t from 'tap';
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
