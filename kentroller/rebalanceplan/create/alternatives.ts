import { isDeepStrictEqual } from 'node:util';
import type { CreationAttempt, NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOfferingSpec } from '../../../api/kinds/unavailableoffering.ts';
import {
  CAPACITY_RESERVATION_ID,
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  ZONE,
} from '../../../api/labels.ts';
import type { NodePool, Requirement } from '../../../api/objects.ts';
import { requirementsOfEach } from '../../../api/plans.ts';

/** One way to order a planned node: its requirements, and the offering that the attempt is recorded with. */
export interface Alternative {
  /** Its place among the planned claim's alternatives, from 0. */
  readonly index: number;
  readonly requirements: readonly Requirement[];
  readonly instanceType: string;
  readonly capacityType: string;
  readonly zone: string;
}

/** An offering of an alternative; without a zone or a reservation when every one is allowed. */
export type AlternativeOffering = Pick<UnavailableOfferingSpec, 'instanceType' | 'capacityType' | 'zone'> & {
  readonly reservation?: { readonly id: string };
};

export const valuesOf = (requirements: readonly Requirement[], key: string): readonly string[] =>
  requirements.find((r) => r.key === key && r.operator === 'In')?.values ?? [];

const isSame = (a: Requirement, b: Requirement): boolean =>
  a.operator === b.operator && isDeepStrictEqual(a.values ?? [], b.values ?? []);

/**
 * Requirements with those of the NodePool: a list of values stands for the NodePool's, within which it is, and takes over
 * its minValues; all else of the NodePool is added.
 */
const withinPool = (requirements: readonly Requirement[], pool: NodePool): readonly Requirement[] => {
  const ofPool = Map.groupBy(pool.spec.template.spec.requirements, ({ key }) => key);
  const own = requirements.map((each): Requirement => {
    const least = Math.max(0, ...(ofPool.get(each.key) ?? []).map(({ minValues }) => minValues ?? 0));
    return each.operator === 'In' && least > (each.minValues ?? 0) ? { ...each, minValues: least } : each;
  });
  const missing = [...ofPool].flatMap(([key, list]) => {
    const given = own.filter((each) => each.key === key);
    if (given.some(({ operator }) => operator === 'In')) return [];
    return list.filter((each) => !given.some((one) => isSame(one, each)));
  });
  return [...own, ...missing];
};

/**
 * The alternatives of a planned claim in order, within its NodePool; without any, its own requirements are the only one.
 */
export const alternativesOf = (planned: NodeClaimToAdd, pool: NodePool | undefined): readonly Alternative[] =>
  requirementsOfEach(planned).map((asked, index) => {
    const requirements = pool ? withinPool(asked, pool) : asked;
    return {
      index,
      requirements,
      instanceType: valuesOf(requirements, INSTANCE_TYPE)[0] ?? '',
      capacityType: valuesOf(requirements, KARPENTER_CAPACITY_TYPE)[0] ?? 'on-demand',
      zone: valuesOf(requirements, ZONE)[0] ?? '',
    };
  });

/** All offerings that Karpenter may choose from; without a zone or a reservation when the alternative allows every one. */
export const offeringsOf = ({
  requirements,
}: Pick<Alternative, 'requirements'>): readonly AlternativeOffering[] => {
  const types = valuesOf(requirements, INSTANCE_TYPE);
  const zones = valuesOf(requirements, ZONE);
  const capacityTypes = valuesOf(requirements, KARPENTER_CAPACITY_TYPE);
  const ids = valuesOf(requirements, CAPACITY_RESERVATION_ID);
  return types.flatMap((instanceType) =>
    (zones.length > 0 ? zones : [undefined]).flatMap((zone) =>
      (capacityTypes.length > 0 ? capacityTypes : ['on-demand']).flatMap((capacityType) => {
        const offering = {
          instanceType,
          ...(zone !== undefined && { zone }),
          capacityType: capacityType as UnavailableOfferingSpec['capacityType'],
        };
        return capacityType !== 'reserved' || ids.length === 0
          ? [offering]
          : ids.map((id) => ({ ...offering, reservation: { id } }));
      }),
    ),
  );
};

/** Whether an attempt without an index, such as one of an earlier version, was this alternative's. */
const isAlike = (alternative: Alternative, attempt: CreationAttempt): boolean =>
  attempt.instanceType === alternative.instanceType &&
  (attempt.capacityType ?? '') === alternative.capacityType &&
  (attempt.zone ?? '') === alternative.zone;

/** The alternative that an attempt ordered; undefined when the plan has none like it. */
export const alternativeOf = (
  planned: NodeClaimToAdd,
  pool: NodePool | undefined,
  attempt: CreationAttempt,
): Alternative | undefined =>
  alternativesOf(planned, pool).find(
    (each) =>
      each.index === attempt.alternative || (attempt.alternative === undefined && isAlike(each, attempt)),
  );

/** The alternatives that were not tried; an attempt counts for one only, where several are the same. */
const untriedAlternatives = (
  planned: NodeClaimToAdd,
  pool: NodePool | undefined,
  attempts: readonly CreationAttempt[],
): readonly Alternative[] => {
  const known = new Set(attempts.map((each) => each.alternative));
  const left = attempts.filter((each) => each.alternative === undefined);
  return alternativesOf(planned, pool).filter((alternative) => {
    if (known.has(alternative.index)) return false;
    const at = left.findIndex((attempt) => isAlike(alternative, attempt));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
};

/** Whether an alternative has an offering that is not known to be unavailable. */
export const isAnyAvailable = (
  alternative: Alternative,
  isAvailable: (offering: AlternativeOffering) => boolean,
): boolean => {
  const offerings = offeringsOf(alternative);
  return offerings.length === 0 || offerings.some(isAvailable);
};

/** The alternatives that were not tried and have an offering that is not known to be unavailable, in order. */
export const openAlternatives = (
  planned: NodeClaimToAdd,
  pool: NodePool | undefined,
  attempts: readonly CreationAttempt[],
  isAvailable: (offering: AlternativeOffering) => boolean,
): readonly Alternative[] =>
  untriedAlternatives(planned, pool, attempts).filter((each) => isAnyAvailable(each, isAvailable));
