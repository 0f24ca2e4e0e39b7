import t from 'tap';
import type { PodToMigrate } from '../../../api/kinds/rebalanceplan.ts';
import { PIN_BASELINE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import * as make from '../../testing/builders.ts';
import { baselineOf, countBaseline, countPlaced, movesOf } from './moves.ts';

const OWNER = { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' };
const entry = (name: string, o: Partial<PodToMigrate> = {}): PodToMigrate => ({
  name,
  namespace: 'shop',
  srcNode: 'node-old',
  dstNodeClaimName: 'new',
  owner: OWNER,
  ...o,
});
const withoutOwner = (name: string): PodToMigrate => {
  const { owner: _, ...rest } = entry(name);
  return rest;
};

t.test('moves are grouped by owner and destination', async (t) => {
  const pods = [entry('a'), entry('b'), entry('c', { dstNodeClaimName: 'other' }), withoutOwner('lone')];
  t.same(
    movesOf(pods, false).map((move) => [move.destination, move.names]),
    [
      ['new', ['a', 'b']],
      ['other', ['c']],
      ['new', ['lone']],
    ],
  );
});

t.test('pending pods are moves only on request', async (t) => {
  const pods = [entry('a', { srcNode: '' })];
  t.same(movesOf(pods, false), []);
  t.equal(movesOf(pods, true).length, 1);
});

t.test('the baseline counts pods that stay on an existing destination', async (t) => {
  const pods: readonly Pod[] = [
    make.pod('stays'),
    make.pod('leaves'),
    make.pod('terminating', { deletionTimestamp: make.ago(1) }),
    make.pod('forged', { namespace: 'attacker' }),
    { ...make.pod('ended'), status: { phase: 'Succeeded' } },
    make.pod('foreign', {}, 'other'),
  ];
  const leaving = new Set(['shop/leaves']);
  const moves = movesOf([entry('a')], false);
  t.same(
    countBaseline(moves, new Set(), () => pods, leaving),
    { 'rs-uid/new': 1 },
  );
  t.same(
    countBaseline(moves, new Set(['new']), () => pods, leaving),
    {},
    'an added node has none',
  );
});

const PLACED: readonly (readonly [string, readonly PodToMigrate[], readonly Pod[], number, number])[] = [
  ['a running pod of the owner', [entry('a')], [make.pod('x')], 0, 1],
  ['no pod', [entry('a')], [], 0, 0],
  ['a pod of another owner', [entry('a')], [make.pod('x', {}, 'other')], 0, 0],
  ['attack: a pod of another namespace', [entry('a')], [make.pod('x', { namespace: 'attacker' })], 0, 0],
  ['a terminating pod', [entry('a')], [make.pod('x', { deletionTimestamp: make.ago(1) })], 0, 0],
  ['a pending pod', [entry('a')], [{ ...make.pod('x'), status: { phase: 'Pending' } }], 0, 0],
  ['pods of the baseline', [entry('a')], [make.pod('x')], 1, 0],
  ['more pods than moves', [entry('a')], [make.pod('x'), make.pod('y')], 0, 1],
  ['a pod without an owner, by its name', [withoutOwner('a')], [make.pod('a')], 0, 1],
  ['a pod without an owner of another name', [withoutOwner('a')], [make.pod('b')], 0, 0],
];
for (const [name, entries, pods, baseline, expected] of PLACED) {
  t.test(`placed: ${name}`, async (t) => {
    t.equal(
      countPlaced(movesOf(entries, false), { 'rs-uid/new': baseline }, () => pods),
      expected,
    );
  });
}

t.test('attack: a baseline is what the status of the plan says, whatever an annotation says', async (t) => {
  const plan = make.plan({}, { pinBaseline: { 'rs-uid/new': 2 } });
  const annotations = { [PIN_BASELINE]: '{"rs-uid/new":1000}' };
  t.same(baselineOf(plan), { 'rs-uid/new': 2 });
  t.same(baselineOf({ ...plan, metadata: { ...plan.metadata, annotations } }), { 'rs-uid/new': 2 });
  t.same(baselineOf({ ...make.plan(), metadata: { ...plan.metadata, annotations } }), {});
});
