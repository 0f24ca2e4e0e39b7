import { ARCH, INSTANCE_TYPE, KARPENTER_NODEPOOL, OS, REGION, ZONE_ID } from '../../../api/labels.ts';
import type { NodePool, Requirement } from '../../../api/objects.ts';
import { putAt, valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType, Offering } from '../../model/catalogue.ts';
import { isAbsentByName, isMachineKey, OF_EVERY_NODE } from '../../model/machinelabels.ts';
import { poolRequirements } from '../../model/nodepool.ts';
import { OFFERING_LABELS, offeringLabel } from '../../model/offers/offeringlabels.ts';
import { type Labels, meets } from '../../scheduling/nodeaffinity.ts';
import { byKey, openValues } from '../../scheduling/openlabels.ts';

/** What labels of machines are read from. */
export interface LabelSource {
  /** Label keys that some type of the catalogue has. */
  readonly keys: ReadonlySet<string>;
  /** The region of each zone, where it is known. */
  readonly regions: ReadonlyMap<string, string>;
}

/** Karpenter's label, key and value, for the NodeClass object of a NodePool's nodes. */
export const nodeClassLabel = (pool: NodePool): readonly [string, string] => {
  const ref = pool.spec.template.spec.nodeClassRef;
  return [`${ref.group}/${ref.kind.toLowerCase()}`, ref.name];
};

/** Combinations of open label values that are tried at most, per NodePool. */
const MAX_PICKS = 64;

/** How a NodePool gives the labels that it leaves open. */
export interface OpenLabels {
  /** Combinations of values that are chosen. */
  readonly picks: readonly Labels[];
  /** Labels whose value Karpenter makes up, with one that it may make up. */
  readonly madeUp: Labels;
}

/**
 * Values for labels that the requirements leave open, such as `team In [a, b]`. A requirement without a list of values
 * takes those that pods select.
 */
export const openLabelsOf = (
  requirements: readonly Requirement[],
  selectedValues: ReadonlyMap<string, ReadonlySet<string>>,
): OpenLabels => {
  let picks: Record<string, string>[] = [{}];
  const madeUp: Record<string, string> = {};
  for (const [key, list] of byKey(requirements)) {
    if (list.some((each) => each.operator === 'DoesNotExist')) continue;
    const listed = list.filter((each) => each.operator === 'In').flatMap((each) => each.values ?? []);
    const values = new Set([...listed, ...(listed.length > 0 ? [] : (selectedValues.get(key) ?? []))]);
    const allowed = [...values].filter((value) => list.every((each) => meets(each, value))).sort();
    if (allowed.length === 0) {
      const [value] = openValues(list);
      if (value !== undefined) putAt(madeUp, key, value);
      continue;
    }
    picks = picks.flatMap((pick) => allowed.map((value) => ({ ...pick, [key]: value }))).slice(0, MAX_PICKS);
  }
  return { picks, madeUp };
};

/** The labels that nodes of one NodePool and type share in every zone. */
export class TypeLabels {
  readonly #layers: readonly Labels[];
  #whole: Labels | undefined;

  /** A later layer overrides an earlier one. */
  constructor(layers: readonly Labels[]) {
    this.#layers = layers;
  }

  of(key: string): string | undefined {
    for (let i = this.#layers.length - 1; i >= 0; i -= 1) {
      const value = valueAt(this.#layers[i], key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  all(): Labels {
    if (!this.#whole) {
      let whole: Labels = {};
      for (const layer of this.#layers) whole = { ...whole, ...layer };
      this.#whole = whole;
    }
    return this.#whole;
  }
}

/** Whether only the cloud could tell a type's value of a label that nothing gives. */
export const isUnknownLabel = (type: InstanceType, key: string, { keys }: LabelSource): boolean =>
  key === ZONE_ID ||
  key === REGION ||
  (isMachineKey(key) && !keys.has(key) && !isAbsentByName(type.name, key));

const NUMERIC: ReadonlySet<string> = new Set(['Gt', 'Lt', 'Gte', 'Lte']);

/** Labels that a NodePool gives each of its nodes, whatever machine it is. */
export const poolLabelsOf = (pool: NodePool): Labels => {
  const [classKey, className] = nodeClassLabel(pool);
  return {
    ...OF_EVERY_NODE,
    ...pool.spec.template.metadata?.labels,
    [KARPENTER_NODEPOOL]: pool.metadata.name,
    [classKey]: className,
    ...(classKey === 'eks.amazonaws.com/nodeclass' && { 'eks.amazonaws.com/compute-type': 'auto' }),
  };
};

/** A NodePool's requirements by who can meet them. */
export interface SortedRequirements {
  /** Of the operating system, the type and the offering. */
  readonly ofOs: readonly Requirement[];
  readonly ofType: readonly Requirement[];
  readonly ofOffering: readonly Requirement[];
  /** Of labels that Karpenter gives a node because the NodePool asks for them. */
  readonly open: readonly Requirement[];
  /** Of labels whose value nobody can tell, though only some values will do. */
  readonly unknown: readonly Requirement[];
}

const TYPE_KEYS: ReadonlySet<string> = new Set([INSTANCE_TYPE, ARCH]);

/** Sorts the requirements of a NodePool and of its template's labels. */
export const sortedRequirements = (pool: NodePool, keys: ReadonlySet<string>): SortedRequirements => {
  const sorted = {
    ofOs: [] as Requirement[],
    ofType: [] as Requirement[],
    ofOffering: [] as Requirement[],
    open: [] as Requirement[],
    unknown: [] as Requirement[],
  };
  const fixed = poolLabelsOf(pool);
  const requirements = poolRequirements(pool);
  for (const [key, list] of byKey(requirements)) {
    if (key === OS) sorted.ofOs.push(...list);
    else if (OFFERING_LABELS.has(key)) sorted.ofOffering.push(...list);
    else if (keys.has(key) || TYPE_KEYS.has(key) || isMachineKey(key)) sorted.ofType.push(...list);
    else if (valueAt(fixed, key) !== undefined) continue;
    else if (
      list.some(({ operator }) => NUMERIC.has(operator)) &&
      !list.some(({ operator }) => operator === 'In')
    )
      sorted.unknown.push(...list);
    else sorted.open.push(...list);
  }
  return sorted;
};

/** Whether a machine meets a requirement on its type; never where nobody can tell. */
export const typeMeets = (
  requirement: Requirement,
  type: InstanceType,
  labels: TypeLabels,
  source: LabelSource,
): boolean => {
  const { key } = requirement;
  const value = labels.of(key);
  if (value === undefined && isUnknownLabel(type, key, source)) return false;
  return meets(requirement, value ?? (key === ARCH ? type.arch : undefined));
};

/** Whether an offering meets a requirement; the region is the catalogue's own where its name does not tell. */
export const offeringMeets = (requirement: Requirement, offering: Offering, source: LabelSource): boolean => {
  const value = offeringLabel(offering, requirement.key, source.regions);
  // Which zones have that id is not known, so that nobody can tell whether this one may be used.
  if (value === undefined && requirement.key === ZONE_ID) return false;
  return (value === undefined && requirement.key === REGION) || meets(requirement, value);
};
