import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import { mustGet } from '../../api/mustget.ts';
import type { DaemonSet, NodeSelector, Pod } from '../../api/objects.ts';
import type { ClusterCores, PoolUsage } from '../cluster/nodepoollimits.ts';
import type { Commitment } from '../model/billing.ts';
import { type InterruptionPolicy, isInterruptionAcceptable } from '../model/interruption.ts';
import type { NamespaceLabels } from '../scheduling/interpodaffinity.ts';
import { sharedClaims, singleNodeClaims } from '../scheduling/volumes/shared.ts';
import { type NeedsOf, NO_NEEDS, type Volumes, volumeNeeds } from '../scheduling/volumes.ts';
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
import { forbidBesideDaemons } from './launch/besidedaemons.ts';
import type { LaunchOption } from './launch/launchoption.ts';
import { withMinValues } from './launch/minvalues.ts';
import { withoutLessReliable } from './launch/reliable.ts';
import { type BitMatrix, intAt, Matrix } from './matrix.ts';
import {
  allowedNodes,
  allowInsteadOfSpot,
  type NodeClass,
  NodeClasses,
  selectedLabelKeys,
} from './nodeclass.ts';
import { type PodClass, podClassesOf } from './podclass.ts';
import { compilePodRules, type PodRules } from './podrules.ts';

/** A planning question in numbers: what to place, and the nodes to place it on. */
export interface Problem extends ExistingNodeTable {
  /** Resources that are counted: cpu, memory, pods, then the others that pods request. */
  readonly dimensions: readonly string[];
  readonly podClasses: readonly PodClass[];
  /** Requests, pod classes × dimensions. */
  readonly sizes: Matrix;
  readonly existingNodes: readonly ExistingNode[];
  readonly nodeClasses: readonly NodeClass[];
  /** Node classes × pod classes: whether labels, taints and NodePool weights allow the pod. */
  readonly allowed: BitMatrix;
  /** The same with NodePool weights left aside. */
  readonly allowedAtAnyWeight: BitMatrix;
  /** The same with nodes on demand for pods that prefer spot, where these are asked for. */
  readonly allowedInsteadOfSpot: BitMatrix;
  /** Per pod class that DaemonSets keep off nodes it may use otherwise, why. */
  readonly besideDaemons: ReadonlyMap<number, string>;
  /** The options worth buying: no other one of their node class dominates them. */
  readonly options: readonly CompiledOption[];
  /** Every option with room, the cheapest first, dominated ones too: a NodeClaim may name them as alternatives. */
  readonly allOptions: readonly CompiledOption[];
  readonly rules: PodRules;
  readonly commitments: readonly Commitment[];
  /** What NodePools with limits have now. */
  readonly poolUsage: PoolUsage;
  /** What the cluster has and may have; undefined where it may have any number of cores. */
  readonly clusterCores: ClusterCores | undefined;
  /** Pods that wait for a node, per pod class. */
  readonly pending: Int32Array;
}

const FIRST_DIMENSIONS = ['cpu', 'memory', 'pods'];

const dimensionsOf = (podClasses: readonly PodClass[]): string[] => {
  const requested = new Set<string>();
  for (const { requests } of podClasses) {
    for (const [resource, amount] of requests) if (amount > 0) requested.add(resource);
  }
  const others = [...requested].filter((resource) => !FIRST_DIMENSIONS.includes(resource)).sort();
  return [...FIRST_DIMENSIONS, ...others];
};

const sizesOf = (podClasses: readonly PodClass[], dimensions: readonly string[]): Matrix => {
  const sizes = new Matrix(podClasses.length, dimensions.length);
  podClasses.forEach(({ requests }, podClass) => {
    dimensions.forEach((resource, d) => {
      sizes.set(podClass, d, requests.get(resource) ?? 0);
    });
  });
  return sizes;
};

