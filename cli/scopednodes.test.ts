import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { rebalancePlan } from '../api/kinds/rebalanceplan.ts';
import { MANAGED_BY, MANAGED_BY_US, SCOPED_TAINT } from '../api/labels.ts';
import { makeNode, makePod, makeSnapshot } from '../planner/testing/builders.ts';
import { explainCommand } from './explain.ts';
import { parseFlags } from './flags.ts';
import { planCommand } from './plan.ts';
import { reportCommand } from './report.ts';
import type { Input } from './request.ts';

/** What commands show of nodes of scoped mode: what kentroller replaces them with. */

const folder = mkdtempSync(join(tmpdir(), 'cli-scoped-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const catalog = join(folder, 'catalog.json');
writeFileSync(
  catalog,
  JSON.stringify(
    [1, 4].map((size) => ({
      name: size === 1 ? 'm5.xlarge' : 'm5.4xlarge',
      architecture: 'amd64',
      operatingSystems: ['linux'],
      resources: { cpu: String(4 * size), memory: `${16 * size}Gi`, pods: '58' },
      offerings: [
        {
          Price: 0.192 * size,
          Requirements: [
            { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
            { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a'] },
          ],
        },
      ],
    })),
  ),
);
const IN_SCOPE = {
  nodeSelector: { [MANAGED_BY]: MANAGED_BY_US },
  tolerations: [{ key: SCOPED_TAINT, operator: 'Exists', effect: 'NoSchedule' }],
} as const;
const large = { type: 'm5.4xlarge', cpu: 15_900, memory: 63_000 };
const scoped = {
  ...large,
  taints: [{ key: SCOPED_TAINT, effect: 'NoSchedule' }],
  labels: { [MANAGED_BY]: MANAGED_BY_US, [SCOPED_TAINT]: 'true' },
} as const;
const snapshot = makeSnapshot(
  [makeNode('other', large), makeNode('scoped', scoped)],
  [
    makePod('p', { node: 'other', cpu: 300 }),
    makePod('q', { node: 'scoped', cpu: 300, app: 'scoped', spec: IN_SCOPE }),
  ],
);

const input = (...words: string[]): Input => ({
  flags: parseFlags(
    [...words, '--catalog', catalog, '--time-budget', '500ms'],
    new Set(['catalog', 'output', 'time-budget']),
    new Set(),
  ),
  readSnapshot: async () => snapshot,
  readLive: async () => undefined,
  clock: () => performance.now(),
  now: Date.parse('2026-11-30T12:00:00Z'),
});

t.test('plan replaces a node of scoped mode by one of it, beside others', async (t) => {
  const { out, code } = await planCommand(input('plan', 'rebalance', '--output', 'json'));
  t.equal(code, 0);
  const { spec } = rebalancePlan.parse(JSON.parse(out));
  t.same(spec.nodeClaimsToDelete?.map(({ nodeClaimName }) => nodeClaimName).sort(), [
    'claim-other',
    'claim-scoped',
  ]);
  const tainted = (spec.nodeClaimsToAdd ?? []).filter(({ spec: { taints = [] } }) =>
    taints.some(({ key }) => key === SCOPED_TAINT),
  );
  t.equal(tainted.length, 1);
  t.equal(spec.podsToMigrate?.find(({ name }) => name === 'q')?.dstNodeClaimName, tainted[0]?.metadata.name);
});

t.test('report counts what is saved with both', async (t) => {
  const { out } = await reportCommand(input('report', '--output', 'json'));
  const report = JSON.parse(out);
  t.same(
    report.lines.map(({ fate }: { fate: string }) => fate),
    ['removed', 'removed'],
  );
  t.equal(report.added.length, 2);
  t.equal(report.podsMoved, 2);
  t.ok(report.monthlySavings > 0.5 * report.monthlyBefore);
});

t.test('explain says that such a node is replaced', async (t) => {
  const { out } = await explainCommand(input('explain', 'node', 'scoped'));
  t.match(out, /the plan removes it/);
});
