import type { CreationAttempt, NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import type { UnavailableOffering, UnavailableOfferingSpec } from '../../../api/kinds/unavailableoffering.ts';
import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../../api/labels.ts';
import type { Requirement } from '../../../api/objects.ts';

/** One way to order a planned node: its requirements, and the offering that the attempt is recorded with. */
export interface Alternative {
  readonly requirements: readonly Requirement[];
  readonly instanceType: string;
  readonly capacityType: string;
  readonly zone: string;
  readonly priceHourly?: number;
}

export const valuesOf = (requirements: readonly Requirement[], key: string): readonly string[] =>
  requirements.find((r) => r.key === key && r.operator === 'In')?.values ?? [];

/** The alternatives of a planned claim in order; without any, its own requirements are the only one. */
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
      ...(price !== undefined && Number.isFinite(price) && { priceHourly: price }),
    };
  });
};

/** All offerings that Karpenter may choose from; without a zone when the alternative allows every one. */
export const offeringsOf = (alternative: Alternative): readonly UnavailableOfferingSpec[] => {
  const types = valuesOf(alternative.requirements, INSTANCE_TYPE);
  const zones = valuesOf(alternative.requirements, ZONE);
  const capacityTypes = valuesOf(alternative.requirements, KARPENTER_CAPACITY_TYPE);
  return types.flatMap((instanceType) =>
    (zones.length > 0 ? zones : [undefined]).flatMap((zone) =>
      (capacityTypes.length > 0 ? capacityTypes : ['on-demand']).map((capacityType) => ({
        instanceType,
        ...(zone !== undefined && { zone }),
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
 * The first alternative that was not tried and has an offering that is not known to be unavailable; undefined when none
 * is left. An attempt counts for one alternative only, where several are the same.
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
