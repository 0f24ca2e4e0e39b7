import t from 'tap';
import type { RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY } from '../../api/labels.ts';
import type { Condition } from '../../api/objects.ts';
import * as make from '../testing/builders.ts';
import { begin, limitOf, pick, priceOf, stateOf, type World } from '../testing/costworld.ts';
import { decide } from './decide.ts';
import * as status from './state/status.ts';
import type { Step } from './state/step.ts';

/**
 * Random plans in a random market: prices change, the cloud refuses, Karpenter picks any machine that a claim allows,
 * removed nodes vanish. No plan that is Done costs more after than before, with what nodes that must go may cost more
 * (invariant 8 of ARCHITECTURE.md).
 */

const RUNS = process.env.SOAK ? 20_000 : 600;
const MOST_PASSES = 300;
const EPSILON = 1e-6;

const nameOf = (node: string): string => node.replace(/^node-/, '');

/** Throws when an order or a savings check lets machines through that may cost more than the nodes that go. */
const checkCost = (world: World, steps: readonly Step[]): void => {
  const ordered = steps.flatMap((step) => (step.kind === 'create-claim' ? [step.claim] : []));
  const validates = steps.some((step) => step.kind === 'advance' && step.phase === 'SavingsValidated');
  if (ordered.length === 0 && !validates) return;
  const offerings = make.offerings(world.prices);
  const current = new Set(
    Object.values(world.plan.status?.nodesCreation ?? {}).flatMap(({ attempts }) =>
      attempts.filter((each) => each.status !== 'Failed').map((each) => each.nodeClaimName),
    ),
  );
  const greens = [...world.nodeClaims.values()].filter(({ metadata }) => current.has(metadata.name));
  const after = [...greens, ...ordered].reduce((sum, claim) => sum + priceOf(offerings, claim), 0);
  const before = [...world.bluePlaces.keys()].reduce(
    (sum, name) =>
      sum + limitOf(world, name) * (offerings.priceOf(world.nodeClaims.get(name)?.metadata.labels) ?? 0),
    0,
  );
  if (after > before * (1 - world.threshold / 100) + EPSILON) {
    throw new Error(`the plan may come to ${after} where ${before} go, less ${world.threshold} %`);
  }
};

const merge =
  (part: Partial<RebalancePlanStatus>): status.StatusChange =>
  (s) => ({ ...s, ...part });

/** Does in the world what a step does to objects, and returns its change of the plan's status. */
const applyStep = (world: World, step: Step): status.StatusChange => {
  const { now, nodeClaims, nodes } = world;
  const unchanged: status.StatusChange = (s) => s;
  switch (step.kind) {
    case 'create-claim': {
      const { name } = step.claim.metadata;
      const creationTimestamp = new Date(now).toISOString();
      nodeClaims.set(name, {
        ...step.claim,
        metadata: { ...step.claim.metadata, uid: name, creationTimestamp },
      });
      return status.recordAttempt(step.attempt, 'InProgress', '', now);
    }
    case 'attempt-succeeded':
      return status.recordAttempt(step.attempt, 'Success', '', now);
    case 'attempt-failed':
      return status.recordAttempt(step.attempt, 'Failed', step.description, now);
    case 'delete-claim':
      nodeClaims.delete(step.claim);
      nodes.delete(step.claim);
      return unchanged;
    case 'record-deletion':
      return status.recordDeletion(step.claim, step.status, step.description, now);
    case 'close':
    case 'cordon': {
      const name = nameOf(step.node);
      const draining = step.kind === 'cordon' && { 'autoscaling.cast.ai/draining': 'rebalancing' };
      const labels = { ...nodes.get(name)?.metadata.labels, ...draining };
      const annotations = { [CORDONED_BY]: make.MARK };
      nodes.set(name, make.locked(name, { labels, annotations, spec: { unschedulable: true } }));
      return unchanged;
    }
    case 'uncordon':
      nodes.set(nameOf(step.node), make.locked(nameOf(step.node)));
      return unchanged;
    case 'unlock':
      nodes.set(nameOf(step.node), make.node(nameOf(step.node)));
      return unchanged;
    case 'release': {
      const claim = nodeClaims.get(step.claim);
      if (claim) nodeClaims.set(step.claim, { ...claim, metadata: { ...claim.metadata, annotations: {} } });
      return unchanged;
    }
    case 'advance': {
      if (step.phase === 'SavingsValidated') {
        world.leaving = [...world.bluePlaces.keys()].filter((name) => nodeClaims.has(name));
      }
      const reached = status.setCondition(step.phase, 'True', step.reason, step.message, now);
      return (s) => reached({ ...s, ...(step.validated && { validatedSavings: step.validated }) });
    }
    case 'warn':
      return status.addWarning(step.message);
    case 'fail':
      return merge({ failurePhase: step.phase, failureReason: step.failureReason });
    case 'finish':
      return merge({ state: step.state });
    default:
      return unchanged;
  }
};