/** Puts a planning question in numbers. Throws a QuantityError. */
export const compile = (input: {
  readonly existingNodes: readonly ExistingNode[];
  readonly pending: readonly Pod[];
  /** What nodes must match for a pod, beyond what it and its volumes ask. */
  readonly selectorsOf?: (pod: Pod) => readonly NodeSelector[];
  /** Pods without their preferences, by the pods that have these made required. */
  readonly originals?: ReadonlyMap<Pod, Pod>;
  /** Whether nodes on demand may take the place of spot that pods prefer. */
  readonly spotFallback?: boolean;
  /** The cheapest first. */
  readonly launchOptions: readonly LaunchOption[];
  readonly daemonSets: readonly DaemonSet[];
  readonly namespaces: NamespaceLabels;
  readonly volumes?: Volumes;
  readonly blastRadius?: BlastRadius;
  readonly commitments?: readonly Commitment[];
  readonly interruption?: InterruptionPolicy;
  /** Whether new nodes are bought to replace others, and must cost less whatever is launched. */
  readonly replaces?: boolean;
  /** What NodePools with limits have now; by default what their status says. */
  readonly poolUsage?: PoolUsage;
  readonly clusterCores?: ClusterCores;
}): Problem => {
  const everyPod = [...input.existingNodes.flatMap(({ view }) => view.pods), ...input.pending];
  const { volumes } = input;
  const caps = workloadCaps(everyPod, input.blastRadius);
  const mostPods = clusterCap(everyPod.length, input.blastRadius);
  const shared = volumes ? sharedClaims(everyPod, volumes) : new Set<string>();
  const toPlace = new Set([...input.pending, ...input.existingNodes.flatMap(({ movable }) => [...movable])]);
  const podClasses = podClassesOf(everyPod, (pod) => {
    const stays = !toPlace.has(pod);
    const needed = volumes ? volumeNeeds(pod, volumes) : NO_NEEDS;
    const further = stays ? [] : (input.selectorsOf?.(pod) ?? []);
    const ofNodes =
      further.length === 0 ? needed : { ...needed, selectors: [...needed.selectors, ...further] };
    const original = stays ? undefined : input.originals?.get(pod);
    const presumed = input.replaces === true && !pod.spec.nodeName;
    const needs: ReturnType<NeedsOf> =
      !stays && !original && shared.size === 0
        ? ofNodes
        : {
            ...ofNodes,
            ...(presumed && { presumed }),
            ...(volumes &&
              shared.size > 0 && {
                shared: singleNodeClaims(pod, volumes).filter((claim) => shared.has(claim)),
              }),
            ...(original && { original }),
            ...(stays && { selectors: [], stays }),
          };
    const workload = caps.size > 0 ? workloadOf(pod) : undefined;
    return workload !== undefined && caps.has(workload) ? { ...needs, workload } : needs;
  });
  const podClassOf = new Map<Pod, number>();
  podClasses.forEach((podClass, index) => {
    for (const pod of podClass.pods) podClassOf.set(pod, index);
  });

  const keys = selectedLabelKeys(podClasses, input.daemonSets);
  const isWeighted = new Set(input.launchOptions.map((launchOption) => weightOf(launchOption.pool))).size > 1;
  if (isWeighted) keys.add(KARPENTER_NODEPOOL);
  const nodeClasses = new NodeClasses([...keys].sort(), isWeighted);

  const dimensions = dimensionsOf(podClasses);
  const sizes = sizesOf(podClasses, dimensions);

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
      ? input.launchOptions.filter((launchOption) =>
          isInterruptionAcceptable(launchOption, input.interruption),
        )
      : input.launchOptions,
    { dimensions, nodeClasses, daemonSets: input.daemonSets, mostPods, interruption: input.interruption },
  );
  const allowed = allowedNodes(podClasses, nodeClasses.list);
  const beside = {
    podClasses,
    nodeClasses: nodeClasses.list,
    daemonSets: input.daemonSets,
    namespaces: input.namespaces,
  };
  let allowedInsteadOfSpot = allowed;
  if (input.spotFallback && input.originals) {
    allowedInsteadOfSpot = allowed.copy();
    allowInsteadOfSpot(allowedInsteadOfSpot, podClasses, nodeClasses.list);
    forbidBesideDaemons(allowedInsteadOfSpot, beside);
  }
  const besideDaemons = forbidBesideDaemons(allowed, beside);
  const rules = compilePodRules(
    podClasses,
    nodeClasses.list,
    input.namespaces,
    [...caps].map(([workload, most]) => ({
      most,
      podClasses: podClasses.flatMap((podClass, index) => (podClass.workload === workload ? [index] : [])),
    })),
  );
  const allOptions = withoutLessReliable(
    withRoom(options),
    allowed,
    rules.keys,
    input.clusterCores !== undefined,
  );
  const usable = withMinValues(allOptions, allowed, rules.keys, input.replaces ?? false);
  const allowedAtAnyWeight = allowed.copy();
  if (isWeighted) applyNodePoolWeights(allowed, usable, sizes);

  const pending = new Int32Array(podClasses.length);
  for (const pod of input.pending) {
    const podClass = mustGet(podClassOf, pod, 'pod class of pod');
    pending[podClass] = intAt(pending, podClass) + 1;
  }
  return {
    dimensions,
    podClasses,
    sizes,
    existingNodes: input.existingNodes,
    ...table,
    nodeClasses: nodeClasses.list,
    allowed,
    besideDaemons,
    allowedAtAnyWeight,
    allowedInsteadOfSpot,
    options: prune(usable),
    allOptions,
    rules,
    commitments: input.commitments ?? [],
    poolUsage: input.poolUsage ?? new Map(),
    clusterCores: input.clusterCores,
    pending,
  };
};
