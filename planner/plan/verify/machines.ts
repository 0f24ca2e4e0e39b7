import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { HOSTNAME, INSTANCE_TYPE, REGION, ZONE_ID } from '../../../api/labels.ts';
import type { NodePool, Requirement } from '../../../api/objects.ts';
import { putAt, valueAt } from '../../../api/records/valueat.ts';
import type { CapacityReservation, InstanceType, Offering } from '../../model/catalogue.ts';
import {
  canonicalKey,
  isAbsentByName,
  isMachineKey,
  OF_EVERY_NODE,
  withAliases,
} from '../../model/machinelabels.ts';
import { poolRequirements } from '../../model/nodepool.ts';
import type { Supply } from '../../model/supply.ts';
import { type Labels, meets } from '../../scheduling/nodeaffinity.ts';
import { byKey, openValues } from '../../scheduling/openlabels.ts';
import { type Choice, cloudLabel, OF_CLOUD, OF_OFFERING } from './choices.ts';
import type { PlanRule } from './fault.ts';

/** Machines that no pod can tell apart by their labels. */
export interface Machine {
  /** Key of the labels that pods select by: equal for machines that pods can't tell apart. */
  readonly id: string;
  /** The labels of one of them. */
  readonly labels: Labels;
  /** Selected labels whose value nobody knows; left out where there is none. */
  readonly unknown?: ReadonlySet<string>;
  /** Instance types that it may become; they differ in size. */
  readonly types: readonly InstanceType[];
}

/** What an alternative of a claim allows: machines, the cheapest first, and the rules that it breaks. */
export interface Machines {
  readonly machines: readonly Machine[];
  readonly types: readonly InstanceType[];
  /** The offering of the lowest price; undefined where there is none. */
  readonly cheapest: Offering | undefined;
  /** The reservations that it may be launched into; one of undefined stands for what is in none. */
  readonly reservations: ReadonlySet<CapacityReservation | undefined>;
  readonly broken: readonly { readonly rule: PlanRule; readonly text: string }[];
}

/** Reads which machines a claim may become. Shared by all claims of a plan, for most of them ask for the same. */
export class MachineReader {
  readonly #supply: Supply;
  /** Per NodePool, its types by name; one name has several where they differ by operating system. */
  readonly #types = new Map<string, ReadonlyMap<string, readonly InstanceType[]>>();
  /** Labels whose values the catalogue knows, for some type at least. */
  readonly #known: ReadonlySet<string>;
  readonly #selectedKeys: readonly string[];
  readonly #read = new Map<string, Machines>();

  /** `selectedKeys` are the label keys that tell machines apart. */
  constructor(supply: Supply, selectedKeys: readonly string[]) {
    this.#supply = supply;
    this.#known = new Set([...OF_CLOUD, ...supply.keys]);
    this.#selectedKeys = selectedKeys;
  }

