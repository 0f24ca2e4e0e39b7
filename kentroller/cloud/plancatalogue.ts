import type { Cloud } from '../../cloud/cloud.ts';
import type { Catalogue, ShiftedZone } from '../../planner/model/catalogue.ts';
import { awayFromZones, shiftedZonesOf, shiftSentence } from '../../planner/model/offers/zonalshift.ts';
import { zoneIdsOf } from '../../planner/model/offers/zoneids.ts';
import type { Caches } from '../caches.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { withoutUnavailable } from './availability.ts';
import { withSpotPolicy } from './spotpolicy.ts';

/** What plans may buy now, and what of the cloud's they may not use. */
export interface PlanCatalogue {
  /** Throws as the cloud does. */
  catalogue(): Promise<Catalogue>;
  /** Zones that are shifted away, in sentences. */
  notes(): readonly string[];
}

/**
 * What the cloud sells without what was refused lately and what is in zones that are shifted away, as the policies have it
 * bought.
 */
export const planCatalogue = (o: {
  readonly cloud: Pick<Cloud, 'catalogue' | 'zonalShifts'>;
  readonly caches: Pick<Caches, 'nodes' | 'unavailable'>;
  readonly policies: () => PoliciesNow;
  /** Families and zones, 'family/zone', where spot is hard to get now. */
  readonly scarceSpot: () => ReadonlySet<string>;
  readonly now: () => number;
}): PlanCatalogue => {
  const shiftedIn = (sold: Catalogue): readonly ShiftedZone[] =>
    shiftedZonesOf(o.cloud.zonalShifts?.().zones ?? [], zoneIdsOf(sold, o.caches.nodes.list()));
  let last: Catalogue = { instanceTypes: [] };
  return {
    catalogue: async () => {
      const sold = await o.cloud.catalogue();
      last = sold;
      const unavailable = o.caches.unavailable.list();
      const now = { nodes: o.caches.nodes.list(), now: o.now() };
      const policies = o.policies();
      const spot = policies.known ? policies.policies.spotInstances : undefined;
      const bought = withSpotPolicy(withoutUnavailable(sold, unavailable, now), spot, unavailable, {
        ...now,
        scarce: o.scarceSpot(),
      });
      return awayFromZones(bought, shiftedIn(sold));
    },
    notes: () => shiftedIn(last).map(shiftSentence),
  };
};
