import { isDeepStrictEqual } from 'node:util';
import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import {
  ARCH,
  INSTANCE_TYPE,
  KARPENTER_NODEPOOL,
  KARPENTER_NODEPOOL_HASH,
  KARPENTER_NODEPOOL_HASH_VERSION,
  OS,
  REGION,
} from '../../../api/labels.ts';
import type { NodeClassRef, NodePool, Requirement, Taint } from '../../../api/objects.ts';
import { requirementsOfEach } from '../../../api/plans.ts';
import { valueAt } from '../../../api/records/valueat.ts';
import type { Catalogue, InstanceType } from '../../model/catalogue.ts';
import { asScoped, isPlannedScoped } from '../../model/nodepool.ts';
import { meets } from '../../scheduling/nodeaffinity.ts';
import { OF_CLOUD } from './choices.ts';

/** What a planned claim asks for beyond what its NodePool gives. */
export interface Excess {
  /** Field of the planned claim, such as `spec.taints`. */
  readonly field: string;
  /** What is wrong with the field, to be read after its name. */
  readonly text: string;
  /** True where only a catalogue could tell that the label is the cloud's. */
  readonly isUnsure?: boolean;
  /** True where the catalogue does not have an instance type: it is never ordered, but another one may be. */
  readonly isUnknownType?: boolean;
}

const quoted = (value: string): string => JSON.stringify(value);
const at = (field: string, key: string): string => `${field}[${quoted(key)}]`;

const classLabelOf = ({ group, kind }: NodeClassRef): string => `${group}/${kind.toLowerCase()}`;
const named = ({ kind, name }: NodeClassRef): string => `${kind} ${quoted(name)}`;

const taintKeys = (taints: readonly Taint[]): readonly string[] =>
  taints.map(({ key, value = '', effect }) => `${key}=${value}:${effect}`).sort();

/** The lists of requirements of a planned claim, each with its field: its own, then those of its alternatives. */
const requirementLists = ({
  spec,
  alternatives = [],
}: NodeClaimToAdd): readonly (readonly [string, readonly Requirement[]])[] => [
  ['spec.requirements', spec.requirements as readonly Requirement[]],
  ...alternatives.map(
    ({ requirements }, index) =>
      [`alternatives[${index}].requirements`, requirements as readonly Requirement[]] as const,
  ),
];

/** What one NodePool gives; reads what planned claims ask for beyond that. */
export class PoolBounds {
  readonly #pool: NodePool;
  readonly #template: NodePool['spec']['template'];
  readonly #catalogue: Catalogue | undefined;
  readonly #types: ReadonlyMap<string, InstanceType>;
  readonly #allowedTypes = new Map<string, boolean>();
  /** Whether these are the bounds of the NodePool with the taint and the labels of scoped mode. */
  readonly #isScoped: boolean;
  #scoped: PoolBounds | undefined;

  /** Without a catalogue, instance types are not judged, and labels of the cloud not known. */
  constructor(pool: NodePool, catalogue: Catalogue | undefined, isScoped = false) {
    this.#pool = pool;
    this.#isScoped = isScoped;
    this.#template = pool.spec.template;
    this.#catalogue = catalogue;
    this.#types = new Map(catalogue?.instanceTypes.map((type) => [type.name, type]));
  }

  excesses(planned: NodeClaimToAdd): readonly Excess[] {
    if (!this.#isScoped && isPlannedScoped(this.#pool, planned)) {
      this.#scoped ??= new PoolBounds(asScoped(this.#pool), this.#catalogue, true);
      return this.#scoped.excesses(planned);
    }
    return [
      ...this.#ofRequirements(planned),
      ...this.#ofSpec(planned.spec),
      ...this.#ofLabels(planned),
      ...this.#ofAnnotations(planned),
    ];
  }

