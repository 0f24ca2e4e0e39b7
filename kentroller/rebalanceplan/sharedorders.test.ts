import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { isMarkedBy, parseOwnerMark } from '../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { LOCKED_BY, OWNED_BY } from '../../api/labels.ts';
import type { KubeObject } from '../../api/objects.ts';
import { isRunning } from '../../api/plans.ts';
import { NODE_CLAIMS, NODE_POOLS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { Process } from '../testing/process.ts';
import { existingClaims } from './state/claimnames.ts';
import { IN_USE_BY } from './state/labels.ts';

/** Plans that remove shared nodes and buy others: what the plan that loses does to nodes and to the bill. */

const CLAIMS = [0, 1, 2, 3].map((n) => `claim-${n}`);
const KILLS_PER_MILLE = 15;
const { catalogue } = make.offerings(make.PRICES);

interface Case {
  /** The claims that each plan removes, by number. */
  readonly removes: readonly (readonly number[])[];
  /** What happens next, as a choice among what can. */
  readonly choices: readonly number[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  removes: fc.array(fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 }), {
    minLength: 2,
    maxLength: 4,
  }),
  choices: fc.array(fc.nat({ max: 0xffff }), { minLength: 60, maxLength: 300 }),
});

const sceneOf = (removes: Case['removes'], now: () => number): MemoryApi => {
  const api = new MemoryApi({ now });
  api.create(NODE_POOLS, make.nodePool());
  for (const name of CLAIMS) {
    const labels = {
      'karpenter.sh/nodepool': 'general',
      ...make.machineLabels('m5.xlarge/us-west-2a/on-demand'),
    };
    const { status = {}, ...claim } = make.nodeClaim(name, { labels });
    api.create(NODE_CLAIMS, claim);
    api.edit(NODE_CLAIMS, { name }, (found) => ({ ...found, status }));
    api.create(NODES, make.node(name));
  }
  for (const [n, numbers] of removes.entries())
    api.create(REBALANCE_PLANS, {
      metadata: { name: `plan-${n}` },
      spec: {
        execute: true,
        nodeClaimsToAdd: [make.toAdd(`green-${n}`)],
        nodeClaimsToDelete: numbers.map((each) => ({ nodeClaimName: CLAIMS[each] ?? '' })),
      },
    });
  return api;
};

/** The plan that a mark is of, where it is still there. */
const markerOf = (api: MemoryApi, { metadata }: KubeObject, mark: string): RebalancePlan | undefined => {
  const name = parseOwnerMark(metadata.annotations?.[mark])?.name;
  return name === undefined ? undefined : api.find(REBALANCE_PLANS, { name });
};

const marksOf = (api: MemoryApi, plan: RebalancePlan): readonly string[] =>
  api.list(NODE_CLAIMS).flatMap((claim) => (isMarkedBy(plan, claim, IN_USE_BY) ? [claim.metadata.name] : []));

/** Only a plan that has all of its nodes has a machine on order or a node locked. */
const faultOf = (api: MemoryApi): string | undefined => {
  const acts = [
    ...api.list(NODE_CLAIMS).map((claim) => [claim, OWNED_BY, 'was ordered'] as const),
    ...api.list(NODES).map((node) => [node, LOCKED_BY, 'was locked'] as const),
  ];
  for (const [object, mark, what] of acts) {
    const plan = markerOf(api, object, mark);
    const has = plan && marksOf(api, plan);
    if (plan && has && !existingClaims(plan).every((name) => has.includes(name)))
      return `${object.metadata.name} ${what} by ${plan.metadata.name}, which has ${has.join() || 'nothing'}`;
  }
  return undefined;
};

/** What is wrong once nothing is on its way: plans that wait have a node, or wait for nobody. */
const faultAtRest = (api: MemoryApi): string | undefined => {
  for (const plan of api.list(REBALANCE_PLANS)) {
    const { name } = plan.metadata;
    const has = marksOf(api, plan);
    if (isRunning(plan)) {
      if (!api.find(NODE_CLAIMS, { name: `green-${name.slice('plan-'.length)}` }))
        return `${name} runs, and has ordered nothing`;
      continue;
    }
    if (plan.status?.state !== 'Pending') return `${name} is ${plan.status?.state}`;
    if (has.length > 0) return `${name} waits, and has ${has.join()}`;
    const users = existingClaims(plan).map((claim) =>
      markerOf(api, api.get(NODE_CLAIMS, { name: claim }), IN_USE_BY),
    );
    if (!users.some((user) => user && isRunning(user))) return `${name} waits for nobody`;
  }
  return undefined;
};

/** Plays a case; returns what went wrong, and the number of plans that lost. */
const play = async ({ removes, choices }: Case): Promise<{ fault: string | undefined; losers: number }> => {
  let now = make.NOW;
  const api = sceneOf(removes, () => now);
  const names = removes.map((_, n) => `plan-${n}`);
  const begin = (): Process =>
    new Process(
      api,
      () => now,
      () => {},
      catalogue,
    );
  let process = begin();
  let fault: string | undefined;
  api.store.onChange(() => {
    fault ??= faultOf(api);
  });
  for (const choice of choices) {
    const { requests } = process;
    if (choice % 1000 < KILLS_PER_MILLE) {
      process.kill((at) => ((choice >> (at % 8)) & 1) === 1);
      process = begin();
    } else {
      const serve = requests.map((_, at) => () => requests.splice(at, 1)[0]?.());
      const possible = [...serve, ...serve, ...process.deliveries(), ...process.reconciles(names, CLAIMS)];
      possible[choice % Math.max(possible.length, 1)]?.();
    }
    await setImmediate();
    now += 10;
    if (fault) return { fault, losers: 0 };
  }
  // From here on everything gets its turn, and nobody interferes.
  for (let round = 0; round < 30 && !fault; round += 1) {
    for (const start of process.reconciles(names, CLAIMS)) start();
    await setImmediate();
    while (process.requests.length > 0) {
      process.requests.shift()?.();
      await setImmediate();
    }
    for (let each = process.deliveries(); each.length > 0; each = process.deliveries()) each[0]?.();
    now += 10;
  }
  const losers = api.list(REBALANCE_PLANS).filter((plan) => !isRunning(plan)).length;
  return { fault: fault ?? faultAtRest(api), losers };
};

t.test('of two plans that remove one node, one buys, and the other has nothing and waits', async (t) => {
  const choices = Array.from({ length: 200 }, (_, n) => (n * 7919) % 65_536);
  t.same(await play({ removes: [[0], [0]], choices }), { fault: undefined, losers: 1 });
});

t.test(
  'a plan buys and locks nothing before it has all of its nodes, and frees what it has when it loses',
  async (t) => {
    let losers = 0;
    await fc.assert(
      fc.asyncProperty(cases, async (each) => {
        const played = await play(each);
        losers += played.losers;
        if (played.fault) throw new Error(played.fault);
      }),
      { numRuns: 60, seed: 6 },
    );
    t.ok(losers > 30, `${losers} plans lost`);
  },
);
