import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { DaemonSet, Pod } from '../../api/objects.ts';
import type { Commitment } from '../model/billing.ts';
import { type InterruptionPolicy, isInterruptionAcceptable } from '../model/interruption.ts';
import type { NamespaceLabels } from '../scheduling/interpodaffinity.ts';
import { NO_NEEDS, type Volumes, volumeNeeds } from '../scheduling/volumes.ts';
import { type BlastRadius, clusterCap, workloadCaps, workloadOf } from './blastradius.ts';
import { columnsOf, type OfferColumn, preferHeavy, prune, weightOf, withRoom } from './compiledoption.ts';
import { type Standing, type StandingTable, tabulate } from './existingnode.ts';
import { withMinValues } from './instancetypeset.ts';
import type { Offer } from './launchoption.ts';
import { allowedOf, askedKeys, Groups } from './nodeclass.ts';
import { type Shape, shapesOf } from './podclass.ts';
import { compileRules, type GroupView, type Rules } from './podrules.ts';

/** The decision in numbers: shapes × dimensions, groups of nodes, standing nodes and offers. */
export interface Problem extends StandingTable {
  readonly dimensions: readonly string[];
  readonly shapes: readonly Shape[];
  /** shapes × dimensions. */
  readonly sizes: Float64Array;
  readonly standing: readonly Standing[];
  readonly groups: readonly GroupView[];
  /** groups × shapes: 1 where the node's labels and taints let the pod in. */
  readonly allowed: Uint8Array;
  /** The same, were all NodePools of one weight. */
  readonly anyWeight: Uint8Array;
  readonly columns: readonly OfferColumn[];
  /** Every offer, the cheapest first, those beaten by others too: what a claim may name as its choices. */
  readonly everyColumn: readonly OfferColumn[];
  readonly rules: Rules;
  readonly commitments: readonly Commitment[];
  /** Pods that wait for a node, per shape. */
  readonly pending: Int32Array;
}

/** Compiles a decision. Throws a QuantityError. */
export const compile = (input: {
  readonly standing: readonly Standing[];
  readonly pending: readonly Pod[];
  /** The cheapest first. */
  readonly offers: readonly Offer[];
  readonly daemonSets: readonly DaemonSet[];
  readonly namespaces: NamespaceLabels;
  readonly volumes?: Volumes;
  readonly blastRadius?: BlastRadius;
  readonly commitments?: readonly Commitment[];
  readonly interruption?: InterruptionPolicy;
}): Problem => {
  const everyPod = [...input.standing.flatMap((each) => each.view.pods), ...input.pending];
  const { volumes } = input;
  const caps = workloadCaps(everyPod, input.blastRadius);
  const mostPods = clusterCap(everyPod.length, input.blastRadius);
  const shapes = shapesOf(everyPod, (pod) => {
    const needs = volumes ? volumeNeeds(pod, volumes) : NO_NEEDS;
    const workload = caps.size > 0 ? workloadOf(pod) : null;
    return workload !== null && caps.has(workload) ? { ...needs, workload } : needs;
  });
  const shapeOf = new Map<Pod, number>();
  shapes.forEach((shape, index) => {
    for (const pod of shape.pods) shapeOf.set(pod, index);
  });

  const keys = askedKeys(shapes, input.daemonSets);
  const isWeighted = new Set(input.offers.map((offer) => weightOf(offer.pool))).size > 1;
  if (isWeighted) keys.add(KARPENTER_NODEPOOL);
  const groups = new Groups([...keys].sort(), isWeighted);

  const used = new Set<string>();
  for (const shape of shapes)
    for (const [resource, value] of shape.requests) if (value > 0) used.add(resource);
  const dimensions = [
    'cpu',
    'memory',
    'pods',
    ...[...used].filter((r) => !['cpu', 'memory', 'pods'].includes(r)).sort(),
  ];
  const width = dimensions.length;
  const sizes = new Float64Array(shapes.length * width);
  shapes.forEach((shape, index) => {
    dimensions.forEach((resource, d) => {
      sizes[index * width + d] = shape.requests.get(resource) ?? 0;
    });
  });

  const table = tabulate(input.standing, { dimensions, shapes, shapeOf, groups, mostPods, volumes });
  const columns = columnsOf(
    input.interruption
      ? input.offers.filter((offer) => isInterruptionAcceptable(offer, input.interruption))
      : input.offers,
    { dimensions, groups, daemonSets: input.daemonSets, mostPods, interruption: input.interruption },
  );
  const allowed = allowedOf(shapes, groups.views);
  const rules = compileRules(
    shapes.map((shape) => shape.pod),
    groups.views,
    input.namespaces,
    [...caps].map(([workload, most]) => ({
      most,
      shapes: shapes.flatMap((shape, index) => (shape.workload === workload ? [index] : [])),
    })),
  );
  const everyColumn = withRoom(columns);
  const usable = withMinValues(everyColumn, allowed, shapes.length, rules.keys);
  const anyWeight = Uint8Array.from(allowed);
  if (isWeighted) preferHeavy(allowed, usable, shapes.length, sizes);

  const pending = new Int32Array(shapes.length);
  for (const pod of input.pending) {
    const shape = shapeOf.get(pod) ?? -1;
    pending[shape] = (pending[shape] ?? 0) + 1;
  }
  return {
    dimensions,
    shapes,
    sizes,
    standing: input.standing,
    ...table,
    groups: groups.views,
    allowed,
    anyWeight,
    columns: prune(usable),
    everyColumn,
    rules,
    commitments: input.commitments ?? [],
    pending,
  };
};
