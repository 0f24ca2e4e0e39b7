import { HOSTNAME } from '../../api/labels.ts';
import type { Pod, TopologySpreadConstraint } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import {
  labelsOf,
  type NamespaceLabels,
  requiredAffinity,
  requiredAntiAffinity,
  termSelects,
} from '../scheduling/interpodaffinity.ts';
import type { Labels } from '../scheduling/nodeaffinity.ts';
import { matchesLabels } from '../scheduling/nodeaffinity.ts';
import { conflicts, hostPorts } from '../scheduling/nodeports.ts';
import { isSpreadOver, requiredSpread, spreadCounts, spreadSelector } from '../scheduling/topologyspread.ts';
import { itemAt } from './matrix.ts';
import type { NodeClass } from './nodeclass.ts';

/** What to count per domain of one topology key: pods of the classes in `counted`, on nodes of those in `eligible`. */
export interface Tally {
  /** The topology key; empty where each node is a domain, even without a hostname label. */
  readonly key: string;
  /** Per pod class, 1 if its pods are counted. */
  readonly counted: Uint8Array;
  /** Per node class, 1 if its nodes take part; undefined when all do that have the key. */
  readonly eligible: Uint8Array | undefined;
}

/** What must hold in a node's domain before a pod of the class may come. */
export type PodRule =
  /** No counted pod is in the domain. */
  | { readonly kind: 'none'; readonly tally: number }
  /** A counted pod is in the domain. The very first pod needs none if the rule selects itself (`self`). */
  | { readonly kind: 'some'; readonly tallies: readonly number[]; readonly self: boolean }
  /** The domain has at most maxSkew pods more than the emptiest one, this pod counted where `self` is 1. */
  | {
      readonly kind: 'spread';
      readonly tally: number;
      readonly maxSkew: number;
      readonly self: 0 | 1;
      readonly minDomains: number;
    };

/** The rules of all pod classes, compiled. */
export interface PodRules {
  readonly tallies: readonly Tally[];
  /** Rules per pod class. */
  readonly ofPodClass: readonly (readonly PodRule[])[];
  /** Per pod class, the tallies that count it. */
  readonly countedBy: readonly Int32Array[];
  /** Topology keys of the tallies, without the hostname. */
  readonly keys: readonly string[];
}

/** The most pods of some classes together, all of one workload, that a node may hold. */
export interface WorkloadCap {
  readonly podClasses: readonly number[];
  readonly most: number;
}

/** The tallies that rules ask for; equal ones are counted once. */
class Tallies {
  readonly list: Tally[] = [];
  readonly #ids = new Map<string, number>();

  /** The number of a tally. */
  id(key: string, counted: Uint8Array, eligible?: Uint8Array): number {
    const text = `${key} ${counted.join('')} ${eligible?.join('') ?? ''}`;
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    this.#ids.set(text, this.list.length);
    this.list.push({ key, counted, eligible });
    return this.list.length - 1;
  }
}

/** A spread constraint's text, whether it was required from the first or made so. */
const idOf = (constraint: TopologySpreadConstraint): string => JSON.stringify(constraint);

/** What rules look at of a pod class beside its pod. */
export interface RuledClass {
  readonly pod: Pod;
  /** Volumes that one node at a time can attach: pods that share one must be together. */
  readonly shared?: readonly string[];
  /** The pod without its preferences made required: those narrow no required spread. */
  readonly original?: Pod;
  /** Whether its pods are not placed again: they have no rules of their own. */
  readonly stays?: boolean;
  /** As in NeedsOf, of all its pods. */
  readonly presumed?: boolean;
}

