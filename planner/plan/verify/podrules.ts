import type { Pod, Taint } from '../../../api/objects.ts';
import { podName } from '../../../api/pods.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { fits, type NodeInfo, type Refusal } from '../../scheduling/fit.ts';
import {
  type NamespaceLabels,
  requiredAffinity,
  requiredAntiAffinity,
  termSelects,
} from '../../scheduling/interpodaffinity.ts';
import type { Labels } from '../../scheduling/nodeaffinity.ts';
import { hostPorts } from '../../scheduling/nodeports.ts';
import { requiredSpread, spreadCounts, spreadSelector } from '../../scheduling/topologyspread.ts';
import { hasAttachments, type Volumes, volumesOf } from '../../scheduling/volumes.ts';

/** A node after the plan, as rules see it. */
export interface Site {
  readonly name: string;
  readonly labels: Labels;
  readonly taints: readonly Taint[];
  readonly unschedulable: boolean;
  readonly pods: readonly Pod[];
  /** Labels that it may have with a value that nobody knows. */
  readonly unknownLabels?: ReadonlySet<string>;
}

/** Pods that the rules treat alike. */
interface PodClass {
  readonly id: string;
  /** One of them without node and requests: room is summed up per node. */
  readonly pod: Pod;
  readonly hasVolumes: boolean;
  readonly hasPorts: boolean;
  readonly hasSpread: boolean;
  /** Whether it has rules about other pods. */
  readonly hasRules: boolean;
  /** Per site, the pods that matter to it: those that its rules select, and those whose anti-affinity selects it. */
  relevant?: ReadonlyMap<number, readonly Pod[]>;
  /** All sites with these pods. */
  nodes?: readonly Located[];
}

/** A site as `fits` takes it. */
interface Located {
  readonly at: number;
  readonly node: NodeInfo;
}

/** Pods that rules treat alike, and the sites that they are on. */
interface Group {
  readonly sample: Pod;
  readonly pods: { readonly pod: Pod; readonly at: number }[];
}

const ROOM: NodeInfo['free'] = new Map([['pods', 1]]);
const NO_PODS: readonly Pod[] = [];
const NOWHERE: ReadonlyMap<number, readonly Pod[]> = new Map();

const asNode = (site: Site, pods: readonly Pod[]): NodeInfo => ({
  name: site.name,
  labels: site.labels,
  taints: site.taints,
  unschedulable: site.unschedulable,
  free: ROOM,
  pods,
  ...(site.unknownLabels && { unknownLabels: site.unknownLabels }),
});

const labelsKey = ({ metadata }: Pod): string =>
  JSON.stringify([metadata.namespace, metadata.labels, metadata.deletionTimestamp !== undefined]);

const withoutResources = <T extends { readonly resources?: unknown }>({ resources: _, ...container }: T) =>
  container;

const addTo = (groups: Map<string, Group>, key: string, pod: Pod, at: number): void => {
  const group = groups.get(key);
  if (group) group.pods.push({ pod, at });
  else groups.set(key, { sample: pod, pods: [{ pod, at }] });
};

/**
 * Runs `fits` for pods where a plan puts them, each as if it were the last to come. Each check runs once per class of
 * pods, over the few pods that matter to the class.
 */
export class PodRules {
  readonly #sites: readonly Site[];
  readonly #namespaces: NamespaceLabels;
  readonly #volumes: () => Volumes;
  readonly #classes = new Map<string, PodClass>();
  readonly #classOf = new Map<Pod, PodClass>();
  /** Pods with required anti-affinity. */
  readonly #repellers = new Map<string, Group>();
  readonly #hasRepellers: boolean;
  /** All pods, by their labels. */
  #groups: Map<string, Group> | undefined;
  #every: readonly Located[] | undefined;

