import { HOSTNAME, KARPENTER_CAPACITY_TYPE } from '../../api/labels.ts';
import type { DaemonSet, NodeSelector, Pod, Taint } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { requiredAntiAffinity } from '../scheduling/interpodaffinity.ts';
import { type Labels, matchesNodeAffinity, matchesNodeSelector } from '../scheduling/nodeaffinity.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import type { LaunchOption } from './launch/launchoption.ts';
import { BitMatrix, itemAt } from './matrix.ts';
import type { PodClass } from './podclass.ts';

/** Nodes that pods can't tell apart by labels and taints. Not Karpenter's NodeClass object. */
export interface NodeClass {
  /** The name of its first existing node; empty for nodes to buy. */
  readonly name: string;
  readonly labels: Labels;
  readonly taints: readonly Taint[];
  /** Selected labels of nodes to buy whose value nobody knows; left out where there is none. */
  readonly unknown?: ReadonlySet<string>;
}

const addSelectorKeys = (keys: Set<string>, selector: NodeSelector | undefined): void => {
  for (const term of selector?.nodeSelectorTerms ?? []) {
    for (const { key } of term.matchExpressions ?? []) keys.add(key);
    if (term.matchFields?.length) keys.add('metadata.name');
  }
};

/** The keys of domains that pods which stay keep others out of. */
const addKeysInPlace = (keys: Set<string>, pod: Pod): void => {
  for (const { topologyKey } of requiredAntiAffinity(pod)) keys.add(topologyKey);
};

const addPodKeys = (keys: Set<string>, spec: Pod['spec']): void => {
  for (const key in spec.nodeSelector) keys.add(key);
  addSelectorKeys(keys, spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution);
  for (const { topologyKey } of spec.topologySpreadConstraints ?? []) keys.add(topologyKey);
  for (const list of [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity]) {
    for (const term of list?.requiredDuringSchedulingIgnoredDuringExecution ?? []) keys.add(term.topologyKey);
  }
};

/** Whether the pod selects nodes by hostname; as a topology key alone it does not tell nodes apart. */
const selectsHostname = ({ pod, stays }: PodClass): boolean => {
  if (stays) return false;
  const { topologySpreadConstraints: _, affinity, ...rest } = pod.spec;
  const keys = new Set<string>();
  addPodKeys(keys, {
    ...rest,
    ...(affinity?.nodeAffinity && { affinity: { nodeAffinity: affinity.nodeAffinity } }),
  });
  return keys.has(HOSTNAME);
};

/** The node labels that pods or DaemonSets select by: nodes that agree in them are of one class. */
export const selectedLabelKeys = (
  podClasses: readonly PodClass[],
  daemonSets: readonly DaemonSet[],
): Set<string> => {
  const keys = new Set<string>();
  for (const { pod, selectors, stays } of podClasses) {
    if (stays) {
      addKeysInPlace(keys, pod);
      continue;
    }
    addPodKeys(keys, pod.spec);
    for (const selector of selectors) addSelectorKeys(keys, selector);
  }
  for (const set of daemonSets) addPodKeys(keys, set.spec.template.spec);
  if (!podClasses.some(selectsHostname)) keys.delete(HOSTNAME);
  return keys;
};

const taintIds = (taints: readonly Taint[]): unknown =>
  taints.map(({ key, value, effect }) => [key, value, effect]);

/** Numbers the node classes, by selected labels and taints. */
export class NodeClasses {
  readonly list: NodeClass[] = [];
  readonly #numbers = new Map<string, number>();
  /** Classes of nodes to buy, by their NodePool's taints and the values of the selected labels. */
  readonly #ofTaints = new Map<readonly Taint[], Map<string, number>>();
  readonly #keys: readonly string[];
  readonly #separatesNewNodes: boolean;

  /** `separatesNewNodes` keeps nodes to buy in other classes than existing ones. */
  constructor(keys: readonly string[], separatesNewNodes: boolean) {
    this.#keys = keys;
    this.#separatesNewNodes = separatesNewNodes;
  }

  /** The class of an existing node. */
  ofExisting(labels: Labels, taints: readonly Taint[], name: string): number {
    const values = this.#keys.map((key) => (key === 'metadata.name' ? name : (valueAt(labels, key) ?? null)));
    const id = JSON.stringify([values, taintIds(taints), false]);
    return this.#numberOf(id, () => ({ name, labels, taints }));
  }

