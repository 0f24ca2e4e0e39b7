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
import { type Volumes, volumesOf } from '../../scheduling/volumes.ts';

/** A node of the finished plan, as rules see it. */
export interface Site {
  readonly name: string;
  readonly labels: Labels;
  readonly taints: readonly Taint[];
  readonly unschedulable: boolean;
  readonly pods: readonly Pod[];
}

/** Pods that the rules treat alike. */
interface PodClass {
  readonly id: string;
  /** One of them without node and requests: room is summed up per node. */
  readonly pod: Pod;
  readonly hasVolumes: boolean;
  readonly hasPorts: boolean;
  /** Whether it asks for something of other pods. */
  readonly hasRules: boolean;
  /** The sites with the pods that its rules look at. */
  nodes?: NodeInfo[];
}

const ROOM: NodeInfo['free'] = new Map([['pods', 1]]);

const asNode = (site: Site, pods: readonly Pod[]): NodeInfo => ({
  name: site.name,
  labels: site.labels,
  taints: site.taints,
  unschedulable: site.unschedulable,
  free: ROOM,
  pods,
});

const mustAt = (nodes: readonly NodeInfo[], index: number): NodeInfo => {
  const node = nodes[index];
  if (!node) throw new Error(`site ${index} is missing`);
  return node;
};

const labelsKey = ({ metadata }: Pod): string =>
  JSON.stringify([metadata.namespace, metadata.labels, metadata.deletionTimestamp !== undefined]);

/**
 * Asks `fits` about pods where a plan puts them, each as if it were the last to come. Every question is asked once per
 * class of pods, over the few pods that the class's rules look at.
 */
export class PodRules {
  readonly #sites: readonly Site[];
  readonly #namespaces: NamespaceLabels;
  readonly #volumes: () => Volumes;
  readonly #classes = new Map<string, PodClass>();
  readonly #classOf = new Map<Pod, PodClass>();
  readonly #labelsOf = new Map<Pod, string>();
  /** The sites that hold pods with anti-affinity, with those pods alone. */
  readonly #repelling = new Map<number, readonly Pod[]>();
  #every: NodeInfo[] | undefined;
  #repellers: NodeInfo[] | undefined;

  /** `sites` are all nodes once the plan is done, planned claims as their first choice. */
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
    sites.forEach(({ pods }, index) => {
      const repelling = pods.filter((pod) => pod.spec.affinity && requiredAntiAffinity(pod).length > 0);
      if (repelling.length > 0) this.#repelling.set(index, repelling);
    });
  }

  /** Why a pod can't be on a site; undefined when it can. `at` is the site's place among all of them. */
  refusal(pod: Pod, at: number, site: Site): Refusal | undefined {
    const asked = this.classOf(pod);
    return this.#ask(asked, pod, at, site, this.#nodesFor(asked));
  }

  /** The same with another site, `changed`, as a machine that it may become instead. */
  refusalBeside(pod: Pod, at: number, changed: number, as: Site): Refusal | undefined {
    const asked = this.classOf(pod);
    const nodes = [...this.#nodesFor(asked)];
    nodes[changed] = asNode(as, mustAt(nodes, changed).pods);
    const site = this.#sites[at];
    return site && this.#ask(asked, pod, at, site, nodes);
  }

  /** Whether the rules of a pod look at pods that are on a site. */
  looksAt(pod: Pod, at: number): boolean {
    return (this.#nodesFor(this.classOf(pod))[at]?.pods.length ?? 0) > 0;
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
    const hasVolumes = (pod.spec.volumes ?? []).some((each) => each.persistentVolumeClaim ?? each.ephemeral);
    const ports = hostPorts(pod);
    const hasRules =
      (affinity !== undefined &&
        (requiredAffinity(pod).length > 0 || requiredAntiAffinity(pod).length > 0)) ||
      (topologySpreadConstraints !== undefined && requiredSpread(pod).length > 0);
    const isPlain = !nodeSelector && !affinity && !tolerations && !hasVolumes && ports.length === 0;
    const labels = hasRules || this.#repelling.size > 0 ? labelsKey(pod) : '';
    const demands =
      isPlain && !hasRules
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
        containers: spec.containers.map(({ resources: ____, ...container }) => container),
        ...(spec.initContainers && {
          initContainers: spec.initContainers.map(({ resources: ____, ...container }) => container),
        }),
      },
    };
    const created = { id, pod: bare, hasVolumes, hasPorts: ports.length > 0, hasRules };
    this.#classes.set(id, created);
    return created;
  }

  #ask(asked: PodClass, pod: Pod, at: number, site: Site, nodes: readonly NodeInfo[]): Refusal | undefined {
    const withoutPod = (pods: readonly Pod[]): readonly Pod[] => pods.filter((each) => each !== pod);
    const looks = asked.hasVolumes || asked.hasPorts;
    const node = asNode(site, looks ? withoutPod(site.pods) : []);
    if (!asked.hasRules && !asked.hasVolumes && nodes.length === 0) {
      return fits(asked.pod, node) ?? undefined;
    }
    const own = (): NodeInfo => asNode(site, withoutPod(nodes[at]?.pods ?? []));
    const isWhole = asked.hasRules || asked.hasVolumes;
    const indices = isWhole ? nodes.keys() : this.#repelling.keys();
    const cluster: NodeInfo[] = [];
    for (const index of indices) cluster.push(index === at ? own() : mustAt(nodes, index));
    return (
      fits(asked.pod, node, {
        nodes: cluster,
        namespaces: this.#namespaces,
        ...(asked.hasVolumes && { volumes: this.#volumes() }),
      }) ?? undefined
    );
  }

  /** All sites, each with the pods that matter to a class; none where nothing does. */
  #nodesFor(asked: PodClass): readonly NodeInfo[] {
    if (asked.hasVolumes) {
      this.#every ??= this.#sites.map((site) => asNode(site, site.pods));
      return this.#every;
    }
    if (!asked.hasRules && this.#repelling.size === 0) return [];
    asked.nodes ??= asked.hasRules ? this.#selected(asked.pod) : this.#repellingNodes();
    return asked.nodes;
  }

  #repellingNodes(): NodeInfo[] {
    this.#repellers ??= this.#sites.map((site, index) => asNode(site, this.#repelling.get(index) ?? []));
    return this.#repellers;
  }

  #selected(pod: Pod): NodeInfo[] {
    const terms = [...requiredAffinity(pod), ...requiredAntiAffinity(pod)];
    const spreads = requiredSpread(pod).map((constraint) => spreadSelector(constraint, pod));
    const known = new Map<string, boolean>();
    const isSelected = (other: Pod): boolean => {
      let key = this.#labelsOf.get(other);
      if (key === undefined) {
        key = labelsKey(other);
        this.#labelsOf.set(other, key);
      }
      let is = known.get(key);
      if (is === undefined) {
        is =
          terms.some((term) => termSelects(term, pod, other, this.#namespaces)) ||
          spreads.some((selector) => spreadCounts(selector, pod, other));
        known.set(key, is);
      }
      return is;
    };
    return this.#sites.map((site, index) => {
      const repelling = this.#repelling.get(index);
      return asNode(
        site,
        site.pods.filter((other) => isSelected(other) || (repelling?.includes(other) ?? false)),
      );
    });
  }
}
