import fc from 'fast-check';
import t from 'tap';
import type { NodeClaimToAdd, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, ZONE } from '../../api/labels.ts';
import { mustGet } from '../../api/mustget.ts';
import type { Pod, Requirement, Taint } from '../../api/objects.ts';
import { requirementsOfEach } from '../../api/plans.ts';
import { podName } from '../../api/pods.ts';
import type { Catalogue } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { provision } from '../provision.ts';
import { rebalance } from '../rebalance.ts';
import { daemonRequests, daemonSetsOn } from '../scheduling/daemonset.ts';
import { type ClusterView, fits, type NodeInfo } from '../scheduling/fit.ts';
import { deductRequests, nodeInfoOf } from '../scheduling/nodeinfo.ts';
import { podRequests } from '../scheduling/noderesources.ts';
import { volumesOf } from '../scheduling/volumes.ts';
import { makeNode } from '../testing/builders.ts';
import { type ClusterFeatures, randomCluster, smallCatalogue } from '../testing/randomcluster.ts';

/** Kind 1: a claim allows no machine that one of its pods does not, whatever of it is launched. */

type Requirements = readonly Requirement[];

const valuesOf = (requirements: Requirements, key: string): readonly string[] =>
  requirements.find((each) => each.key === key)?.values ?? [];

/** Every machine that a claim may become by one of its alternatives, with its pods. */
const machinesOf = (
  claim: NodeClaimToAdd,
  requirements: Requirements,
  pods: readonly Pod[],
  { daemonSets }: Snapshot,
): NodeInfo[] =>
  valuesOf(requirements, INSTANCE_TYPE).flatMap((name) => {
    const type = smallCatalogue.instanceTypes.find((each) => each.name === name);
    if (!type) throw new Error(`no type ${name}`);
    return valuesOf(requirements, ZONE).flatMap((zone) =>
      valuesOf(requirements, KARPENTER_CAPACITY_TYPE).map((capacityType): NodeInfo => {
        const labels = {
          ...type.labels,
          ...claim.metadata.labels,
          [ZONE]: zone,
          [KARPENTER_CAPACITY_TYPE]: capacityType,
          'kubernetes.io/hostname': claim.metadata.name,
        };
        const taints = (claim.spec.taints ?? []) as readonly Taint[];
        const { capacity, overhead } = type;
        const free = new Map([
          ['cpu', capacity.cpu - overhead.cpu],
          ['memory', capacity.memory - overhead.memory],
          ['pods', capacity.pods],
        ]);
        deductRequests(free, daemonRequests(daemonSetsOn(daemonSets, labels, taints)));
        for (const pod of pods) deductRequests(free, podRequests(pod));
        return { name: claim.metadata.name, labels, taints, unschedulable: false, free, pods };
      }),
    );
  });

/** The node without one of its pods. */
const without = (node: NodeInfo, pod: Pod): NodeInfo => {
  const free = new Map(node.free);
  deductRequests(free, podRequests(pod), -1);
  return { ...node, free, pods: node.pods.filter((each) => each !== pod) };
};

/** What each machine that the plan's claims may become rules out for a pod on it, as kube-scheduler sees it. */
const refusals = (snapshot: Snapshot, spec: RebalancePlanSpec): string[] => {
  const moves = new Map(
    (spec.podsToMigrate ?? []).map((move) => [`${move.namespace}/${move.name}`, move.dstNodeClaimName]),
  );
  const deleted = new Set((spec.nodeClaimsToDelete ?? []).map(({ nodeClaimName }) => nodeClaimName));
  const claimOf = new Map(
    snapshot.nodeClaims.map(({ metadata, status }) => [status?.nodeName ?? '', metadata.name]),
  );
  const podsAt = new Map<string, Pod[]>();
  for (const pod of snapshot.pods) {
    const { nodeName, ...rest } = pod.spec;
    const at = moves.get(podName(pod)) ?? claimOf.get(nodeName ?? '');
    if (at !== undefined) podsAt.set(at, [...(podsAt.get(at) ?? []), { ...pod, spec: rest }]);
  }
  const standing = snapshot.nodes.flatMap((node) => {
    const claim = mustGet(claimOf, node.metadata.name, 'claim of node');
    return deleted.has(claim) ? [] : [nodeInfoOf(node, podsAt.get(claim) ?? [])];
  });
  const planned = (spec.nodeClaimsToAdd ?? []).map((claim) => {
    const pods = podsAt.get(claim.metadata.name) ?? [];
    const choices = [claim.spec.requirements as Requirements, ...requirementsOfEach(claim)];
    return choices.flatMap((choice) => machinesOf(claim, choice, pods, snapshot));
  });
  const found: string[] = [];
  const volumes = volumesOf(snapshot);
  planned.forEach((machines, index) => {
    const others = [
      ...standing,
      ...planned.flatMap((each, other) => (other === index ? [] : each.slice(0, 1))),
    ];
    for (const machine of machines) {
      for (const pod of machine.pods) {
        const node = without(machine, pod);
        const cluster: ClusterView = { nodes: [...others, node], namespaces: new Map(), volumes };
        const refused = fits(pod, node, cluster);
        if (!refused) continue;
        const { labels } = machine;
        const as = [INSTANCE_TYPE, ZONE, KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL].map(
          (key) => labels[key],
        );
        found.push(`${podName(pod)} on ${machine.name} as ${as.join(', ')}: ${refused.message}`);
      }
    }
  });
  return found;
};

