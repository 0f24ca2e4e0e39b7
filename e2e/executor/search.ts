import fc from 'fast-check';
import { NODE_POOLS, POD_DISRUPTION_BUDGETS } from '../../api/resources.ts';
import { POOL } from './cluster/cluster.ts';
import { histories } from './commands.ts';
import { checkQuiet } from './invariants.ts';
import { Violation } from './model.ts';
import type { Scene } from './scene.ts';
import { World } from './world.ts';

const scenes: fc.Arbitrary<Scene> = fc.record({
  nodes: fc.integer({ min: 2, max: 4 }),
  web: fc.integer({ min: 1, max: 5 }),
  hasSurge: fc.boolean(),
  db: fc.integer({ min: 0, max: 2 }),
  minAvailable: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
});

const MOST_HAPPENINGS = 25;
/** Longer than every plan and every deadline. */
const LONGEST_MS = 1_200_000;
/** Longer than every retry. */
const QUIET_MS = 75_000;
const STEP_MS = 15_000;
/** Real time. */
const LONGEST_SHRINK_MS = 60_000;

/** A fault, and the shortest history that was found for it. */
export interface Fault {
  readonly invariant: string;
  readonly message: string;
  /** What happened, in numbered lines. */
  readonly story: string;
  /** Number of the history that found it, from 1. */
  readonly history: number;
  /** What to give to `search` to see it again. */
  readonly seed: number;
}

export interface SearchResult {
  readonly histories: number;
  readonly events: number;
  readonly seconds: number;
  readonly fault: Fault | undefined;
}

/** Lets the cluster and our components come to rest. */
const settle = async (world: World): Promise<void> => {
  const { api, cluster } = world;
  world.story.tell('** From here on users, cloud and crashes leave the cluster alone');
  cluster.market.restock();
  cluster.neverJoins = 0;
  world.isWebhookLive = true;
  api.edit(NODE_POOLS, { name: POOL }, (p) => ({
    ...p,
    spec: { ...p.spec, limits: { cpu: '200' }, disruption: { budgets: [{ nodes: '100%' }] } },
  }));
  for (const { metadata } of api.list(POD_DISRUPTION_BUDGETS)) {
    api.delete(POD_DISRUPTION_BUDGETS, {
      name: metadata.name,
      ...(metadata.namespace && { namespace: metadata.namespace }),
    });
  }
  for (let quietMs = 0, passedMs = 0; passedMs < LONGEST_MS && quietMs < QUIET_MS; passedMs += STEP_MS) {
    const { version } = world;
    await world.advance(STEP_MS);
    quietMs = world.version === version && !world.isBusy ? quietMs + STEP_MS : 0;
  }
  world.guard(() => checkQuiet(world));
  world.check();
};

class StoryError extends Error {
  readonly invariant: string;
  readonly story: string;

  constructor(cause: unknown, story: string) {
    super(String(cause), { cause });
    this.invariant = cause instanceof Violation ? cause.invariant : 'error';
    this.story = story;
  }
}

/** Runs random histories until one breaks an invariant, and shrinks that one. */
export const search = async (o: {
  readonly seed: number;
  readonly runs: number;
  /** Invariants whose faults are known and not looked for. */
  readonly without?: ReadonlySet<string>;
  readonly shrinks?: boolean;
}): Promise<SearchResult> => {
  const since = performance.now();
  let count = 0;
  let events = 0;
  let firstFailure: number | undefined;
  let shrinksUntil = Number.POSITIVE_INFINITY;
  const property = fc.asyncProperty(
    scenes,
    fc.noShrink(fc.nat()),
    histories(MOST_HAPPENINGS),
    async (scene, seed, commands) => {
      // Enough was tried: what is left counts as sound, so that the shortest history so far is reported.
      if (performance.now() > shrinksUntil) return;
      const world = new World(seed, scene, o.without ?? new Set());
      if (firstFailure === undefined) count++;
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
        await settle(world);
      } catch (error) {
        if (firstFailure === undefined) shrinksUntil = performance.now() + LONGEST_SHRINK_MS;
        firstFailure ??= count;
        throw new StoryError(error, world.story.text);
      } finally {
        events += world.simulation.events;
      }
    },
  );
  const details = await fc.check(property, {
    numRuns: o.runs,
    seed: o.seed,
    endOnFailure: o.shrinks === false,
  });
  const seconds = (performance.now() - since) / 1000;
  const error = details.errorInstance;
  const fault: Fault | undefined =
    error instanceof StoryError
      ? {
          invariant: error.invariant,
          message: error.message,
          story: error.story,
          history: firstFailure ?? 0,
          seed: details.seed,
        }
      : undefined;
  if (details.failed && !fault) throw error ?? new Error('the search was interrupted');
  return { histories: count, events, seconds, fault };
};