  /** `sites` are all nodes after the plan, planned claims as their first choice. */
  constructor(snapshot: Snapshot, sites: readonly Site[]) {
    this.#sites = sites;
    this.#namespaces = new Map(
      snapshot.namespaces.map((each) => [each.metadata.name, each.metadata.labels ?? {}]),
    );
    let volumes: Volumes | undefined;
    this.#volumes = () => {
      volumes ??= volumesOf(snapshot);
      return volumes;
    };
    const repellers: [Pod, number][] = [];
    sites.forEach(({ pods }, at) => {
      for (const pod of pods) {
        if (pod.spec.affinity && requiredAntiAffinity(pod).length > 0) repellers.push([pod, at]);
      }
    });
    this.#hasRepellers = repellers.length > 0;
    for (const [pod, at] of repellers) addTo(this.#repellers, this.classOf(pod).id, pod, at);
  }

  /** Why a pod can't be on a site; undefined when it can. `at` is the site's place among all of them. */
  refusal(pod: Pod, at: number, site: Site): Refusal | undefined {
    return this.#check(pod, at, site, undefined);
  }

  /** Why `pod`, which stays, can't be on its site when the site `changed` is another machine. */
  refusalBeside(pod: Pod, at: number, changed: number, as: Site): Refusal | undefined {
    const site = this.#sites[at];
    return site && this.#check(pod, at, site, { at: changed, site: as });
  }

  /** Whether pods on a site matter to a pod. */
  looksAt(pod: Pod, at: number): boolean {
    return (this.#relevantFor(this.classOf(pod)).get(at)?.length ?? 0) > 0;
  }

  /** Whether a pod's spread counts another one. */
  selects(pod: Pod, other: Pod): boolean {
    return requiredSpread(pod).some((constraint) =>
      spreadCounts(spreadSelector(constraint, pod), pod, other),
    );
  }

  /** What pods of one class share; their verdicts on a site are the same. */
  classOf(pod: Pod): PodClass {
    let known = this.#classOf.get(pod);
    if (!known) {
      known = this.#classify(pod);
      this.#classOf.set(pod, known);
    }
    return known;
  }

  #classify(pod: Pod): PodClass {
    const { nodeSelector, affinity, tolerations, topologySpreadConstraints } = pod.spec;
    const hasVolumes = hasAttachments(pod);
    const ports = hostPorts(pod);
    const hasSpread = topologySpreadConstraints !== undefined && requiredSpread(pod).length > 0;
    const hasAffinity =
      affinity !== undefined && (requiredAffinity(pod).length > 0 || requiredAntiAffinity(pod).length > 0);
    const hasRules = hasSpread || hasAffinity;
    const labels = hasRules || this.#hasRepellers ? labelsKey(pod) : '';
    const isPlain = !nodeSelector && !affinity && !tolerations && !hasSpread && ports.length === 0;
    const demands = isPlain
      ? ''
      : JSON.stringify([nodeSelector, affinity, tolerations, topologySpreadConstraints, ports]);
    const id = `${labels} ${demands} ${hasVolumes ? podName(pod) : ''}`;
    const known = this.#classes.get(id);
    if (known) return known;
    const { nodeName: _, resources: __, overhead: ___, ...spec } = pod.spec;
    const bare: Pod = {
      metadata: pod.metadata,
      spec: {
        ...spec,
        containers: spec.containers.map(withoutResources),
        ...(spec.initContainers && { initContainers: spec.initContainers.map(withoutResources) }),
      },
    };
    const created = { id, pod: bare, hasVolumes, hasPorts: ports.length > 0, hasSpread, hasRules };
    this.#classes.set(id, created);
    return created;
  }

  #check(
    pod: Pod,
    at: number,
    site: Site,
    other: { readonly at: number; readonly site: Site } | undefined,
  ): Refusal | undefined {
    const podClass = this.classOf(pod);
    const relevant = this.#relevantFor(podClass);
    const looks = podClass.hasVolumes || podClass.hasPorts;
    const withoutPod = (pods: readonly Pod[]): readonly Pod[] => pods.filter((each) => each !== pod);
    const node = asNode(site, looks ? withoutPod(site.pods) : NO_PODS);
    if (!podClass.hasRules && !podClass.hasVolumes && relevant.size === 0) {
      return fits(podClass.pod, node);
    }
    const own = asNode(site, withoutPod(podClass.hasVolumes ? site.pods : (relevant.get(at) ?? NO_PODS)));
    const nodes = this.#nodesFor(podClass, relevant).map((each) => {
      if (each.at === at) return own;
      return each.at === other?.at ? asNode(other.site, each.node.pods) : each.node;
    });
    return fits(podClass.pod, node, {
      nodes,
      namespaces: this.#namespaces,
      ...(podClass.hasVolumes && { volumes: this.#volumes() }),
    });
  }

  /** Sites that a class is checked against: all of them where it counts domains, else those with pods that matter. */
  #nodesFor(podClass: PodClass, relevant: ReadonlyMap<number, readonly Pod[]>): readonly Located[] {
    if (podClass.hasVolumes) {
      this.#every ??= this.#sites.map((site, at) => ({ at, node: asNode(site, site.pods) }));
      return this.#every;
    }
    podClass.nodes ??= podClass.hasSpread
      ? this.#sites.map((site, at) => ({ at, node: asNode(site, relevant.get(at) ?? NO_PODS) }))
      : [...relevant].map(([at, pods]) => ({ at, node: asNode(this.#site(at), pods) }));
    return podClass.nodes;
  }

  #site(at: number): Site {
    const site = this.#sites[at];
    if (!site) throw new Error(`site ${at} is missing`);
    return site;
  }

  #relevantFor(podClass: PodClass): ReadonlyMap<number, readonly Pod[]> {
    podClass.relevant ??= podClass.hasRules || this.#hasRepellers ? this.#findRelevant(podClass) : NOWHERE;
    return podClass.relevant;
  }

  #findRelevant({ pod, hasRules }: PodClass): ReadonlyMap<number, readonly Pod[]> {
    const found = new Map<number, Set<Pod>>();
    const addAll = ({ pods }: Group): void => {
      for (const { pod: other, at } of pods) {
        const here = found.get(at);
        if (here) here.add(other);
        else found.set(at, new Set([other]));
      }
    };
    for (const group of this.#repellers.values()) {
      const terms = requiredAntiAffinity(group.sample);
      if (terms.some((term) => termSelects(term, group.sample, pod, this.#namespaces))) addAll(group);
    }
    if (hasRules) {
      const terms = [...requiredAffinity(pod), ...requiredAntiAffinity(pod)];
      const selectors = requiredSpread(pod).map((constraint) => spreadSelector(constraint, pod));
      for (const group of this.#groupsByLabels().values()) {
        const isSelected =
          terms.some((term) => termSelects(term, pod, group.sample, this.#namespaces)) ||
          selectors.some((selector) => spreadCounts(selector, pod, group.sample));
        if (isSelected) addAll(group);
      }
    }
    return new Map([...found].map(([at, pods]) => [at, [...pods]]));
  }

  #groupsByLabels(): ReadonlyMap<string, Group> {
    if (this.#groups) return this.#groups;
    const groups = new Map<string, Group>();
    this.#sites.forEach(({ pods }, at) => {
      for (const pod of pods) addTo(groups, labelsKey(pod), pod, at);
    });
    this.#groups = groups;
    return groups;
  }
}
