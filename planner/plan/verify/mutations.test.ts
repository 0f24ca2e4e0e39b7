import fc from 'fast-check';
import t from 'tap';
import type { NodeClaimToAdd, RebalancePlanSpec } from '../../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE, ZONE } from '../../../api/labels.ts';
import { isReschedulable, podName } from '../../../api/pods.ts';
import type { Catalogue } from '../../model/catalogue.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { provision } from '../../provision.ts';
import { rebalance } from '../../rebalance.ts';
import { makeNode } from '../../testing/builders.ts';
import { randomCluster, smallCatalogue } from '../../testing/randomcluster.ts';
import { verifyPlan } from '../verify.ts';

/** Valid plans pass the check; the same plans with one fault do not. */

const TINY = {
  ...smallCatalogue.instanceTypes[0],
  name: 'tiny',
  capacity: { cpu: 101, memory: 1, pods: 1, ephemeralStorage: 0, other: {} },
} as Catalogue['instanceTypes'][number];
const CATALOGUE: Catalogue = { instanceTypes: [...smallCatalogue.instanceTypes, TINY] };

interface Plan {
  readonly snapshot: Snapshot;
  readonly spec: RebalancePlanSpec;
}

/** The claim with other values for a label, in all of its alternatives. */
const withValues = (claim: NodeClaimToAdd, key: string, values: string[]): NodeClaimToAdd => {
  const change = (list: NodeClaimToAdd['spec']['requirements']): NodeClaimToAdd['spec']['requirements'] =>
    list.map((each) => (each.key === key ? { ...each, values } : each));
  return {
    ...claim,
    spec: { ...claim.spec, requirements: change(claim.spec.requirements) },
    ...(claim.alternatives && {
      alternatives: claim.alternatives.map((each) => ({ ...each, requirements: change(each.requirements) })),
    }),
  };
};

const replaceFirst = (spec: RebalancePlanSpec, key: string, value: string): RebalancePlanSpec | undefined => {
  const [claim, ...others] = spec.nodeClaimsToAdd ?? [];
  return claim && { ...spec, nodeClaimsToAdd: [withValues(claim, key, [value]), ...others] };
};

/** Ways to break a plan; undefined where a plan has nothing to break so. */
const mutations: Readonly<Record<string, (plan: Plan) => Plan | undefined>> = {
  'a pod goes to a node that is full': ({ snapshot, spec }) => {
    const [first, ...others] = spec.podsToMigrate ?? [];
    if (!first) return undefined;
    const full = makeNode('full', { cpu: 0 });
    return {
      snapshot: {
        ...snapshot,
        nodes: [...snapshot.nodes, full.node],
        nodeClaims: [...snapshot.nodeClaims, full.claim],
      },
      spec: { ...spec, podsToMigrate: [{ ...first, dstNodeClaimName: 'claim-full' }, ...others] },
    };
  },
  'a claim is for a zone that sells nothing': ({ snapshot, spec }) => {
    const broken = replaceFirst(spec, ZONE, 'us-west-2x');
    return broken && { snapshot, spec: broken };
  },
  'a claim is for a type that is too small': ({ snapshot, spec }) => {
    const broken = replaceFirst(spec, INSTANCE_TYPE, 'tiny');
    return broken && { snapshot, spec: broken };
  },
  'a claim that pods go to is missing': ({ snapshot, spec }) => {
    const [claim, ...others] = spec.nodeClaimsToAdd ?? [];
    return claim && { snapshot, spec: { ...spec, nodeClaimsToAdd: others } };
  },
  'a pod is not moved off a node that goes': ({ snapshot, spec }) => {
    const moves = spec.podsToMigrate ?? [];
    const gone = new Set((spec.nodeClaimsToDelete ?? []).map((each) => each.nodeClaimName));
    const at = moves.findIndex(({ srcNode }) => gone.has(`claim-${srcNode}`));
    return at < 0 ? undefined : { snapshot, spec: { ...spec, podsToMigrate: moves.toSpliced(at, 1) } };
  },
  'a node that keeps pods goes, too': ({ snapshot, spec }) => {
    const gone = spec.nodeClaimsToDelete ?? [];
    const moved = new Set((spec.podsToMigrate ?? []).map(({ namespace, name }) => `${namespace}/${name}`));
    const kept = snapshot.pods.find(
      (pod) =>
        pod.spec.nodeName &&
        isReschedulable(pod) &&
        !moved.has(podName(pod)) &&
        !gone.some((each) => each.nodeClaimName === `claim-${pod.spec.nodeName}`),
    );
    if (!kept) return undefined;
    const nodeClaimName = `claim-${kept.spec.nodeName}`;
    return { snapshot, spec: { ...spec, nodeClaimsToDelete: [...gone, { nodeClaimName }] } };
  },
};

const SPICE = fc.record({
  spread: fc.boolean(),
  affinity: fc.boolean(),
  selectors: fc.boolean(),
  daemons: fc.boolean(),
  volumes: fc.boolean(),
  limits: fc.boolean(),
});
const RUNS = process.env.SOAK ? 2000 : 80;

t.test('a plan that is right passes, and no broken one does', async (t) => {
  const refused = new Map(Object.keys(mutations).map((name) => [name, 0]));
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 6 }), fc.nat(30), SPICE, (seed, nodes, pods, what) => {
      const snapshot = randomCluster(seed, nodes, pods, what);
      const request = { snapshot, catalogue: smallCatalogue, now: 0, seed, planName: 'p', rounds: 20 };
      for (const { plan } of [rebalance(request), provision(request)]) {
        if (!plan) continue;
        const faults = verifyPlan(snapshot, CATALOGUE, plan.spec);
        if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('\n'));
        for (const [name, mutate] of Object.entries(mutations)) {
          const broken = mutate({ snapshot, spec: plan.spec });
          if (!broken) continue;
          if (verifyPlan(broken.snapshot, CATALOGUE, broken.spec).length === 0) {
            throw new Error(`passed, although ${name}`);
          }
          refused.set(name, (refused.get(name) ?? 0) + 1);
        }
      }
    }),
    { numRuns: RUNS, seed: 11 },
  );
  for (const [name, count] of refused) t.ok(count > 10, `${name}: ${count} times`);
});