  #ofSpec(spec: NodeClaimToAdd['spec']): readonly Excess[] {
    const own = this.#template.spec;
    const excesses: Excess[] = [];
    const { nodeClassRef } = own;
    const { group, kind, name } = spec.nodeClassRef;
    if (group !== nodeClassRef.group || kind !== nodeClassRef.kind || name !== nodeClassRef.name) {
      const text = `is ${named(spec.nodeClassRef)}, and the NodePool has ${named(nodeClassRef)}`;
      excesses.push({ field: 'spec.nodeClassRef', text });
    }
    for (const field of ['taints', 'startupTaints'] as const) {
      const given = spec[field] as readonly Taint[] | undefined;
      if (given && !isDeepStrictEqual(taintKeys(given), taintKeys(own[field] ?? []))) {
        excesses.push({ field: `spec.${field}`, text: `are not the ${field} of the NodePool` });
      }
    }
    for (const field of ['expireAfter', 'terminationGracePeriod'] as const) {
      const given = spec[field];
      if (given !== undefined && given !== own[field]) {
        const text = `is ${quoted(given)}, and the NodePool has ${own[field] === undefined ? 'none' : quoted(own[field])}`;
        excesses.push({ field: `spec.${field}`, text });
      }
    }
    return excesses;
  }

  #ofLabels(planned: NodeClaimToAdd): readonly Excess[] {
    const { nodeClassRef } = this.#template.spec;
    return Object.entries(planned.metadata.labels ?? {}).flatMap(([key, value]): Excess[] => {
      const isOwn =
        (key === KARPENTER_NODEPOOL && value === this.#pool.metadata.name) ||
        (key === classLabelOf(nodeClassRef) && value === nodeClassRef.name) ||
        value === valueAt(this.#template.metadata?.labels, key) ||
        this.#follows(planned, key, value);
      if (isOwn) return [];
      return [
        { field: at('metadata.labels', key), text: `is ${quoted(value)}, which the NodePool does not give` },
      ];
    });
  }

  /** Whether every machine that the claim may become has the label anyhow. */
  #follows(planned: NodeClaimToAdd, key: string, value: string): boolean {
    const isFixedBy = (list: readonly Requirement[]): boolean =>
      list.some(
        (each) =>
          each.key === key && each.operator === 'In' && each.values?.length === 1 && each.values[0] === value,
      );
    if (isFixedBy(this.#template.spec.requirements)) return true;
    return requirementsOfEach(planned).every(isFixedBy);
  }

  #ofAnnotations({ metadata }: NodeClaimToAdd): readonly Excess[] {
    const given = metadata.annotations ?? {};
    const ofPool = this.#pool.metadata.annotations;
    const isComparable =
      (given[KARPENTER_NODEPOOL_HASH_VERSION] ?? ofPool?.[KARPENTER_NODEPOOL_HASH_VERSION]) ===
      ofPool?.[KARPENTER_NODEPOOL_HASH_VERSION];
    return Object.entries(given).flatMap(([key, value]): Excess[] => {
      const field = at('metadata.annotations', key);
      if (key === KARPENTER_NODEPOOL_HASH_VERSION) return [];
      if (key === KARPENTER_NODEPOOL_HASH) {
        const text = 'is not that of the NodePool, which has changed since the plan was made';
        return isComparable && value !== ofPool?.[key] ? [{ field, text }] : [];
      }
      const isOwn = value === valueAt(this.#template.metadata?.annotations, key);
      return isOwn ? [] : [{ field, text: 'is not an annotation that the NodePool gives' }];
    });
  }

  #ofRequirements(planned: NodeClaimToAdd): readonly Excess[] {
    return requirementLists(planned).flatMap(([list, requirements]) =>
      requirements.flatMap((requirement, index): Excess[] => {
        const field = `${list}[${index}]`;
        if (!this.#isDefined(requirement)) {
          const text = `is ${quoted(requirement.key)}, a label that neither the NodePool nor the cloud gives`;
          return [{ field: `${field}.key`, text, ...(!this.#catalogue && { isUnsure: true }) }];
        }
        const text = this.#valueFault(requirement);
        if (text !== undefined) return [{ field: `${field}.values`, text }];
        const unknown = this.#unknownType(requirement);
        if (unknown === undefined) return [];
        const why = `name ${quoted(unknown)}, an instance type that the catalogue does not have`;
        return [{ field: `${field}.values`, text: why, isUnknownType: true }];
      }),
    );
  }

  /** Whether a label comes from the NodePool or the cloud: Karpenter makes up a value for any other one. */
  #isDefined({ key, operator }: Requirement): boolean {
    return (
      operator === 'DoesNotExist' ||
      OF_CLOUD.includes(key) ||
      key === REGION ||
      valueAt(this.#template.metadata?.labels, key) !== undefined ||
      key === KARPENTER_NODEPOOL ||
      this.#template.spec.requirements.some((each) => each.key === key) ||
      (this.#catalogue?.instanceTypes.some(({ labels }) => valueAt(labels, key) !== undefined) ?? false)
    );
  }

  #unknownType({ key, operator, values = [] }: Requirement): string | undefined {
    if (key !== INSTANCE_TYPE || operator !== 'In' || !this.#catalogue) return undefined;
    return values.find((value) => !this.#types.has(value));
  }

  #valueFault(requirement: Requirement): string | undefined {
    const { key, operator, values = [] } = requirement;
    const fixed =
      key === KARPENTER_NODEPOOL ? this.#pool.metadata.name : valueAt(this.#template.metadata?.labels, key);
    if (fixed !== undefined) {
      return meets(requirement, fixed) ? undefined : `leave out ${quoted(fixed)}, the value of the NodePool`;
    }
    if (operator !== 'In') return undefined;
    const ofPool = this.#template.spec.requirements.filter((each) => each.key === key);
    const outside = values.find((value) => !ofPool.every((each) => meets(each, value)));
    if (outside !== undefined) {
      return `name ${quoted(outside)}, which the requirements of the NodePool on ${key} leave out`;
    }
    const other = key === INSTANCE_TYPE ? values.find((value) => !this.#isTypeAllowed(value)) : undefined;
    return other && `name ${quoted(other)}, an instance type that the requirements of the NodePool leave out`;
  }

  /** Whether machines of an instance type may be the NodePool's; true for one that the catalogue does not have. */
  #isTypeAllowed(name: string): boolean {
    const known = this.#allowedTypes.get(name);
    if (known !== undefined) return known;
    const type = this.#types.get(name);
    const isMet = (requirement: Requirement): boolean => {
      const { key } = requirement;
      if (key === OS) return type?.os.some((os) => meets(requirement, os)) ?? true;
      const value = valueAt(type?.labels, key) ?? (key === ARCH ? type?.arch : undefined);
      return value === undefined || meets(requirement, value);
    };
    const isAllowed = this.#template.spec.requirements.every(isMet);
    this.#allowedTypes.set(name, isAllowed);
    return isAllowed;
  }
}
