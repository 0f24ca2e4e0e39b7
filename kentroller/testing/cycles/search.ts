import { Registry } from 'prom-client';
import { createLogger } from '../../../kube/component/log.ts';
import { rebalance } from '../../../planner/rebalance.ts';
import { machines } from '../../../planner/testing/smallworld.ts';
import type { PlanSearchOptions } from '../../plansearch.ts';
import { countRefusals, type PlanSource, verified } from '../../rebalanceplanclaim/verified.ts';
import { type CycleWorld, cachesOf, clientOf } from './world.ts';

/** What a cycle searches with in a world: the real planner, with so many rounds and without a clock of its own. */
export const searchIn = (
  world: CycleWorld,
  o: { readonly source: PlanSource; readonly rounds: number },
): PlanSearchOptions => {
  const log = createLogger({ component: 'cycles-test', level: 'silent' });
  const planning: PlanSearchOptions['planning'] = async ({ timeBudgetMs: _, ...request }) =>
    rebalance({ ...request, rounds: o.rounds });
  return {
    client: clientOf(world),
    caches: cachesOf(world),
    catalogue: async () => machines,
    planning: verified(planning, { source: o.source, refusals: countRefusals(new Registry()), log }),
    timeBudgetMs: () => 1_000,
    surgeByDefault: false,
    recorder: { event: () => {}, flush: async () => {} },
    clock: { now: () => world.now },
    signal: new AbortController().signal,
  };
};
