import fc from 'fast-check';
import t from 'tap';
import { hasEnded, isBoundToNode } from '../../api/pods.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { provision } from '../provision.ts';
import { rebalance } from '../rebalance.ts';
import { randomCluster, smallCatalogue } from '../testing/randomcluster.ts';
import { verifyPlan } from './verify.ts';

const spice = fc.record({
  spread: fc.boolean(),
  affinity: fc.boolean(),
  selectors: fc.boolean(),
  daemons: fc.boolean(),
  ports: fc.boolean(),
  volumes: fc.boolean(),
  limits: fc.boolean(),
  soft: fc.boolean(),
});
const waitingIn = ({ pods }: Snapshot): number =>
  pods.filter(
    (pod) =>
      !pod.spec.nodeName &&
      !hasEnded(pod) &&
      !isBoundToNode(pod) &&
      pod.metadata.deletionTimestamp === undefined &&
      (pod.spec.schedulingGates ?? []).length === 0,
  ).length;

/** Runs per property; SOAK makes 10,000 of the two. */
const RUNS = Number(process.env.PLAN_RUNS ?? (process.env.SOAK ? 5000 : 120));
/** Seeds of larger clusters; the first four once lost pods. */
const LARGE = [16, 40, 62, 80, ...Array.from({ length: process.env.SOAK ? 400 : 4 }, (_, n) => 200 + n)];
const SEED = Number(process.env.PLAN_SEED ?? 1);

t.test(
  'no plan for pending pods has a placement that a node would refuse',
  { timeout: 1_800_000 },
  async () => {
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.nat(5),
        fc.integer({ min: 1, max: 25 }),
        spice,
        (seed, nodes, pods, what) => {
          const snapshot = randomCluster(seed, nodes, pods, what);
          const { plan, unplaced } = provision({
            snapshot,
            catalogue: smallCatalogue,
            now: 0,
            seed,
            planName: 'p',
            rounds: 60,
          });
          if (!plan) return;
          const lost = waitingIn(snapshot) - unplaced.length - (plan.spec.podsToMigrate ?? []).length;
          if (lost !== 0) throw new Error(`${lost} pods are neither planned nor reported as unplaced`);
          const faults = verifyPlan(snapshot, smallCatalogue, plan.spec);
          if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('\n'));
        },
      ),
      { numRuns: RUNS, seed: SEED },
    );
  },
);

t.test(
  'no rebalancing plan has a placement that a node would refuse, or costs more',
  { timeout: 1_800_000 },
  async () => {
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(40),
        spice,
        (seed, nodes, pods, what) => {
          const snapshot = randomCluster(seed, nodes, pods, what);
          const { plan } = rebalance({
            snapshot,
            catalogue: smallCatalogue,
            now: 0,
            seed,
            planName: 'p',
            rounds: 60,
          });
          if (!plan) return;
          const faults = verifyPlan(snapshot, smallCatalogue, plan.spec);
          if (faults.length > 0) throw new Error(faults.map((each) => each.message).join('\n'));
          if (Number(plan.savings.projectedMonthlyCost) >= Number(plan.savings.currentMonthlyCost)) {
            throw new Error('the plan saves nothing');
          }
        },
      ),
      { numRuns: RUNS, seed: SEED },
    );
  },
);

t.test('a NodePool at its limits loses no pod when nodes are rightsized', async (t) => {
  const snapshot = randomCluster(385_035, 3, 25, { spread: true, ports: true, limits: true });
  const request = { catalogue: smallCatalogue, now: 0, seed: 385_035, planName: 'p', rounds: 60 };
  const { plan } = rebalance({ snapshot, ...request });
  t.same(plan ? verifyPlan(snapshot, smallCatalogue, plan.spec) : [], []);
});

t.test('no pod is lost when nodes are rightsized, whatever rules pods have about each other', async (t) => {
  for (const seed of LARGE) {
    const snapshot = randomCluster(seed, 5, 150, { volumes: true, soft: true, daemons: true });
    const request = { catalogue: smallCatalogue, now: 0, seed: 1, planName: 'p', rounds: 0 };
    const { plan, unplaced } = provision({ snapshot, ...request });
    t.equal((plan?.spec.podsToMigrate ?? []).length + unplaced.length, waitingIn(snapshot), `seed ${seed}`);
    t.same(plan ? verifyPlan(snapshot, smallCatalogue, plan.spec) : [], [], `seed ${seed}`);
  }
});

t.test('the same input and seed give the same plan', async (t) => {
  const snapshot = randomCluster(5, 6, 40, { spread: true, selectors: true });
  const request = { snapshot, catalogue: smallCatalogue, now: 0, seed: 3, planName: 'p' };
  t.same(rebalance(request), rebalance(request));
  t.same(provision(request), provision(request));
});
