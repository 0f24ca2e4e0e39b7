import t from 'tap';
import { createScene, nodeIntentOf, nodeOf, podOf, START, slotsIntentOf } from '../testing/scene.ts';
import { choosePinFor, nextGateStep, unavailability } from './choosepin.ts';

type Scene = ReturnType<typeof createScene>;

const machine = (deadline = 0) => nodeIntentOf('a', { joinDeadlineMs: deadline });
const placeholder = nodeOf('a', { hasJoined: false, providerID: 'machine/a' });

/** A sentence, the state of node `a`, and why it is unavailable: 'now' or 'permanently', with the reason. */
const CASES: readonly (readonly [string, (scene: Scene) => void, string | undefined])[] = [
  ['a node that does not exist may come', () => {}, 'now: its node does not exist yet'],
  ['a placeholder is available', ({ nodes }) => nodes.put(placeholder), undefined],
  ['a joined node is available', ({ nodes }) => nodes.put(nodeOf('a')), undefined],
  [
    'a node that is being deleted never comes back',
    ({ nodes }) => nodes.put(nodeOf('a', { isDeleting: true })),
    'permanently: its node is being deleted',
  ],
  [
    'a Node of another machine is not the one',
    ({ nodes, store }) => {
      store.upsert(machine(), 1);
      nodes.put(nodeOf('a', { providerID: 'machine/z' }));
    },
    'permanently: a Node of that name belongs to another machine',
  ],
  [
    'a machine that missed its deadline does not come',
    ({ nodes, store }) => {
      store.upsert(machine(START), 1);
      nodes.put(placeholder);
    },
    'permanently: its machine did not join in time',
  ],
  [
    'the deadline counts without a placeholder, too',
    ({ store }) => store.upsert(machine(START), 1),
    'permanently: its machine did not join in time',
  ],
  [
    'a machine that has joined has no deadline',
    ({ nodes, store }) => {
      store.upsert(machine(START), 1);
      nodes.put(nodeOf('a', { providerID: 'machine/a' }));
    },
    undefined,
  ],
  [
    'a machine before its deadline may come',
    ({ store }) => store.upsert(machine(START + 1), 1),
    'now: its node does not exist yet',
  ],
];

for (const [sentence, arrange, expected] of CASES) {
  t.test(sentence, async (t) => {
    const scene = createScene();
    arrange(scene);
    const found = unavailability(scene.state, slotsIntentOf('a', 1));
    t.equal(found && `${found.isPermanent ? 'permanently' : 'now'}: ${found.reason}`, expected);
  });
}

t.test('a node without a name is not available yet', async (t) => {
  t.match(unavailability(createScene().state, slotsIntentOf('', 1)), {
    isPermanent: false,
    reason: /no name/,
  });
});

const intent = slotsIntentOf('a', 1);
const pod = podOf('x', { gatedFor: intent.id });

/** A sentence, the state, whether the intent is known, and the step for a gated pod. */
const GATES: readonly (readonly [string, (scene: Scene) => void, boolean, string])[] = [
  ['before the first full state it waits for its intent', () => {}, false, 'wait'],
  [
    'without its intent the gate is removed',
    ({ store }) => {
      store.beginResync();
      store.endResync(1);
    },
    false,
    'release',
  ],
  ['with pinning off the gate is removed', ({ store }) => store.disable(), false, 'release'],
  ['it waits for a node that may come', () => {}, true, 'wait'],
  [
    'the gate is removed when the node does not come',
    ({ nodes }) => nodes.put(nodeOf('a', { isDeleting: true })),
    true,
    'release',
  ],
  ['it lands on a node that is ready', ({ nodes }) => nodes.put(nodeOf('a')), true, 'land'],
];

for (const [sentence, arrange, isKnown, expected] of GATES) {
  t.test(`a gated pod: ${sentence}`, async (t) => {
    const scene = createScene();
    scene.pods.put(pod);
    arrange(scene);
    const step = nextGateStep(scene.state, isKnown ? intent : undefined, pod);
    t.equal(step.kind, expected, step.kind === 'land' ? 'lands' : step.reason);
  });
}

t.test('fault: a pod is assigned to no joined node that is open to everyone (OutOfcpu)', async (t) => {
  const { state, nodes } = createScene();
  const wayOn = (node: ReturnType<typeof nodeOf>): string => {
    nodes.put(node);
    return choosePinFor(state, slotsIntentOf('a', 1), podOf(''), 'admission').way;
  };
  t.equal(wayOn(nodeOf('a', { isOpen: true })), 'hold');
  t.equal(wayOn(nodeOf('a')), 'assign');
  t.equal(
    wayOn(nodeOf('a', { hasJoined: false, isOpen: true })),
    'assign',
    'nobody else puts pods there yet',
  );
});
