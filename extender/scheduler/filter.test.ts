import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import { createScene, nodeIntentOf, nodeOf, podIntentOf, podOf, slotsIntentOf } from '../testing/scene.ts';
import { filterNodes, isUnplaced, placementOf, scoreNodes } from './filter.ts';

type Scene = ReturnType<typeof createScene>;

const NAMES = ['old', 'ready', 'coming'];
const pod = podOf('x');
const stranger: Pod = { metadata: { name: 's', namespace: 'n', uid: 's' }, spec: { containers: [] } };

const daemon: Pod = {
  ...stranger,
  metadata: {
    ...stranger.metadata,
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'd', controller: true }],
  },
};

/** Two machines of the plan: `ready` has joined, `coming` has not. */
const sceneWith = (arrange: (scene: Scene) => void): Scene => {
  const scene = createScene();
  scene.nodes.put(nodeOf('old'));
  scene.nodes.put(nodeOf('ready'));
  scene.nodes.put(nodeOf('coming', { hasJoined: false }));
  arrange(scene);
  return scene;
};

/** A sentence, the intents, the pod, its own nodes and the plan that it waits for. */
const PLACEMENTS: readonly (readonly [
  string,
  (scene: Scene) => void,
  Pod,
  readonly string[],
  string | undefined,
])[] = [
  ['without plans a pod has no place', () => {}, pod, [], undefined],
  [
    'a pod goes to the node of its own intent',
    ({ store }) => store.upsert(podIntentOf('x', 'ready'), 1),
    pod,
    ['ready'],
    undefined,
  ],
  [
    'a pod waits for a node that has not joined',
    ({ store }) => store.upsert(podIntentOf('x', 'coming'), 1),
    pod,
    ['coming'],
    'saving',
  ],
  [
    'a pod waits for a node without a name',
    ({ store }) => store.upsert(podIntentOf('x', ''), 1),
    pod,
    [],
    'saving',
  ],
  [
    "a pod goes to its owner's free slots",
    ({ store }) => store.upsert(slotsIntentOf('ready', 1), 1),
    pod,
    ['ready'],
    undefined,
  ],
  [
    'a slot in use is no place',
    ({ store, pods }) => {
      store.upsert(slotsIntentOf('ready', 1), 1);
      pods.put(podOf('y', { nodeName: 'ready' }));
    },
    pod,
    [],
    undefined,
  ],
  [
    'a held pod goes to the node that it is held for, though its slot is in use',
    ({ store, pods }) => {
      store.upsert(slotsIntentOf('ready', 1), 1);
      pods.put(podOf('x', { gatedFor: 'pin/ready' }));
    },
    podOf('x', { gatedFor: 'pin/ready' }),
    ['ready'],
    undefined,
  ],
  [
    'a pod of nobody has no place',
    ({ store }) => store.upsert(slotsIntentOf('ready', 1), 1),
    stranger,
    [],
    undefined,
  ],
];

for (const [sentence, arrange, asked, own, awaited] of PLACEMENTS) {
  t.test(sentence, async (t) => {
    const placement = placementOf(sceneWith(arrange).state, asked);
    t.same([...placement.own.keys()], own);
    t.equal(placement.awaited, awaited);
    t.equal(isUnplaced(placement), own.length === 0 && awaited === undefined);
  });
}

/** A sentence, the intents, the pod, the names offered and those that remain. */
const FILTERS: readonly (readonly [
  string,
  (scene: Scene) => void,
  Pod,
  readonly string[],
  readonly string[],
])[] = [
  ['without plans each node will do', () => {}, pod, NAMES, NAMES],
  [
    'a pod without a place stays off reserved nodes',
    ({ store }) => store.upsert(nodeIntentOf('coming'), 1),
    stranger,
    NAMES,
    ['old', 'ready'],
  ],
  [
    'fault 4: a pod of a DaemonSet goes to reserved nodes',
    ({ store }) => store.upsert(nodeIntentOf('coming'), 1),
    daemon,
    NAMES,
    NAMES,
  ],
  [
    'a placed pod keeps to its node',
    ({ store }) => store.upsert(podIntentOf('x', 'ready'), 1),
    pod,
    NAMES,
    ['ready'],
  ],
  [
    'a placed pod waits while its node is not offered and has not joined',
    ({ store }) => store.upsert(podIntentOf('x', 'coming'), 1),
    pod,
    ['old', 'ready'],
    [],
  ],
  [
    'a placed pod may go elsewhere once kube-scheduler ruled its node out',
    ({ store }) => store.upsert(podIntentOf('x', 'ready'), 1),
    pod,
    ['old'],
    ['old'],
  ],
];

for (const [sentence, arrange, asked, names, kept] of FILTERS) {
  t.test(sentence, async (t) => {
    const filtered = filterNodes(sceneWith(arrange).state, asked, names);
    t.same(filtered.kept, kept);
    t.same(
      Object.keys(filtered.refused),
      names.filter((name) => !kept.includes(name)),
      'every other node has a reason',
    );
  });
}

t.test('only own nodes that are offered get a score', async (t) => {
  const own = new Map([
    ['ready', 'saving'],
    ['gone', 'saving'],
  ]);
  t.same(scoreNodes(own, NAMES), [{ Host: 'ready', Score: 10 }]);
});
