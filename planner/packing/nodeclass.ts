import { HOSTNAME } from '../../api/labels.ts';
import type { DaemonSet, NodeSelector, Pod, Taint } from '../../api/objects.ts';
import { type Labels, matchesNodeAffinity, matchesNodeSelector } from '../scheduling/nodeaffinity.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import type { LaunchOption } from './launchoption.ts';
import type { PodClass } from './podclass.ts';
import type { NodeClass } from './podrules.ts';

const keysOfSelector = (keys: Set<string>, selector: NodeSelector | undefined): void => {
  for (const term of selector?.nodeSelectorTerms ?? []) {
    for (const each of term.matchExpressions ?? []) keys.add(each.key);
    if (term.matchFields?.length) keys.add('metadata.name');
  }
};

const keysOfPod = (keys: Set<string>, spec: Pod['spec']): void => {
  for (const key in spec.nodeSelector) keys.add(key);
  keysOfSelector(keys, spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution);
  for (const each of spec.topologySpreadConstraints ?? []) keys.add(each.topologyKey);
  for (const list of [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity]) {
    for (const term of list?.requiredDuringSchedulingIgnoredDuringExecution ?? []) keys.add(term.topologyKey);
  }
};

/** The node labels that somebody asks about: nodes that are alike in them are alike to every pod. */
export const selectedLabelKeys = (
  podClasses: readonly PodClass[],
  daemonSets: readonly DaemonSet[],
): Set<string> => {
  const keys = new Set<string>();
  for (const podClass of podClasses) {
    keysOfPod(keys, podClass.pod.spec);
    for (const selector of podClass.selectors) keysOfSelector(keys, selector);
  }
  for (const set of daemonSets) keysOfPod(keys, set.spec.template.spec);
  const asksForHost = podClasses.some((podClass) => {
    const own = new Set<string>();
    const { topologySpreadConstraints: _, affinity, ...rest } = podClass.pod.spec;
    keysOfPod(own, {
      ...rest,
      ...(affinity?.nodeAffinity && { affinity: { nodeAffinity: affinity.nodeAffinity } }),
    });
    return own.has(HOSTNAME);
  });
  if (!asksForHost) keys.delete(HOSTNAME);
  return keys;
};

const taintIds = (taints: readonly Taint[]): unknown =>
  taints.map((taint) => [taint.key, taint.value, taint.effect]);

/** Groups nodes by the labels that somebody asks about and by their taints. */
export class NodeClasses {
  readonly views: NodeClass[] = [];
  readonly #ids = new Map<string, number>();
  /** Groups of nodes to come, by their NodePool's taints and what is asked of their labels. */
  readonly #ofLaunchOptions = new Map<readonly Taint[], Map<string, number>>();
  readonly #keys: readonly string[];
  readonly #splitsLaunchOptions: boolean;

  /** `splitsOffers` keeps nodes to come apart from those that stand. */
  constructor(keys: readonly string[], splitsLaunchOptions: boolean) {
    this.#keys = keys;
    this.#splitsLaunchOptions = splitsLaunchOptions;
  }

  /** The group of a node that stands. */
  of(labels: Labels, taints: readonly Taint[], name: string): number {
    const values = this.#keys.map((key) => (key === 'metadata.name' ? name : (labels[key] ?? null)));
    const id = JSON.stringify([values, taintIds(taints), false]);
    return this.#known(id, () => ({ name, labels, taints }));
  }

  /** The group of nodes to come; `taints` are those of their NodePool. */
  ofLaunchOption(launchOption: LaunchOption, taints: readonly Taint[]): number {
    let short = '';
    for (const key of this.#keys) {
      const value = key === 'metadata.name' || key === HOSTNAME ? '' : launchOption.label(key);
      short += value === undefined ? '-' : `${value.length}:${value}`;
    }
    const ofTaints = this.#ofLaunchOptions.get(taints) ?? new Map<string, number>();
    this.#ofLaunchOptions.set(taints, ofTaints);
    let nodeClass = ofTaints.get(short);
    if (nodeClass === undefined) {
      // Every node has a hostname of its own, which would make every node a group; matchFields is the way to ask for one.
      const values = this.#keys.map((key) =>
        key === 'metadata.name' || key === HOSTNAME ? '' : (launchOption.label(key) ?? null),
      );
      const id = JSON.stringify([values, taintIds(taints), this.#splitsLaunchOptions]);
      nodeClass = this.#known(id, () => ({
        name: '',
        labels: { ...launchOption.labels, [HOSTNAME]: '' },
        taints,
      }));
      ofTaints.set(short, nodeClass);
    }
    return nodeClass;
  }

  #known(id: string, view: () => NodeClass): number {
    const known = this.#ids.get(id);
    if (known !== undefined) return known;
    this.#ids.set(id, this.views.length);
    this.views.push(view());
    return this.views.length - 1;
  }
}

/** groups × shapes: where labels and taints let a pod in; shapes that demand the same of nodes are asked once. */
export const allowedOf = (podClasses: readonly PodClass[], nodeClasses: readonly NodeClass[]): Uint8Array => {
  const demands = new Map<string, number[]>();
  podClasses.forEach((podClass, index) => {
    const { nodeSelector, affinity, tolerations } = podClass.pod.spec;
    const key = JSON.stringify([nodeSelector, affinity?.nodeAffinity, tolerations, podClass.selectors]);
    const same = demands.get(key);
    if (same) same.push(index);
    else demands.set(key, [index]);
  });
  const allowed = new Uint8Array(nodeClasses.length * podClasses.length);
  for (const same of demands.values()) {
    const first = podClasses[same[0] ?? 0];
    if (!first) continue;
    const { pod, selectors } = first;
    nodeClasses.forEach((nodeClass, g) => {
      const fits =
        untoleratedTaint(nodeClass.taints, pod.spec.tolerations) === null &&
        matchesNodeAffinity(pod, nodeClass.labels, nodeClass.name) &&
        selectors.every((selector) => matchesNodeSelector(selector, nodeClass.labels, nodeClass.name));
      if (fits) for (const podClass of same) allowed[g * podClasses.length + podClass] = 1;
    });
  }
  return allowed;
};