/** Compiles affinity, anti-affinity, spread, host ports and shared volumes of pod classes. */
export const compilePodRules = (
  classes: readonly RuledClass[],
  nodeClasses: readonly NodeClass[],
  namespaces: NamespaceLabels,
  caps: readonly WorkloadCap[] = [],
): PodRules => {
  const pods = classes.map(({ pod }) => pod);
  const tallies = new Tallies();
  const ofPodClass: PodRule[][] = pods.map(() => []);
  const select = (test: (pod: Pod) => boolean): Uint8Array =>
    Uint8Array.from(pods, (pod) => (test(pod) ? 1 : 0));

  const ports = pods.map(hostPorts);
  pods.forEach((pod, podClass) => {
    const rules = itemAt(ofPodClass, podClass);
    for (const term of requiredAntiAffinity(pod)) {
      const selected = select((other) => termSelects(term, pod, other, namespaces));
      rules.push({ kind: 'none', tally: tallies.id(term.topologyKey, selected) });
      // Anti-affinity is symmetric: pods that the term selects may not come where this class is.
      const tally = tallies.id(
        term.topologyKey,
        select((other) => other === pod),
      );
      selected.forEach((isSelected, other) => {
        if (isSelected) itemAt(ofPodClass, other).push({ kind: 'none', tally });
      });
    }
    const { original = pod, stays } = itemAt(classes, podClass);
    if (stays) return;
    const affinity = requiredAffinity(pod);
    if (affinity.length > 0) {
      const matchesAll = (other: Pod): boolean =>
        affinity.every((term) => termSelects(term, pod, other, namespaces));
      const selected = Uint8Array.from(classes, ({ pod: other, presumed }) =>
        !presumed && matchesAll(other) ? 1 : 0,
      );
      rules.push({
        kind: 'some',
        tallies: affinity.map((term) => tallies.id(term.topologyKey, selected)),
        self: matchesAll(pod),
      });
    }
    const spread = requiredSpread(pod);
    const demanded = new Set(requiredSpread(original).map(idOf));
    const hasKeys = (labels: Labels): boolean =>
      spread.every(({ topologyKey }) => valueAt(labels, topologyKey) !== undefined);
    for (const constraint of spread) {
      const selector = spreadSelector(constraint, pod);
      const eligible = Uint8Array.from(nodeClasses, (nodeClass) =>
        hasKeys(nodeClass.labels) &&
        isSpreadOver(constraint, demanded.has(idOf(constraint)) ? original : pod, nodeClass)
          ? 1
          : 0,
      );
      const counted = select((other) => spreadCounts(selector, pod, other));
      rules.push({
        kind: 'spread',
        tally: tallies.id(constraint.topologyKey, counted, eligible),
        maxSkew: constraint.maxSkew,
        self: matchesLabels(selector, labelsOf(pod)) ? 1 : 0,
        minDomains: constraint.minDomains ?? 1,
      });
    }
    const own = itemAt(ports, podClass);
    if (own.length > 0) {
      const conflicting = Uint8Array.from(ports, (theirs) =>
        own.some((port) => theirs.some((other) => conflicts(port, other))) ? 1 : 0,
      );
      rules.push({ kind: 'none', tally: tallies.id('', conflicting) });
    }
  });
  const sharers = new Map<string, number[]>();
  classes.forEach(({ shared = [] }, podClass) => {
    for (const claim of shared) sharers.set(claim, [...(sharers.get(claim) ?? []), podClass]);
  });
  for (const podClasses of sharers.values()) {
    const counted = new Uint8Array(pods.length);
    for (const podClass of podClasses) counted[podClass] = 1;
    const tally = tallies.id('', counted);
    for (const podClass of podClasses) {
      itemAt(ofPodClass, podClass).push({ kind: 'some', tallies: [tally], self: true });
    }
  }
  for (const { podClasses, most } of caps) {
    const counted = new Uint8Array(pods.length);
    for (const podClass of podClasses) counted[podClass] = 1;
    const tally = tallies.id('', counted);
    for (const podClass of podClasses) {
      itemAt(ofPodClass, podClass).push({ kind: 'spread', tally, maxSkew: most, self: 1, minDomains: 1 });
    }
  }
  const countedBy = pods.map((_, podClass) =>
    Int32Array.from(tallies.list.flatMap(({ counted }, id) => (counted[podClass] ? [id] : []))),
  );
  const keys = [...new Set(tallies.list.map(({ key }) => key))].filter(
    (key) => key !== '' && key !== HOSTNAME,
  );
  return { tallies: tallies.list, ofPodClass, countedBy, keys };
};