/** What the cloud, Karpenter and users do between two passes. */
const nature = (world: World): void => {
  const { random } = world;
  world.now += Math.floor(random() * 8_000);
  if (random() < 0.15) {
    for (const key of Object.keys(world.prices)) {
      if (random() < 0.3)
        world.prices[key] = Number(((world.prices[key] ?? 0) * (0.6 + random())).toFixed(4));
    }
  }
  if (random() < 0.02) {
    const name = pick(random, [...world.bluePlaces.keys()]);
    world.nodeClaims.delete(name);
    world.nodes.delete(name);
  }
  for (const [name, claim] of world.nodeClaims) {
    if (world.bluePlaces.has(name) || claim.status?.providerID || random() < 0.4) continue;
    const allowed = make.offerings(world.prices).allowedBy(claim.spec.requirements, undefined);
    if (allowed.length === 0 || random() < 0.35) {
      world.nodeClaims.delete(name);
      world.failures.set(name, 'InsufficientCapacityError: none');
      continue;
    }
    const { type, offering } = pick(random, allowed);
    const labels = {
      ...claim.metadata.labels,
      ...make.machineLabels(`${type.name}/${offering.zone}/${offering.capacityType}`),
    };
    const launched = make.nodeClaim(name);
    world.nodeClaims.set(name, {
      ...claim,
      metadata: { ...claim.metadata, labels },
      ...(launched.status && { status: launched.status }),
    });
    world.nodes.set(name, make.node(name, { labels }));
  }
};

/** Runs a plan to its end and returns its state. Throws when it costs too much, or never ends. */
const run = (seed: number): string => {
  const world = begin(seed);
  for (let pass = 0; pass < MOST_PASSES; pass += 1) {
    const { steps } = decide(stateOf(world));
    checkCost(world, steps);
    for (const step of steps) {
      const change = applyStep(world, step);
      world.plan = { ...world.plan, status: change(world.plan.status ?? {}) };
    }
    const end = world.plan.status?.state ?? '';
    if (end === 'Running') nature(world);
    else if (!end.startsWith('Done')) {
      const left = [...world.nodeClaims.keys()].filter((name) => !world.bluePlaces.has(name));
      if (left.length > 0) throw new Error(`${left} are left of a plan that is ${end}`);
      return world.plan.status?.failureReason ?? end;
    } else {
      const offerings = make.offerings(world.prices);
      const after = [...world.nodeClaims].reduce(
        (sum, [name, claim]) => sum + (world.bluePlaces.has(name) ? 0 : priceOf(offerings, claim)),
        0,
      );
      const before = world.leaving
        .filter((name) => !world.nodeClaims.has(name))
        .reduce(
          (sum, name) =>
            sum +
            limitOf(world, name) *
              (offerings.priceOf(make.machineLabels(world.bluePlaces.get(name) ?? '')) ?? 0),
          0,
        );
      if (end === 'Done' && after > before + EPSILON) throw new Error(`${before} before, ${after} after`);
      return end;
    }
  }
  throw new Error(`no end, conditions ${JSON.stringify(world.plan.status?.conditions as Condition[])}`);
};

t.test('no plan that is Done costs more after than before', async (t) => {
  const ends = new Map<string, number>();
  for (let seed = 1; seed <= RUNS; seed += 1) {
    try {
      const end = run(seed);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    } catch (error) {
      t.fail(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
      if (!process.env.SOAK) return;
    }
  }
  t.comment(JSON.stringify(Object.fromEntries(ends)));
  t.ok((ends.get('Done') ?? 0) > RUNS / 20, 'many plans are done');
  t.ok((ends.get('FailureReasonInsufficientSavings') ?? 0) > RUNS / 20, 'many are not worth it');
});
