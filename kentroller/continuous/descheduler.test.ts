import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { runCycle as evict } from '../evictor/cycle.ts';
import { evictorSettings } from '../evictor/settings.ts';
import { policiesNow } from '../policies/settings.ts';
import { PLUGINS } from '../testing/cycles/descheduler.ts';
import { searchIn } from '../testing/cycles/search.ts';
import { CycleWorld, MINUTE, type Scheduling } from '../testing/cycles/world.ts';
import { runCycle } from './run.ts';
import type { ContinuousSettings } from './settings.ts';

/**
 * An hour of virtual time beside a descheduler that runs every five minutes, and beside Karpenter's PodDeletionCostManagement: nobody
 * moves what somebody else has just moved. The decisions are ours, the cluster and the others are models.
 */

const HOUR_MS = 60 * MINUTE;
const log = createLogger({ component: 'descheduler-test', level: 'silent' });

/** The defaults, but for the cooldown. */
const SETTINGS: ContinuousSettings = {
  enabled: true,
  mode: 'full',
  minNodeAgeMs: 5 * MINUTE,
  minNodes: 1,
  maxNodes: 100,
  thresholdPercent: 0,
  thresholdMonthly: 50,
  moveWeight: 0.4,
  podMoveCooldownMs: HOUR_MS,
  failureBackoffMs: 30 * MINUTE,
  aggressive: {},
};

interface Beside {
  readonly plugin?: string;
  readonly minPodAgeMs?: number;
  readonly scheduling?: Scheduling;
  readonly podMoveCooldownMs?: number;
}

const SEEDS = [1, 2, 3];
const MAKERS = ['evictor', 'continuous'] as const;
type Maker = (typeof MAKERS)[number] | 'both';

const hour = async (seed: number, maker: Maker, beside: Beside): Promise<CycleWorld> => {
  const world = new CycleWorld(seed, { spreads: true, ...beside.scheduling });
  const options = searchIn(world, { source: 'continuous', rounds: 8 });
  const continuous = {
    ...options,
    settings: () => ({ ...SETTINGS, podMoveCooldownMs: beside.podMoveCooldownMs ?? HOUR_MS }),
    policies: () => policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {}),
    pollingPeriodMs: () => MINUTE,
    audit: { note: () => {} },
    log,
  };
  const settings = evictorSettings(undefined, { evictor: { enabled: true } });
  for (let minute = 0; minute < 60; minute++) {
    world.pass();
    if (beside.plugin !== undefined && minute % 5 === 2) {
      const nodes = [...world.nodes.values()].map(({ node }) => node);
      const seen = { nodes, podsOn: (node: string) => world.podsOn(node), now: world.now };
      for (const pod of PLUGINS[beside.plugin]?.(seen, beside.minPodAgeMs ?? HOUR_MS) ?? [])
        if (world.pods.has(pod.metadata.name)) world.evict(pod, beside.plugin);
    }
    if (maker !== 'continuous') await evict(options, settings);
    world.execute('evictor');
    if (maker !== 'evictor' && minute % 2 === 0) await runCycle(continuous);
    world.execute('continuous');
  }
  return world;
};

const isMovedTwice = ({ moves }: CycleWorld): readonly string[] =>
  [...moves.values()].filter(({ length }) => length > 1).map((by) => by.join(', '));

/** What runs beside us, and how kube-scheduler is set for it. */
const BESIDE: Readonly<Record<string, Beside>> = {
  LowNodeUtilization: { plugin: 'LowNodeUtilization' },
  HighNodeUtilization: { plugin: 'HighNodeUtilization', scheduling: { packs: true } },
  RemoveDuplicates: { plugin: 'RemoveDuplicates' },
  RemovePodsViolatingTopologySpreadConstraint: {
    plugin: 'RemovePodsViolatingTopologySpreadConstraint',
    scheduling: { maxSkew: 1 },
  },
  PodDeletionCostManagement: { scheduling: { hasDeletionCosts: true } },
};

for (const [name, beside] of Object.entries(BESIDE)) {
  for (const maker of MAKERS) {
    t.test(
      `${maker} beside ${name}: no pod is moved twice, and nothing is bought for what went`,
      async (t) => {
        const world = await hour(1, maker, beside);
        t.ok(world.removed > 0, `${world.removed} nodes went`);
        t.same(isMovedTwice(world), []);
        t.equal(world.bought, 0);
        const added = [...world.nodes.keys()].filter((node) => node.startsWith('of-'));
        t.equal(added.length, world.added, 'no node goes that was added within the hour');
      },
    );
  }
}

t.test('the evictor and continuous rebalancing leave alone what the other has moved', async (t) => {
  for (const seed of SEEDS) {
    const world = await hour(seed, 'both', { plugin: 'RemoveDuplicates' });
    t.ok(world.removed > 0);
    t.same(isMovedTwice(world), [], `seed ${seed}`);
  }
});

/** Pods that one of us and the others have moved, without the settings that the guide asks for. */
const fought = async (seed: number, maker: Maker, beside: Beside): Promise<readonly string[]> => {
  const world = await hour(seed, maker, { ...beside, minPodAgeMs: 0, podMoveCooldownMs: 0 });
  return isMovedTwice(world).filter((by) => by.includes(maker) && by.includes(beside.plugin ?? ' '));
};

t.test(
  'without the settings that the guide asks for RemoveDuplicates fights, so the model can show it',
  async (t) => {
    for (const maker of MAKERS)
      t.ok((await fought(1, maker, { plugin: 'RemoveDuplicates' })).length > 0, maker);
  },
);

for (const [name, beside] of Object.entries(BESIDE)) {
  if (name === 'RemoveDuplicates' || beside.plugin === undefined) continue;
  t.test(`${name} does not fight without them`, async (t) => {
    for (const maker of MAKERS)
      for (const seed of SEEDS) t.same(await fought(seed, maker, beside), [], maker);
  });
}
