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
  return { isOwnerMoved, notify: (change: Change<RebalancePlan>) => notify(change) };
};

t.test('owners count while a plan that moves their pods runs', async (t) => {
  const { isOwnerMoved, notify } = createIndex();
  const queued = makePlan('a', undefined, ['web', 'web', 'db']);
  const running = makePlan('a', 'Running', ['web', 'web', 'db']);
  notify({ type: 'add', object: queued });
  t.notOk(isOwnerMoved('web'), 'it does not run yet');
  notify({ type: 'update', old: queued, object: running });
  t.ok(isOwnerMoved('web'));
  t.ok(isOwnerMoved('db'));
  t.notOk(isOwnerMoved('other'));
  notify({ type: 'update', old: running, object: makePlan('a', 'Done', ['web', 'web', 'db']) });
  t.notOk(isOwnerMoved('web'), 'it is done');
});

t.test('an owner in two plans counts until both have ended', async (t) => {
  const { isOwnerMoved, notify } = createIndex();
  const [first, second] = [makePlan('a', 'Running', ['web']), makePlan('b', 'Running', ['web'])];
  notify({ type: 'add', object: first });
  notify({ type: 'add', object: second });
  notify({ type: 'delete', object: first });
  t.ok(isOwnerMoved('web'));
  notify({ type: 'delete', object: second });
  t.notOk(isOwnerMoved('web'));
});

t.test('a trimmed plan has the same owners and its state, and nothing large', async (t) => {
  const plan = makePlan('a', 'Running', ['web']);
  const trimmed = trimPlan({ ...plan, status: { state: 'Running', message: 'large' } as never });
  t.same(trimmed.status, { state: 'Running' });
  t.notOk('srcNode' in (trimmed.spec.podsToMigrate?.[0] ?? {}));
  const { isOwnerMoved, notify } = createIndex();
  notify({ type: 'add', object: trimmed });
  t.ok(isOwnerMoved('web'));
  t.notOk('status' in trimPlan(makePlan('b', undefined, [])), 'no status, and none invented');
});
