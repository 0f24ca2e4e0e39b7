import type { Pod } from '../api/objects.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Recorder } from '../kube/controller/events.ts';
import type { Catalogue } from '../planner/model/catalogue.ts';
import type { Caches } from './caches.ts';
import type { Clock } from './rebalanceplan/controller.ts';
import type { Planning, PlanningRequest } from './rebalanceplanclaim/plannerworker.ts';

/** What a search that nobody asked for may take at most, in milliseconds. */
export const PLANNING_TIMEOUT_MS = 5 * 60_000;
const SEED = 1;

/** What the cycles share that make plans unasked. */
export interface PlanSearchOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly catalogue: () => Promise<Catalogue>;
  readonly planning: Planning;
  readonly timeBudgetMs: () => number;
  /** Whether a Deployment without the surge annotation gets it. */
  readonly surgeByDefault: boolean;
  /** As in RebalanceRequest. */
  readonly schedulers?: readonly string[];
  /** Pods that the headroom of the policies stands for. */
  readonly headroom?: () => readonly Pod[];
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The part of a request that is the same for all of them. */
export const searchSettings = ({
  timeBudgetMs,
  surgeByDefault,
  schedulers,
}: PlanSearchOptions): Pick<
  PlanningRequest,
  'seed' | 'timeBudgetMs' | 'surgeSingleReplicas' | 'schedulers'
> => ({
  seed: SEED,
  timeBudgetMs: timeBudgetMs(),
  surgeSingleReplicas: surgeByDefault,
  ...(schedulers && { schedulers }),
});