  #typesOf(pool: NodePool): ReadonlyMap<string, readonly InstanceType[]> {
    const { name } = pool.metadata;
    const types = this.#types.get(name) ?? Map.groupBy(this.#supply.of(pool).types, (type) => type.name);
    this.#types.set(name, types);
    return types;
  }

  /** The machines that one alternative of a claim allows. */
  read(claim: NodeClaimToAdd, pool: NodePool, requirements: readonly Requirement[]): Machines {
    const labels = claim.metadata.labels ?? {};
    const key = JSON.stringify([pool.metadata.name, labels, requirements]);
    let machines = this.#read.get(key);
    if (!machines) {
      machines = this.#readNew(labels, pool, requirements);
      this.#read.set(key, machines);
    }
    return machines;
  }

  #readNew(fixed: Labels, pool: NodePool, given: readonly Requirement[]): Machines {
    const requirements = given.map((each) => ({ ...each, key: canonicalKey(each.key) }));
    const types = this.#typesOf(pool);
    const broken = new Map<string, { rule: PlanRule; text: string }>();
    const fault = (rule: PlanRule, text: string): void => {
      broken.set(`${rule} ${text}`, { rule, text });
    };
    for (const { key, operator, values, minValues } of requirements) {
      if (operator !== 'In') continue;
      for (const name of key === INSTANCE_TYPE ? (values ?? []) : []) {
        if (!types.has(name))
          fault('UnknownInstanceType', `names instance type ${name}, which the catalogue does not have`);
      }
      if (minValues !== undefined && (values ?? []).length < minValues) {
        fault(
          'MinValues',
          `gives ${(values ?? []).length} values for ${key}, fewer than its minValues ${minValues}`,
        );
      }
    }
    const ofPool = byKey(poolRequirements(pool));
    const open = this.#openLabels(fixed, byKey(requirements), ofPool, fault);
    const choices = open ? this.#choices(types, requirements, fixed) : [];
    if (choices.length === 0 && open) {
      fault('NoOffering', 'has requirements that no offering of the catalogue meets');
    }
    const fixedByCloud = Object.keys(fixed).filter((key) => this.#known.has(key));
    const poolKeys = [...ofPool].filter(([key]) => this.#known.has(key) || isMachineKey(key));
    const machines = new Map<
      string,
      { labels: Labels; types: Set<InstanceType>; unknown?: ReadonlySet<string> }
    >();
    for (const choice of choices) {
      const { name } = choice.type;
      for (const key of fixedByCloud) {
        const value = cloudLabel(choice, key);
        if (value !== undefined && value !== valueAt(fixed, key)) {
          fault(
            'ClaimLabels',
            `has label ${key}=${valueAt(fixed, key)}, but may become a machine with ${key}=${value}`,
          );
        }
      }
      for (const [key, list] of poolKeys) {
        const ofCloud = cloudLabel(choice, key);
        if (ofCloud === undefined && this.#isUnknown(choice, key)) {
          fault(
            'NodePoolRequirements',
            `as ${name} may break the requirement on ${key} of NodePool ${pool.metadata.name}, which nobody can tell`,
          );
          continue;
        }
        const value = ofCloud ?? valueAt(fixed, key);
        if (key === REGION && value === undefined) continue;
        if (!list.every((each) => meets(each, value))) {
          fault(
            'NodePoolRequirements',
            `as ${name} breaks the requirement on ${key} of NodePool ${pool.metadata.name}`,
          );
        }
      }
      for (const variant of open ?? []) {
        const labels = this.#labels(choice, variant);
        const unknown = this.#selectedKeys.filter(
          (key) => valueAt(labels, key) === undefined && this.#isUnknown(choice, key),
        );
        const id = [...this.#selectedKeys.map((key) => valueAt(labels, key) ?? ''), ...unknown].join('\n');
        const known = machines.get(id);
        if (known) known.types.add(choice.type);
        else
          machines.set(id, {
            labels,
            types: new Set([choice.type]),
            ...(unknown.length > 0 && { unknown: new Set(unknown) }),
          });
      }
    }
    return {
      machines: [...machines].map(([id, { types, ...each }]) => ({ id, ...each, types: [...types] })),
      types: [...new Set(choices.map(({ type }) => type))],
      cheapest: choices[0]?.offering,
      reservations: new Set(choices.map(({ offering }) => offering.reservation)),
      broken: [...broken.values()],
    };
  }

  #labels(choice: Choice, others: Labels): Labels {
    const labels: Record<string, string> = { ...others, ...choice.type.labels };
    for (const key of OF_CLOUD) {
      const value = cloudLabel(choice, key);
      if (value !== undefined) putAt(labels, key, value);
    }
    return withAliases({ ...OF_EVERY_NODE, ...labels });
  }

  /** Whether only the cloud could tell a label that nothing gives. */
  #isUnknown({ type }: Choice, key: string): boolean {
    const canonical = canonicalKey(key);
    if (canonical === ZONE_ID) return true;
    return (
      isMachineKey(canonical) && !this.#supply.keys.has(canonical) && !isAbsentByName(type.name, canonical)
    );
  }

  /** The labels that the claim sets itself, in each way that its requirements leave open; undefined when in none. */
  #openLabels(
    fixed: Labels,
    ofClaim: ReadonlyMap<string, readonly Requirement[]>,
    ofPool: ReadonlyMap<string, readonly Requirement[]>,
    fault: (rule: PlanRule, text: string) => void,
  ): readonly Labels[] | undefined {
    let variants: Labels[] = [fixed];
    for (const key of new Set([...ofClaim.keys(), ...ofPool.keys()])) {
      if (this.#known.has(key) || isMachineKey(key)) continue;
      const claim = ofClaim.get(key) ?? [];
      const pool = ofPool.get(key) ?? [];
      const label = valueAt(fixed, key);
      if (label !== undefined) {
        if (!claim.every((each) => meets(each, label))) {
          fault('ClaimLabels', `has label ${key}=${label}, which its own requirement on ${key} forbids`);
        } else if (!pool.every((each) => meets(each, label))) {
          fault(
            'NodePoolRequirements',
            `with ${key}=${label} breaks the requirement on ${key} of its NodePool`,
          );
        }
        continue;
      }
      // A label that the claim lists no values for is as open as in its NodePool.
      const isListed = claim.some(({ operator }) => operator === 'In');
      const leftOpen = pool.filter(({ operator }) => operator !== 'In');
      const values = openValues(isListed ? claim : [...claim, ...leftOpen]);
      if (values.length === 0) {
        const rule = openValues(claim).length > 0 ? 'NodePoolRequirements' : 'NoOffering';
        fault(rule, `has requirements on ${key} that no value meets`);
        return undefined;
      }
      if (values.some((value) => !pool.every((each) => meets(each, value)))) {
        fault('NodePoolRequirements', `breaks the requirement on ${key} of its NodePool`);
      }
      const tells = this.#selectedKeys.includes(key);
      variants = variants.flatMap((labels) =>
        (tells ? values : values.slice(0, 1)).map((value) =>
          value === undefined ? labels : { ...labels, [key]: value },
        ),
      );
    }
    return variants;
  }

  /** The types that requirements name; all where they name none. */
  #listedTypes(
    types: ReadonlyMap<string, readonly InstanceType[]>,
    requirements: readonly Requirement[],
  ): readonly InstanceType[] {
    const listed = requirements.find(
      ({ key, operator }) => key === INSTANCE_TYPE && operator === 'In',
    )?.values;
    return listed ? listed.flatMap((name) => types.get(name) ?? []) : [...types.values()].flat();
  }

  /** Every way to buy what the requirements allow, the cheapest first. */
  #choices(
    types: ReadonlyMap<string, readonly InstanceType[]>,
    requirements: readonly Requirement[],
    fixed: Labels,
  ): Choice[] {
    const ofType = requirements.filter(
      ({ key }) => (this.#known.has(key) || isMachineKey(key)) && !OF_OFFERING.has(key),
    );
    const ofOffering = requirements.filter(({ key }) => OF_OFFERING.has(key));
    const choices: Choice[] = [];
    const label = (choice: Choice, key: string) => cloudLabel(choice, key) ?? valueAt(fixed, key);
    for (const type of this.#listedTypes(types, ofType)) {
      const [first] = type.offerings;
      if (!first) continue;
      const any = { type, offering: first, os: '', region: undefined };
      if (!ofType.every((each) => meets(each, label(any, each.key)))) continue;
      for (const offering of type.offerings) {
        if (!offering.available) continue;
        for (const os of type.os) {
          const choice = { type, offering, os, region: this.#supply.regionOf(offering.zone) };
          const isMet = ofOffering.every((each) => {
            const value = label(choice, each.key);
            return (each.key === REGION && value === undefined) || meets(each, value);
          });
          if (isMet) choices.push(choice);
        }
      }
    }
    return choices.sort((a, b) => a.offering.price - b.offering.price);
  }
}

/** The labels of a planned node, with its own hostname. */
export const withHostname = (labels: Labels, name: string): Labels => ({ ...labels, [HOSTNAME]: name });