  /** The class of a node to buy; `taints` are those of its NodePool. */
  ofLaunchOption(launchOption: LaunchOption, taints: readonly Taint[]): number {
    let text = '';
    for (const key of this.#keys) {
      const value = this.#valueOf(launchOption, key);
      if (value !== undefined) text += `${value.length}:${value}`;
      else text += launchOption.isUnknown(key) ? '?' : '-';
    }
    const known = this.#ofTaints.get(taints) ?? new Map<string, number>();
    this.#ofTaints.set(taints, known);
    let number = known.get(text);
    if (number === undefined) {
      const values = this.#keys.map((key) => this.#valueOf(launchOption, key) ?? null);
      const unknown = this.#keys.filter(
        (key) => this.#valueOf(launchOption, key) === undefined && launchOption.isUnknown(key),
      );
      const id = JSON.stringify([values, taintIds(taints), this.#separatesNewNodes, ...unknown]);
      const labels = { ...launchOption.labels, [HOSTNAME]: '' };
      number = this.#numberOf(id, () => ({
        name: '',
        labels,
        taints,
        ...(unknown.length > 0 && { unknown: new Set(unknown) }),
      }));
      known.set(text, number);
    }
    return number;
  }

  /** A label of a node to buy. Its hostname counts as empty, else every node would be a class. */
  #valueOf(launchOption: LaunchOption, key: string): string | undefined {
    return key === 'metadata.name' || key === HOSTNAME ? '' : launchOption.label(key);
  }

  #numberOf(id: string, make: () => NodeClass): number {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    this.#numbers.set(id, this.list.length);
    this.list.push(make());
    return this.list.length - 1;
  }
}

/** Whether the labels and taints of nodes allow a pod, whose volumes have these selectors. */
const allows = (
  pod: Pod,
  selectors: readonly NodeSelector[],
  { labels, taints, name, unknown }: NodeClass,
): boolean =>
  !untoleratedTaint(taints, pod.spec.tolerations) &&
  matchesNodeAffinity(pod, labels, name, unknown) &&
  selectors.every((selector) => matchesNodeSelector(selector, labels, name, unknown));

/**
 * Node classes × pod classes: whether labels and taints allow the pod. Pod classes that ask the same of nodes are
 * matched once, those that stay never.
 */
export const allowedNodes = (
  podClasses: readonly PodClass[],
  nodeClasses: readonly NodeClass[],
): BitMatrix => {
  const byDemand = new Map<string, number[]>();
  podClasses.forEach(({ pod, selectors, stays }, index) => {
    if (stays) return;
    const { nodeSelector, affinity, tolerations } = pod.spec;
    const demand = JSON.stringify([nodeSelector, affinity?.nodeAffinity, tolerations, selectors]);
    const same = byDemand.get(demand);
    if (same) same.push(index);
    else byDemand.set(demand, [index]);
  });
  const allowed = new BitMatrix(nodeClasses.length, podClasses.length);
  for (const same of byDemand.values()) {
    const { pod, selectors } = itemAt(podClasses, itemAt(same, 0));
    nodeClasses.forEach((each, nodeClass) => {
      if (allows(pod, selectors, each)) for (const podClass of same) allowed.set(nodeClass, podClass, true);
    });
  }
  return allowed;
};

/**
 * Adds nodes on demand for pods that only prefer spot. What else they prefer still counts: they would be allowed there were the
 * node a spot one.
 */
export const allowInsteadOfSpot = (
  allowed: BitMatrix,
  podClasses: readonly PodClass[],
  nodeClasses: readonly NodeClass[],
): void => {
  podClasses.forEach(({ pod, original, selectors, stays }, podClass) => {
    if (stays || original === pod) return;
    nodeClasses.forEach((each, nodeClass) => {
      if (valueAt(each.labels, KARPENTER_CAPACITY_TYPE) !== 'on-demand') return;
      const asSpot = { ...each, labels: { ...each.labels, [KARPENTER_CAPACITY_TYPE]: 'spot' } };
      if (allows(original, selectors, each) && allows(pod, selectors, asSpot))
        allowed.set(nodeClass, podClass, true);
    });
  });
};
