import { HOSTNAME } from '../../api/labels.ts';
import type { Pod, Taint } from '../../api/objects.ts';
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

/** What nodes of one group have in common, as far as rules look. */
export interface NodeClass {
  readonly name: string;
  readonly labels: Labels;
  readonly taints: readonly Taint[];
}

/** A count of pods per domain of one topology key: those of the shapes in `counted`, on nodes in `eligible`. */
export interface Tally {
  readonly key: string;
  /** Per shape, 1 if its pods are counted. */
  readonly counted: Uint8Array;
  /** Per node group, 1 if its nodes take part; null when all do that have the key. */
  readonly eligible: Uint8Array | null;
}

/** What must be so in a node's domain before a pod of the shape may come. */
export type PodRule =
  /** No counted pod may be in the domain. */
  | { readonly kind: 'none'; readonly tally: number }
  /** A counted pod must be in the domain; the first of its kind needs none if `self`. */
  | { readonly kind: 'some'; readonly tallies: readonly number[]; readonly self: boolean }
  /** Counted pods, with this one, may be at most maxSkew above the emptiest domain. */
  | {
      readonly kind: 'spread';
      readonly tally: number;
      readonly maxSkew: number;
      readonly self: number;
      readonly minDomains: number;
    };

/** The rules of all shapes, compiled: what to count, and what each shape asks of the counts. */
export interface PodRules {
  readonly tallies: readonly Tally[];
  /** Per shape. */
  readonly ofPodClass: readonly (readonly PodRule[])[];
  /** Per shape, the tallies that count it. */
  readonly countedBy: readonly Int32Array[];
  /** Topology keys that rules use, hostname not among them. */
  readonly keys: readonly string[];
}

/** How many pods of some shapes, of one workload, a node may hold. */
export interface WorkloadCap {
  readonly podClasses: readonly number[];
  readonly most: number;
}

/** Compiles affinity, anti-affinity, spread and host ports of pods that stand for their shapes. */
export const compilePodRules = (
  pods: readonly Pod[],
  nodeClasses: readonly NodeClass[],
  namespaces: NamespaceLabels,
  caps: readonly WorkloadCap[] = [],
): PodRules => {
  const tallies: Tally[] = [];
  const index = new Map<string, number>();
  const ofPodClass: PodRule[][] = pods.map(() => []);
  const tallyOf = (key: string, counted: Uint8Array, eligible: Uint8Array | null): number => {
    const id = `${key} ${counted.join('')} ${eligible?.join('') ?? ''}`;
    const known = index.get(id);
    if (known !== undefined) return known;
    index.set(id, tallies.length);
    tallies.push({ key, counted, eligible });
    return tallies.length - 1;
  };
  const select = (test: (pod: Pod) => boolean): Uint8Array =>
    Uint8Array.from(pods, (pod) => (test(pod) ? 1 : 0));

  const ports = pods.map(hostPorts);
  pods.forEach((pod, podClass) => {
    const rules = ofPodClass[podClass] ?? [];
    for (const term of requiredAntiAffinity(pod)) {
      const selected = select((other) => termSelects(term, pod, other, namespaces));
      rules.push({ kind: 'none', tally: tallyOf(term.topologyKey, selected, null) });
      // The other way round: whom the term selects may not come where this shape is.
      const holder = select((other) => other === pod);
      const held = tallyOf(term.topologyKey, holder, null);
      selected.forEach((is, other) => {
        if (is) ofPodClass[other]?.push({ kind: 'none', tally: held });
      });
    }
    const affinity = requiredAffinity(pod);
    if (affinity.length > 0) {
      const all = (other: Pod): boolean =>
        affinity.every((term) => termSelects(term, pod, other, namespaces));
      const selected = select(all);
      const found = affinity.map((term) => tallyOf(term.topologyKey, selected, null));
      rules.push({ kind: 'some', tallies: found, self: all(pod) });
    }
    const spread = requiredSpread(pod);
    const hasKeys = (labels: Labels): boolean =>
      spread.every((each) => labels[each.topologyKey] !== undefined);
    for (const constraint of spread) {
      const selector = spreadSelector(constraint, pod);
      const eligible = Uint8Array.from(nodeClasses, (nodeClass) =>
        hasKeys(nodeClass.labels) && isSpreadOver(constraint, pod, nodeClass) ? 1 : 0,
      );
      const counted = select((other) => spreadCounts(selector, pod, other));
      rules.push({
        kind: 'spread',
        tally: tallyOf(constraint.topologyKey, counted, eligible),
        maxSkew: constraint.maxSkew,
        self: matchesLabels(selector, labelsOf(pod)) ? 1 : 0,
        minDomains: constraint.minDomains ?? 1,
      });
    }
    const mine = ports[podClass] ?? [];
    if (mine.length > 0) {
      const taken = Uint8Array.from(ports, (theirs) =>
        mine.some((port) => theirs.some((other) => conflicts(port, other))) ? 1 : 0,
      );
      rules.push({ kind: 'none', tally: tallyOf('', taken, null) });
    }
  });
  for (const { podClasses, most } of caps) {
    const counted = new Uint8Array(pods.length);
    for (const podClass of podClasses) counted[podClass] = 1;
    const tally = tallyOf('', counted, null);
    for (const podClass of podClasses) {
      ofPodClass[podClass]?.push({ kind: 'spread', tally, maxSkew: most, self: 1, minDomains: 1 });
    }
  }
  const countedBy = pods.map((_, podClass) =>
    Int32Array.from(tallies.flatMap((tally, id) => (tally.counted[podClass] ? [id] : []))),
  );
  const keys = [...new Set(tallies.map((tally) => tally.key))].filter(
    (key) => key !== '' && key !== HOSTNAME,
  );
  return { tallies, ofPodClass, countedBy, keys };
};
