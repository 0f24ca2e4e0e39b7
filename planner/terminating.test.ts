import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { verifyPlan } from './plan/verify.ts';
import { rebalance } from './rebalance.ts';
import { makeNode, makePod, makeSnapshot } from './testing/builders.ts';
import { smallCatalogue } from './testing/randomcluster.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');

const terminating = (owner: string): Pod => {
  const pod = makePod('db-0', { node: 'a', cpu: 1_500, owner, app: 'db' });
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-06-01T12:00:30Z' } };
};

const movesOf = (owner: string) => {
  const snapshot = makeSnapshot(
    [makeNode('a', { cpu: 8_000, memory: 32_768, type: 'm5.2xlarge' })],
    [terminating(owner), makePod('p', { node: 'a', cpu: 300 })],
  );
  const { plan, ...rest } = rebalance({
    snapshot,
    catalogue: smallCatalogue,
    now: NOW,
    seed: 1,
    planName: 'p',
  });
  if (!plan) throw new Error(`a cheaper node is to be found: ${JSON.stringify(rest)}`);
  return {
    names: (plan.spec.podsToMigrate ?? []).map(({ name }) => name).sort(),
    faults: verifyPlan(snapshot, smallCatalogue, plan.spec),
  };
};

t.test('fault 15: the successor of a terminating StatefulSet pod has room', async (t) => {
  t.same(movesOf('StatefulSet'), { names: ['db-0', 'p'], faults: [] });
});

t.test('the successor of a terminating ReplicaSet pod is there already, and counts by itself', async (t) => {
  t.same(movesOf('ReplicaSet'), { names: ['p'], faults: [] });
});