/** The cluster once a plan is carried out, each claim as the first machine that it may become. */
const carriedOut = (snapshot: Snapshot, spec: RebalancePlanSpec): Snapshot => {
  const added = (spec.nodeClaimsToAdd ?? []).map((claim) => {
    const { name } = claim.metadata;
    const [first] = machinesOf(claim, claim.spec.requirements, [], { ...snapshot, daemonSets: [] });
    if (!first) throw new Error(`${name} may become nothing`);
    const { labels, taints } = first;
    const made = makeNode(name, {
      labels,
      taints,
      pool: labels[KARPENTER_NODEPOOL] ?? '',
      cpu: first.free.get('cpu') ?? 0,
      memory: (first.free.get('memory') ?? 0) / 1024 ** 2,
      pods: first.free.get('pods') ?? 0,
    });
    return { node: made.node, claim: { ...made.claim, metadata: { ...made.claim.metadata, name } } };
  });
  const nodeOf = new Map(
    [...snapshot.nodeClaims, ...added.map(({ claim }) => claim)].map(({ metadata, status }) => [
      metadata.name,
      status?.nodeName ?? '',
    ]),
  );
  const moves = new Map((spec.podsToMigrate ?? []).map((move) => [`${move.namespace}/${move.name}`, move]));
  return {
    ...snapshot,
    nodes: [...snapshot.nodes, ...added.map(({ node }) => node)],
    nodeClaims: [...snapshot.nodeClaims, ...added.map(({ claim }) => claim)],
    pods: snapshot.pods.map((pod) => {
      const move = moves.get(podName(pod));
      if (!move) return pod;
      const nodeName = nodeOf.get(move.dstNodeClaimName ?? '') ?? '';
      return { ...pod, spec: { ...pod.spec, nodeName }, status: { phase: 'Running' } };
    }),
  };
};

/** A dear part of the catalogue: clusters that are bought from it alone can be had for less. */
const dear: Catalogue = {
  instanceTypes: smallCatalogue.instanceTypes
    .filter(({ name }) => name === 'c5.4xlarge' || name === 'r5.xlarge')
    .map((type) => ({
      ...type,
      offerings: type.offerings.filter(({ capacityType }) => capacityType === 'on-demand'),
    })),
};

const features = fc.record({
  spread: fc.boolean(),
  affinity: fc.boolean(),
  selectors: fc.boolean(),
  daemons: fc.boolean(),
  ports: fc.boolean(),
  volumes: fc.boolean(),
  soft: fc.boolean(),
});

const requestFor = (snapshot: Snapshot, seed: number) => ({
  snapshot,
  catalogue: smallCatalogue,
  now: 0,
  seed,
  planName: 'p',
  rounds: 30,
});

type Planned = Pick<ReturnType<typeof rebalance>, 'plan'>;
const plans: Readonly<Record<string, (snapshot: Snapshot, seed: number) => readonly [Snapshot, Planned]>> = {
  'that adds nodes for pods': (snapshot, seed) => [snapshot, provision(requestFor(snapshot, seed))],
  'that replaces nodes': (snapshot, seed) => {
    const { plan } = provision({ ...requestFor(snapshot, seed), catalogue: dear, planName: 'dear' });
    const now = plan ? carriedOut(snapshot, plan.spec) : snapshot;
    return [now, rebalance(requestFor(now, seed))];
  },
};

for (const [kind, planFor] of Object.entries(plans)) {
  t.test(`1: no claim of a plan ${kind} may become a machine that a pod on it may not use`, async (t) => {
    let claims = 0;
    const run = (seed: number, nodes: number, pods: number, what: ClusterFeatures): void => {
      const [snapshot, { plan }] = planFor(randomCluster(seed, nodes, pods, what), seed);
      if (!plan) return;
      claims += plan.spec.nodeClaimsToAdd?.length ?? 0;
      const [first] = refusals(snapshot, plan.spec);
      if (first) throw new Error(first);
    };
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 30 }),
        features,
        run,
      ),
      { numRuns: 60, seed: 15 },
    );
    t.ok(claims > 60, `${claims} claims were looked at`);
  });
}
