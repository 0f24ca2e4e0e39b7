import t from 'tap';
import { EVICTED_TAINT } from '../../api/labels.ts';
import { rebalance } from '../../planner/rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../../planner/testing/builders.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import { catalogueFor } from '../continuous/decide.ts';
import { withoutWayBack } from './moves.ts';

/** A node whose drain failed a short time ago, in a NodePool whose budget lets one node go at a time. */

const pool = { ...makePool(), spec: { ...makePool().spec, disruption: { budgets: [{ nodes: '1' }] } } };
const SOFT = [{ key: EVICTED_TAINT, effect: 'PreferNoSchedule' as const }];

t.test('a failed drain keeps pods away, and uses up no disruption budget', async (t) => {
  const made = [makeNode('failed', { taints: SOFT }), makeNode('a'), makeNode('b')];
  const pods = [
    makePod('on-failed', { node: 'failed', cpu: 500 }),
    makePod('on-a', { node: 'a', cpu: 500 }),
    makePod('on-b', { node: 'b', cpu: 2_000 }),
  ];
  const snapshot = makeSnapshot(made, pods, { nodePools: [pool] });
  const { plan } = await rebalance({
    snapshot: withoutWayBack(snapshot),
    catalogue: catalogueFor({ mode: 'drain-only' }, machines),
    now: Date.parse('2026-11-30T12:00:00Z'),
    seed: 1,
    rounds: 20,
    planName: 'evictor-1',
    scope: { nodeNames: ['a', 'b'] },
  });
  t.match(plan?.spec.nodeClaimsToDelete, [{ nodeClaimName: 'claim-a' }]);
  t.match(plan?.spec.podsToMigrate, [{ name: 'on-a', dstNodeClaimName: 'claim-b' }]);
});
