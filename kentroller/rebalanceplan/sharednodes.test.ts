import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { foreignMark, isMarkedBy } from '../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { isFinished, isRunning } from '../../api/plans.ts';
import * as resources from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { Process } from '../testing/process.ts';
import { existingClaims } from './state/claimnames.ts';
import { IN_USE_BY } from './state/labels.ts';
import { hasReached } from './state/status.ts';

/** Plans over shared nodes: the real controllers over an API server in memory, in any order of their reads and writes. */

const { REBALANCE_PLANS, NODE_CLAIMS } = resources;

interface Case {
  /** The claims that each plan uses, by number. */
  readonly uses: readonly (readonly number[])[];
  /** What happens next, as a choice among what can. */
  readonly choices: readonly number[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  uses: fc.array(fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 }), {
    minLength: 2,
    maxLength: 4,
  }),
  choices: fc.array(fc.nat({ max: 0xffff }), { minLength: 100, maxLength: 400 }),
});

const CLAIMS = [0, 1, 2, 3].map((n) => `claim-${n}`);
const KILLS_PER_MILLE = 15;
const FORCED_PER_MILLE = 20;

/** Plans that run and have not begun to end have all of their nodes to themselves. */
const faultOf = (api: MemoryApi): string | undefined => {
  for (const plan of api.list(REBALANCE_PLANS)) {
    if (!isRunning(plan) || plan.status?.failurePhase || hasReached(plan, 'NodesDeleted')) continue;
    for (const name of existingClaims(plan)) {
      const claim = api.find(NODE_CLAIMS, { name });
      if (claim && !isMarkedBy(plan, claim, IN_USE_BY)) {
        const other = foreignMark(plan, claim, IN_USE_BY) ?? 'nobody';
        return `${plan.metadata.name} runs, and ${name} is in use by ${other}`;
      }
    }
  }
  return undefined;
};

const createPlan = (api: MemoryApi, name: string, uses: readonly number[]): RebalancePlan =>
  api.create(REBALANCE_PLANS, {
    metadata: { name },
    spec: {
      execute: true,
      podsToMigrate: uses.map((n) => ({
        name: 'pending',
        namespace: 'shop',
        srcNode: '',
        dstNodeClaimName: CLAIMS[n] ?? '',
      })),
    },
  });

/** Plays a case; returns what went wrong. */
const play = async ({ uses, choices }: Case): Promise<string | undefined> => {
  let now = make.NOW;
  const api = new MemoryApi({ now: () => now });
  for (const name of CLAIMS) api.create(NODE_CLAIMS, make.nodeClaim(name));
  const names = uses.map((_, n) => `plan-${n}`);
  for (const [n, name] of names.entries()) createPlan(api, name, uses[n] ?? []);
  let process = new Process(api, () => now);
  let fault: string | undefined;
  api.store.onChange(() => {
    fault ??= faultOf(api);
  });
  const restart = (choice: number): void => {
    process.kill((at) => ((choice >> (at % 8)) & 1) === 1);
    process = new Process(api, () => now);
  };
  /** A user deletes a plan and its finalizer, and makes another one of the same name. */
  const replacePlan = (choice: number): void => {
    const n = choice % names.length;
    const name = names[n] ?? '';
    api.edit(REBALANCE_PLANS, { name }, (plan) => ({
      ...plan,
      metadata: { ...plan.metadata, finalizers: [] },
    }));
    if (api.find(REBALANCE_PLANS, { name })) api.delete(REBALANCE_PLANS, { name });
    createPlan(api, name, uses[n] ?? []);
  };
  for (const choice of choices) {
    const { requests } = process;
    if (choice % 1000 < KILLS_PER_MILLE) restart(choice);
    else if (choice % 1000 < KILLS_PER_MILLE + FORCED_PER_MILLE) replacePlan(choice);
    else {
      const serve = requests.map((_, at) => () => requests.splice(at, 1)[0]?.());
      const possible = [...serve, ...serve, ...process.deliveries(), ...process.reconciles(names, CLAIMS)];
      possible[choice % Math.max(possible.length, 1)]?.();
    }
    await setImmediate();
    now += 10;
    if (fault) return fault;
  }
  // From here on everything gets its turn, and nobody interferes.
  const isOver = (): boolean =>
    api.list(REBALANCE_PLANS).every((plan) => isFinished(plan) && !plan.metadata.finalizers?.length) &&
    api.list(NODE_CLAIMS).every((claim) => claim.metadata.annotations?.[IN_USE_BY] === undefined);
  for (let round = 0; round < 400 && !isOver(); round += 1) {
    for (const begin of process.reconciles(names, CLAIMS)) begin();
    await setImmediate();
    while (process.requests.length > 0) {
      process.requests.shift()?.();
      await setImmediate();
    }
    for (let each = process.deliveries(); each.length > 0; each = process.deliveries()) each[0]?.();
    now += 10;
    if (fault) return fault;
  }
  if (isOver()) return undefined;
  const left = api.list(REBALANCE_PLANS).map((p) => `${p.metadata.name} ${p.status?.state}`);
  const marks = api.list(NODE_CLAIMS).map((c) => c.metadata.annotations?.[IN_USE_BY]);
  return `not all ends: ${left.join()}; in use: ${marks.join()}`;
};

t.test('two plans on one node: one starts, the other waits for it', async (t) => {
  t.equal(
    await play({ uses: [[0], [0]], choices: Array.from({ length: 400 }, (_, n) => (n * 7919) % 65_536) }),
    undefined,
  );
});

t.test('plans over shared nodes never use one at once, all end, and nothing is left in use', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async (each) => {
      const fault = await play(each);
      if (fault) throw new Error(fault);
    }),
    { numRuns: 50, seed: 5 },
  );
});
