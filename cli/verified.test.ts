import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { RebalancePlanSpec } from '../api/kinds/rebalanceplan.ts';
import type { ProvisionResult } from '../planner/provision.ts';
import type { RebalanceResult } from '../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../planner/testing/builders.ts';
import { parseFlags } from './flags.ts';
import { planCommand } from './plan.ts';
import { reportCommand } from './report.ts';
import type { Input } from './request.ts';
import { writeCatalog } from './testing/catalogfile.ts';

/** What commands print of plans that a planner got wrong. */

const folder = mkdtempSync(join(tmpdir(), 'cli-verified-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const catalog = writeCatalog(folder);
const snapshot = makeSnapshot([makeNode('a'), makeNode('b')], [makePod('p', { node: 'a' })]);

const input = (...words: string[]): Input => ({
  flags: parseFlags([...words, '--catalog', catalog], new Set(['catalog', 'output']), new Set()),
  readSnapshot: async () => snapshot,
  readLive: async () => undefined,
  clock: () => performance.now(),
  now: 0,
});

/** Leaves the pod of node a behind. */
const spec: RebalancePlanSpec = { execute: false, nodeClaimsToDelete: [{ nodeClaimName: 'claim-a' }] };
const savings = {
  projectedSavingsPercent: '50.0',
  projectedSavingsCostMonthly: '140.00',
  currentMonthlyCost: '280.00',
  projectedMonthlyCost: '140.00',
  projectedClusterMonthlyCost: '140.00',
};
const wrong: RebalanceResult & ProvisionResult = {
  plan: { spec, savings },
  skippedNodes: [],
  selectedNodes: ['a'],
  unplaced: [],
};
const planner = { rebalance: () => wrong, provision: () => wrong };
const SENTENCE =
  'The plan was refused, because it breaks rule PodLeftBehind: Pod default/p is left on node a, which the plan removes.';

t.test('plan prints no plan that is refused, says by which rule, and exits with 4', async (t) => {
  for (const what of ['rebalance', 'provision']) {
    t.same(await planCommand(input('plan', what), planner), { out: '', err: [SENTENCE], code: 4 });
  }
});

t.test('report counts no savings of a plan that is refused', async (t) => {
  const { out, code } = await reportCommand(input('report', '--output', 'json'), planner.rebalance);
  t.equal(code, 0);
  t.match(JSON.parse(out), {
    reason: SENTENCE,
    monthlySavings: 0,
    savingsPercent: 0,
    podsMoved: 0,
    added: [],
  });
});
