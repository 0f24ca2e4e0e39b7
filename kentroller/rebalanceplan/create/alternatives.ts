import type { CreationAttempt, NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering, UnavailableOfferingSpec } from '../../../api/kinds/unavailableoffering.ts';
import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../../api/labels.ts';
import type { Requirement } from '../../../api/objects.ts';

/** One way to order a planned machine: requirements, and the offering that it is recorded under. */
export interface Alternative {
  readonly requirements: readonly Requirement[];
  readonly instanceType: string;
  readonly capacityType: string;
  readonly zone: string;
  readonly priceHourly?: number;
}

export const valuesOf = (requirements: readonly Requirement[], key: string): readonly string[] =>
  requirements.find((r) => r.key === key && r.operator === 'In')?.values ?? [];

/** The alternatives of a planned claim in their order; its own requirements where it names none. */
export const alternativesOf = (planned: NodeClaimToAdd): readonly Alternative[] => {
  const own = planned.spec.requirements as readonly Requirement[];
  const listed = planned.alternatives?.length ? planned.alternatives : [{ requirements: own }];
  return listed.map((alternative) => {
    const given = alternative.requirements as readonly Requirement[];
    const keys = new Set(given.map((r) => r.key));
    const requirements = [...own.filter((r) => !keys.has(r.key)), ...given];
    const price = 'priceHourly' in alternative ? Number(alternative.priceHourly) : undefined;
    return {
      requirements,
      instanceType: valuesOf(requirements, INSTANCE_TYPE)[0] ?? '',
      capacityType: valuesOf(requirements, KARPENTER_CAPACITY_TYPE)[0] ?? 'on-demand',
      zone: valuesOf(requirements, ZONE)[0] ?? '',
      ...(price !== undefined && Number.isFinite(price) ? { priceHourly: price } : {}),
    };
  });
};

/** Every offering that the alternative lets Karpenter choose from; an open zone stays empty. */
export const offeringsOf = (alternative: Alternative): readonly UnavailableOfferingSpec[] => {
  const types = valuesOf(alternative.requirements, INSTANCE_TYPE);
  const zones = valuesOf(alternative.requirements, ZONE);
  const capacityTypes = valuesOf(alternative.requirements, KARPENTER_CAPACITY_TYPE);
  return types.flatMap((instanceType) =>
    (zones.length > 0 ? zones : [undefined]).flatMap((zone) =>
      (capacityTypes.length > 0 ? capacityTypes : ['on-demand']).map((capacityType) => ({
        instanceType,
        ...(zone === undefined ? {} : { zone }),
        capacityType: capacityType as UnavailableOfferingSpec['capacityType'],
        reason: 'InsufficientCapacityError' as const,
      })),
    ),
  );
};

const isKnownUnavailable = (
  offering: UnavailableOfferingSpec,
  known: readonly UnavailableOffering[],
  now: number,
): boolean =>
  known.some(
    ({ spec }) =>
      spec.instanceType === offering.instanceType &&
      spec.capacityType === offering.capacityType &&
      (spec.zone === undefined || spec.zone === offering.zone) &&
      (spec.expiresAt === undefined || Date.parse(spec.expiresAt) > now),
  );

const wasTried = (alternative: Alternative, attempt: CreationAttempt): boolean =>
  attempt.instanceType === alternative.instanceType &&
  (attempt.capacityType ?? '') === alternative.capacityType &&
  (attempt.zone ?? '') === alternative.zone;

/**
 * The first alternative that was not tried and of which at least one offering is not known to be unavailable;
 * undefined when they are used up. An attempt uses up one alternative only, where several look alike.
 */
export const nextAlternative = (
  planned: NodeClaimToAdd,
  attempts: readonly CreationAttempt[],
  unavailable: readonly UnavailableOffering[],
  now: number,
): Alternative | undefined => {
  const left = [...attempts];
  for (const alternative of alternativesOf(planned)) {
    const at = left.findIndex((attempt) => wasTried(alternative, attempt));
    if (at >= 0) {
      left.splice(at, 1);
      continue;
    }
    const offerings = offeringsOf(alternative);
    if (offerings.length > 0 && offerings.every((o) => isKnownUnavailable(o, unavailable, now))) continue;
    return alternative;
  }
  return undefined;
};
