import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { ARCH, HOSTNAME, INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, OS, ZONE } from '../../../api/labels.ts';
import type { NodePool, Requirement } from '../../../api/objects.ts';
import { putAt, valueAt } from '../../../api/records/valueat.ts';
import type { Catalogue, InstanceType, Offering } from '../../model/catalogue.ts';
import { type Labels, meets } from '../../scheduling/nodeaffinity.ts';
import type { PlanRule } from './fault.ts';
import { byKey, openValues } from './openlabels.ts';

/** AWS' label for the zone by its id, which is the same in every account. */
const ZONE_ID = 'topology.k8s.aws/zone-id';

/** Machines that no pod can tell apart by their labels. */
export interface Machine {
  /** Key of the labels that pods select by: equal for machines that pods can't tell apart. */
  readonly id: string;
  /** The labels of one of them. */
  readonly labels: Labels;
  /** Instance types that it may become; they differ in size. */
  readonly types: readonly InstanceType[];
}

/** What an alternative of a claim allows: machines, the cheapest first, and the rules that it breaks. */
export interface Machines {
  readonly machines: readonly Machine[];
  readonly types: readonly InstanceType[];
  readonly broken: readonly { readonly rule: PlanRule; readonly text: string }[];
}

/** How one machine may be bought. */
interface Choice {
  readonly type: InstanceType;
  readonly offering: Offering;
  readonly os: string;
}

/** The labels that the cloud sets: of a machine's type and of its offering. */
const cloudLabel = ({ type, offering, os }: Choice, key: string): string | undefined => {
  switch (key) {
    case INSTANCE_TYPE:
      return type.name;
    case ZONE:
      return offering.zone;
    case KARPENTER_CAPACITY_TYPE:
      return offering.capacityType;
    case ZONE_ID:
      return offering.zoneId ?? valueAt(type.labels, key);
    case OS:
      return os;
    case ARCH:
      return valueAt(type.labels, key) ?? type.arch;
    default:
      return valueAt(type.labels, key);
  }
};

const OF_OFFERING: ReadonlySet<string> = new Set([ZONE, KARPENTER_CAPACITY_TYPE, ZONE_ID, OS]);
/** Labels that the cloud gives to every machine. */
export const OF_CLOUD: readonly string[] = [INSTANCE_TYPE, ARCH, ...OF_OFFERING];

/** Reads which machines a claim may become. Shared by all claims of a plan, for most of them ask for the same. */
export class MachineReader {
  readonly #types: ReadonlyMap<string, InstanceType>;
  /** Labels whose values the catalogue knows, for some type at least. */
  readonly #known: ReadonlySet<string>;
  readonly #selectedKeys: readonly string[];
  readonly #read = new Map<string, Machines>();

  /** `selectedKeys` are the label keys that tell machines apart. */
  constructor(catalogue: Catalogue, selectedKeys: readonly string[]) {
    this.#types = new Map(catalogue.instanceTypes.map((type) => [type.name, type]));
    const known = new Set(OF_CLOUD);
    for (const type of catalogue.instanceTypes) for (const key in type.labels) known.add(key);
    this.#known = known;
    this.#selectedKeys = selectedKeys;
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

  #readNew(fixed: Labels, pool: NodePool, requirements: readonly Requirement[]): Machines {
    const broken = new Map<string, { rule: PlanRule; text: string }>();
    const fault = (rule: PlanRule, text: string): void => {
      broken.set(`${rule} ${text}`, { rule, text });
    };
    for (const { key, operator, values, minValues } of requirements) {
      if (operator !== 'In') continue;
      for (const name of key === INSTANCE_TYPE ? (values ?? []) : []) {
        if (!this.#types.has(name))
          fault('UnknownInstanceType', `names instance type ${name}, which the catalogue does not have`);
      }
      if (minValues !== undefined && (values ?? []).length < minValues) {
        fault(
          'MinValues',
          `gives ${(values ?? []).length} values for ${key}, fewer than its minValues ${minValues}`,
        );
      }
    }
    const ofPool = byKey(pool.spec.template.spec.requirements);
    const open = this.#openLabels(fixed, byKey(requirements), ofPool, fault);
    const choices = open ? this.#choices(requirements, fixed) : [];
    if (choices.length === 0 && open) {
      fault('NoOffering', 'has requirements that no offering of the catalogue meets');
    }
    const fixedByCloud = Object.keys(fixed).filter((key) => this.#known.has(key));
    const poolKeys = [...ofPool].filter(([key]) => this.#known.has(key));
    const machines = new Map<string, { labels: Labels; types: Set<InstanceType> }>();
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
        const value = cloudLabel(choice, key) ?? valueAt(fixed, key);
        if (!list.every((each) => meets(each, value))) {
          fault(
            'NodePoolRequirements',
            `as ${name} breaks the requirement on ${key} of NodePool ${pool.metadata.name}`,
          );
        }
      }
      for (const variant of open ?? []) {
        const id = this.#selectedKeys
          .map((key) => cloudLabel(choice, key) ?? valueAt(variant, key) ?? '')
          .join('\n');
        const known = machines.get(id);
        if (known) known.types.add(choice.type);
        else machines.set(id, { labels: this.#labels(choice, variant), types: new Set([choice.type]) });
      }
    }
    return {
      machines: [...machines].map(([id, each]) => ({ id, labels: each.labels, types: [...each.types] })),
      types: [...new Set(choices.map(({ type }) => type))],
      broken: [...broken.values()],
    };
  }

  #labels(choice: Choice, others: Labels): Labels {
    const labels: Record<string, string> = { ...others, ...choice.type.labels };
    for (const key of OF_CLOUD) {
      const value = cloudLabel(choice, key);
      if (value !== undefined) putAt(labels, key, value);
    }
    return labels;
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
      if (this.#known.has(key)) continue;
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
  #listedTypes(requirements: readonly Requirement[]): readonly InstanceType[] {
    const listed = requirements.find(
      ({ key, operator }) => key === INSTANCE_TYPE && operator === 'In',
    )?.values;
    return listed ? listed.flatMap((name) => this.#types.get(name) ?? []) : [...this.#types.values()];
  }

  /** Every way to buy what the requirements allow, the cheapest first. */
  #choices(requirements: readonly Requirement[], fixed: Labels): Choice[] {
    const ofType = requirements.filter(({ key }) => this.#known.has(key) && !OF_OFFERING.has(key));
    const ofOffering = requirements.filter(({ key }) => OF_OFFERING.has(key));
    const choices: Choice[] = [];
    const label = (choice: Choice, key: string) => cloudLabel(choice, key) ?? valueAt(fixed, key);
    for (const type of this.#listedTypes(ofType)) {
      const [first] = type.offerings;
      if (!first) continue;
      const any = { type, offering: first, os: '' };
      if (!ofType.every((each) => meets(each, label(any, each.key)))) continue;
      for (const offering of type.offerings) {
        if (!offering.available) continue;
        for (const os of type.os) {
          const choice = { type, offering, os };
          if (ofOffering.every((each) => meets(each, label(choice, each.key)))) choices.push(choice);
        }
      }
    }
    return choices.sort((a, b) => a.offering.price - b.offering.price);
  }
}

/** The labels of a planned node, with its own hostname. */
export const withHostname = (labels: Labels, name: string): Labels => ({ ...labels, [HOSTNAME]: name });
