import t from 'tap';
import type { RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { planBytes } from './plansize.ts';

const SAVINGS = {
  projectedSavingsPercent: '1',
  projectedSavingsCostMonthly: '1',
  currentMonthlyCost: '1',
  projectedMonthlyCost: '1',
};
const uidOf = (n: number): string => `7d8c6e2c-6f5e-4f0c-9a55-${String(n).padStart(12, '0')}`;

/** A plan that moves pods of as many Deployments to nodes that stay. */
const planOf = (pods: number): RebalancePlanSpec => ({
  execute: false,
  podsToMigrate: Array.from({ length: pods }, (_, n) => ({
    name: `web-${n}-7d9f8b6c5d-x2x4z`,
    namespace: `shop-${n}`,
    dstNodeClaimName: `pool-${n % 7}`,
    owner: { kind: 'ReplicaSet', name: `web-${n}-7d9f8b6c5d`, uid: uidOf(n) },
  })),
});

t.test('the size of a plan has room for what its status keeps of each move', async (t) => {
  const spec = planOf(500);
  const moves = spec.podsToMigrate ?? [];
  const status = {
    pinBaseline: Object.fromEntries(moves.map((m) => [`${m.owner?.uid}/${m.dstNodeClaimName}`, 25])),
    detachedPods: moves.map((m, n) => ({
      namespace: m.namespace,
      name: m.name,
      uid: uidOf(n),
      hash: '7d9f8b6c5d',
      replicaSet: { name: m.owner?.name, uid: m.owner?.uid },
    })),
  };
  const stored = Buffer.byteLength(JSON.stringify({ spec, status: { ...status, savings: SAVINGS } }));
  const bytes = planBytes(spec, SAVINGS);
  t.ok(bytes >= stored, `${bytes} of ${stored} bytes`);
  t.ok(bytes < stored * 1.3, 'and not much more');
});

t.test('pods of one owner are detached by no surge', async (t) => {
  const [move] = planOf(1).podsToMigrate ?? [];
  if (!move) throw new Error('no move');
  const plan = (names: readonly string[]): RebalancePlanSpec => ({
    execute: false,
    podsToMigrate: names.map((name) => ({ ...move, name })),
  });
  const [one, two, three] = [['a'], ['a', 'b'], ['a', 'b', 'c']].map((names) =>
    planBytes(plan(names), SAVINGS),
  );
  t.ok((one ?? 0) + ((three ?? 0) - (two ?? 0)) > (two ?? 0), 'the first alone has room for its record');
});
