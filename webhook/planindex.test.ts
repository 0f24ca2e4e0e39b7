import t from 'tap';
import type { PlanState, RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import type { Change } from '../kube/cache/cache.ts';
import { indexMovedOwners, trimPlan } from './planindex.ts';

const makePlan = (name: string, state: PlanState | undefined, owners: readonly string[]): RebalancePlan => ({
  metadata: { name },
  spec: {
    execute: true,
    nodeClaimsToAdd: [],
    podsToMigrate: owners.map((uid, index) => ({
      name: `pod-${index}`,
      namespace: 'work',
      srcNode: 'node-1',
      dstNodeClaimName: 'claim-1',
      owner: { kind: 'ReplicaSet', name: 'web', uid },
    })),
  },
  ...(state && { status: { state } }),
});

const createIndex = () => {
  let notify: (change: Change<RebalancePlan>) => void = () => {};
  const isOwnerMoved = indexMovedOwners({
    onChange: (handler) => {
      notify = handler;
      return () => {};
    },
  });
  const isMoved = (uid: string): boolean => isOwnerMoved({ kind: 'ReplicaSet', name: 'web', uid }, 'work');
  return { isMoved, isOwnerMoved, notify: (change: Change<RebalancePlan>) => notify(change) };
};

t.test('owners count while a plan that moves their pods runs', async (t) => {
  const { isMoved, notify } = createIndex();
  const queued = makePlan('a', undefined, ['web', 'web', 'db']);
  const running = makePlan('a', 'Running', ['web', 'web', 'db']);
  notify({ type: 'add', object: queued });
  t.notOk(isMoved('web'), 'it does not run yet');
  notify({ type: 'update', old: queued, object: running });
  t.ok(isMoved('web'));
  t.ok(isMoved('db'));
  t.notOk(isMoved('other'));
  notify({ type: 'update', old: running, object: makePlan('a', 'Done', ['web', 'web', 'db']) });
  t.notOk(isMoved('web'), 'it is done');
});

t.test('an owner in two plans counts until both have ended', async (t) => {
  const { isMoved, notify } = createIndex();
  const [first, second] = [makePlan('a', 'Running', ['web']), makePlan('b', 'Running', ['web'])];
  notify({ type: 'add', object: first });
  notify({ type: 'add', object: second });
  notify({ type: 'delete', object: first });
  t.ok(isMoved('web'));
  notify({ type: 'delete', object: second });
  t.notOk(isMoved('web'));
});

t.test('a trimmed plan has the same owners and its state, and nothing large', async (t) => {
  const plan = makePlan('a', 'Running', ['web']);
  const trimmed = trimPlan({ ...plan, status: { state: 'Running', message: 'large' } as never });
  t.same(trimmed.status, { state: 'Running' });
  t.notOk('srcNode' in (trimmed.spec.podsToMigrate?.[0] ?? {}));
  const { isMoved, notify } = createIndex();
  notify({ type: 'add', object: trimmed });
  t.ok(isMoved('web'));
  t.notOk('status' in trimPlan(makePlan('b', undefined, [])), 'no status, and none invented');
});

t.test('attack: an owner counts with its namespace, kind and name, whatever uid a pod says', async (t) => {
  const { isOwnerMoved, notify } = createIndex();
  notify({ type: 'add', object: makePlan('a', 'Running', ['web']) });
  const owner = { kind: 'ReplicaSet', name: 'web', uid: 'web' };
  t.ok(isOwnerMoved(owner, 'work'));
  t.notOk(isOwnerMoved(owner, 'attacker'));
  t.notOk(isOwnerMoved({ ...owner, kind: 'Job' }, 'work'));
  t.notOk(isOwnerMoved({ ...owner, name: 'other' }, 'work'));
  t.ok(isOwnerMoved(owner, undefined), 'a probe pod stands in for it in our namespace');
});
