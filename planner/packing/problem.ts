import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { DaemonSet, Pod } from '../../api/objects.ts';
import type { Commitment } from '../model/billing.ts';
import { type InterruptionPolicy, isTolerable } from '../model/interruption.ts';
import type { NamespaceLabels } from '../scheduling/interpodaffinity.ts';
import { NO_NEEDS, type Volumes, volumeNeeds } from '../scheduling/volumes.ts';
import { type BlastRadius, clusterCap, workloadCaps, workloadOf } from './blastradius.ts';
import {
  applyNodePoolWeights,
  type CompiledOption,
  compileOptions,
  prune,
  weightOf,
  withRoom,
} from './compiledoption.ts';
import { type ExistingNode, type ExistingNodeTable, tabulateExistingNodes } from './existingnode.ts';
import { withMinValues } from './instancetypeset.ts';
import type { LaunchOption } from './launchoption.ts';
import { allowedOf, NodeClasses, selectedLabelKeys } from './nodeclass.ts';
import { type PodClass, podClassesOf } from './podclass.ts';
import { compilePodRules, type NodeClass, type PodRules } from './podrules.ts';

/** The decision in numbers: shapes × dimensions, groups of nodes, standing nodes and offers. */
export interface Problem extends ExistingNodeTable {
  readonly dimensions: readonly string[];
  readonly podClasses: readonly PodClass[];
  /** shapes × dimensions. */
  readonly sizes: Float64Array;
  readonly existingNodes: readonly ExistingNode[];
  readonly nodeClasses: readonly NodeClass[];
  /** groups × shapes: 1 where the node's labels and taints let the pod in. */
  readonly allowed: Uint8Array;
  /** The same, were all NodePools of one weight. */
  readonly allowedAtAnyWeight: Uint8Array;
  readonly options: readonly CompiledOption[];
  /** Every offer, the cheapest first, those beaten by others too: what a claim may name as its choices. */
  readonly allOptions: readonly CompiledOption[];
  readonly rules: PodRules;
  readonly commitments: readonly Commitment[];
  /** Pods that wait for a node, per shape. */
  readonly pending: Int32Array;
}

/** Compiles a decision. Throws a QuantityError. */
export const compile = (input: {
  readonly existingNodes: readonly ExistingNode[];
  readonly pending: readonly Pod[];
  /** The cheapest first. */
  readonly launchOptions: readonly LaunchOption[];
  readonly daemonSets: readonly DaemonSet[];
  readonly namespaces: NamespaceLabels;
  readonly volumes?: Volumes;
  readonly blastRadius?: BlastRadius;
  readonly commitments?: readonly Commitment[];
  readonly interruption?: InterruptionPolicy;
}): Problem => {
  const everyPod = [...input.existingNodes.flatMap((each) => each.view.pods), ...input.pending];
  const { volumes } = input;
  const caps = workloadCaps(everyPod, input.blastRadius);
  const mostPods = clusterCap(everyPod.length, input.blastRadius);
  const podClasses = podClassesOf(everyPod, (pod) => {
    const needs = volumes ? volumeNeeds(pod, volumes) : NO_NEEDS;
    const workload = caps.size > 0 ? workloadOf(pod) : null;
    return workload !== null && caps.has(workload) ? { ...needs, workload } : needs;
  });
  const podClassOf = new Map<Pod, number>();
  podClasses.forEach((podClass, index) => {
    for (const pod of podClass.pods) podClassOf.set(pod, index);
  });

  const keys = selectedLabelKeys(podClasses, input.daemonSets);
  const isWeighted = new Set(input.launchOptions.map((launchOption) => weightOf(launchOption.pool))).size > 1;
  if (isWeighted) keys.add(KARPENTER_NODEPOOL);
  const nodeClasses = new NodeClasses([...keys].sort(), isWeighted);

  const used = new Set<string>();
  for (const podClass of podClasses)
    for (const [resource, value] of podClass.requests) if (value > 0) used.add(resource);
  const dimensions = [
    'cpu',
    'memory',
    'pods',
    ...[...used].filter((r) => !['cpu', 'memory', 'pods'].includes(r)).sort(),
  ];
  const width = dimensions.length;
  const sizes = new Float64Array(podClasses.length * width);
  podClasses.forEach((podClass, index) => {
    dimensions.forEach((resource, d) => {
      sizes[index * width + d] = podClass.requests.get(resource) ?? 0;
    });
  });

  const table = tabulateExistingNodes(input.existingNodes, {
    dimensions,
    podClasses,
    podClassOf,
    nodeClasses,
    mostPods,
    volumes,
  });
  const options = compileOptions(
    input.interruption
      ? input.launchOptions.filter((launchOption) => isTolerable(launchOption, input.interruption))
      : input.launchOptions,
    { dimensions, nodeClasses, daemonSets: input.daemonSets, mostPods, interruption: input.interruption },
  );
  const allowed = allowedOf(podClasses, nodeClasses.views);
  const rules = compilePodRules(
    podClasses.map((podClass) => podClass.pod),
    nodeClasses.views,
    input.namespaces,
    [...caps].map(([workload, most]) => ({
      most,
      podClasses: podClasses.flatMap((podClass, index) => (podClass.workload === workload ? [index] : [])),
    })),
  );
  const allOptions = withRoom(options);
  const usable = withMinValues(allOptions, allowed, podClasses.length, rules.keys);
  const allowedAtAnyWeight = Uint8Array.from(allowed);
  if (isWeighted) applyNodePoolWeights(allowed, usable, podClasses.length, sizes);

  const pending = new Int32Array(podClasses.length);
  for (const pod of input.pending) {
    const podClass = podClassOf.get(pod) ?? -1;
    pending[podClass] = (pending[podClass] ?? 0) + 1;
  }
  return {
    dimensions,
    podClasses,
    sizes,
    existingNodes: input.existingNodes,
    ...table,
    nodeClasses: nodeClasses.views,
    allowed,
    allowedAtAnyWeight,
    options: prune(usable),
    allOptions,
    rules,
    commitments: input.commitments ?? [],
    pending,
  };
};
