import t from 'tap';
import type { RebalancePlanSpec } from '../api/kinds/rebalanceplan.ts';
import type { NodePool } from '../api/objects.ts';
import type { Snapshot } from './model/snapshot.ts';
import { verifyPlan } from './plan/verify.ts';
import { rebalance } from './rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './testing/builders.ts';
import { smallCatalogue } from './testing/randomcluster.ts';

/** Plans keep to the limits of NodePools while old and new nodes stand side by side. */

const CPU = 4;
const NOW = Date.parse('2026-06-01T00:00:00Z');
const limitedTo = (cpu: number): NodePool => ({
  ...makePool(),
  spec: { ...makePool().spec, limits: { cpu: String(cpu) } },
});

/** Nodes of 4 CPUs with a pod each, and a limit with room for `room` CPUs more. */
const clusterWith = (nodes: number, room: number): Snapshot => {
  const all = Array.from({ length: nodes }, (_, i) => makeNode(`n${i}`, { cpu: CPU * 1000 }));
  const pods = all.map((_, i) =>
    makePod(`p${i}`, { node: `n${i}`, cpu: 300 + ((i * 370) % 900), memory: 4000 + ((i * 977) % 6000) }),
  );
  return makeSnapshot(all, pods, { nodePools: [limitedTo(CPU * nodes + room)] });
};

const planFor = (snapshot: Snapshot) =>
  rebalance({ snapshot, catalogue: smallCatalogue, now: NOW, seed: 1, planName: 'p', rounds: 200 });

const typesOf = (spec: RebalancePlanSpec): readonly (readonly string[])[] =>
  (spec.nodeClaimsToAdd ?? []).map(({ alternatives = [] }) =>
    alternatives.flatMap(
      ({ requirements }) =>
        requirements.find(({ key }) => key === 'node.kubernetes.io/instance-type')?.values ?? [],
    ),
  );

/** The most CPUs that a plan adds. */
const addedCpus = (spec: RebalancePlanSpec): number =>
  typesOf(spec).reduce(
    (sum, names) =>
      sum +
      Math.max(
        ...smallCatalogue.instanceTypes.flatMap(({ name, capacity }) =>
          names.includes(name) ? [capacity.cpu / 1000] : [],
        ),
      ),
    0,
  );

/** The snapshot after the plan: what it adds is there as the first type that it names. */
const after = (snapshot: Snapshot, spec: RebalancePlanSpec): Snapshot => {
  const goes = new Set(spec.nodeClaimsToDelete?.map(({ nodeClaimName }) => nodeClaimName));
  const stays = snapshot.nodeClaims.filter(({ metadata }) => !goes.has(metadata.name));
  const names = new Set(stays.map(({ status }) => status?.nodeName));
  const added = (spec.nodeClaimsToAdd ?? []).map(({ metadata }, i) => {
    const type = smallCatalogue.instanceTypes.find(({ name }) => name === typesOf(spec)[i]?.[0]);
    const { cpu = 0, memory = 0 } = type?.capacity ?? {};
    const made = makeNode(metadata.name, { type: type?.name ?? '', cpu, memory: memory / 2 ** 20 - 1000 });
    return { ...made, claim: { ...made.claim, metadata: { ...made.claim.metadata, name: metadata.name } } };
  });
  const nodeOf = (claim: string): string =>
    added.find((each) => each.claim.metadata.name === claim)?.node.metadata.name ??
    snapshot.nodeClaims.find(({ metadata }) => metadata.name === claim)?.status?.nodeName ??
    '';
  const moves = new Map(spec.podsToMigrate?.map((move) => [move.name, nodeOf(move.dstNodeClaimName ?? '')]));
  return {
    ...snapshot,
    nodes: [
      ...snapshot.nodes.filter(({ metadata }) => names.has(metadata.name)),
      ...added.map((a) => a.node),
    ],
    nodeClaims: [...stays, ...added.map((a) => a.claim)],
    pods: snapshot.pods.map((pod) => {
      const to = moves.get(pod.metadata.name);
      return to === undefined ? pod : { ...pod, spec: { ...pod.spec, nodeName: to } };
    }),
  };
};

for (const room of [0, 1, 2, 4, 9]) {
  t.test(`with ${room} CPUs left under the limit a plan adds no more than those`, async (t) => {
    const snapshot = clusterWith(10, room);
    const { plan } = planFor(snapshot);
    t.ok(plan, 'some nodes can go');
    if (!plan) return;
    t.ok(addedCpus(plan.spec) <= room, `${addedCpus(plan.spec)} CPUs of ${typesOf(plan.spec)}`);
    t.same(verifyPlan(snapshot, smallCatalogue, plan.spec), []);
  });
}

t.test('what the limit leaves no room for at once is done in steps', async (t) => {
  const free = planFor(clusterWith(10, 1000)).plan?.savings;
  let snapshot = clusterWith(10, 4);
  let saved = 0;
  let steps = 0;
  for (let { plan } = planFor(snapshot); plan && steps < 6; { plan } = planFor(snapshot)) {
    t.same(verifyPlan(snapshot, smallCatalogue, plan.spec), []);
    saved += Number(plan.savings.projectedSavingsCostMonthly);
    snapshot = after(snapshot, plan.spec);
    steps += 1;
  }
  t.ok(steps > 1, `${steps} steps`);
  t.ok(saved >= Number(free?.projectedSavingsCostMonthly) * 0.97, `${saved} USD a month in steps`);
});

t.test('a limit that keeps a node from being replaced is named', async (t) => {
  const nodes = [makeNode('a', { type: 'm5.2xlarge', cpu: 8000, memory: 31_000 })];
  const pods = [makePod('p', { node: 'a', cpu: 3000, memory: 12_000 })];
  const { plan, reason } = planFor(makeSnapshot(nodes, pods, { nodePools: [limitedTo(9)] }));
  t.equal(plan, null);
  t.match(
    reason,
    /NodePool default has a limit of 9 for cpu, and only 1 of it is left: .*Raise the limit\.$/,
  );
});
