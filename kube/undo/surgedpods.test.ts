import t from 'tap';
import { SURGED } from '../../api/labels.ts';
import { inventory, node, plan, pod } from '../testing/marked.ts';
import { decideUndo } from './decide.ts';
import type { Inventory } from './inventory.ts';

/** Pods that a plan detached for a surge, or that say so. */

const NOW = Date.parse('2030-01-01T00:00:00Z');
const replicaSet = { name: 'web-h', uid: 'rs' };
const surged = JSON.stringify({ plan: 'plan', hash: 'h', replicaSet });

/** A plan that is over, and has a detached pod on record. */
const detaching = (uid: string): Inventory['plans'][number] => ({
  ...plan('Failed', 'Deletion', []),
  status: {
    state: 'Failed',
    detachedPods: [{ namespace: 'ns', name: 'p', uid, hash: 'h', replicaSet }],
  },
});

const CASES: readonly (readonly [string, Partial<Inventory>, readonly string[]])[] = [
  [
    'a detached pod goes back to its ReplicaSet',
    { replicaSets: [{ metadata: replicaSet }] },
    ['Pod ns/p: reattach it to ReplicaSet web-h'],
  ],
  [
    'a detached pod without a ReplicaSet is deleted, where a plan has it on record',
    { plans: [detaching('p-uid')] },
    ['Pod ns/p: delete it'],
  ],
  [
    'attack: a pod that alone says that its ReplicaSet is gone stays',
    { plans: [detaching('another')] },
    [`Pod ns/p: remove ${SURGED}`],
  ],
];

for (const [sentence, there, expected] of CASES) {
  t.test(sentence, async (t) => {
    const pods = [pod({ annotations: { [SURGED]: surged } }, { nodeName: 'n' })];
    const { undo } = decideUndo(inventory({ nodes: [node()], pods, ...there }), NOW);
    t.strictSame(
      undo.map(({ object, what }) => `${object}: ${what.split(':')[0]}`),
      expected,
    );
  });
}
