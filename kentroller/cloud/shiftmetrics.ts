import { Gauge, type Registry } from 'prom-client';
import type { ZonalShifts } from '../../cloud/aws/zonalshift/managedresource.ts';

const SHIFTED = 'kentroller_zone_shifted_away';
const READABLE = 'kentroller_zonal_shifts_readable';

/** Tells of shifts in metrics, where somebody asks for them. */
export const registerShifts = (registry: Registry, shiftsNow: (() => ZonalShifts) | undefined): void => {
  registry.removeSingleMetric(SHIFTED);
  registry.removeSingleMetric(READABLE);
  if (!shiftsNow) return;
  new Gauge({
    name: SHIFTED,
    help: 'Zones, by their id, that ARC zonal shift takes traffic away from',
    labelNames: ['zone_id'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { zoneId } of shiftsNow().zones) this.set({ zone_id: zoneId }, 1);
    },
  });
  new Gauge({
    name: READABLE,
    help: 'Whether zonal shifts of the cluster can be read from ARC zonal shift',
    registers: [registry],
    collect() {
      this.set(shiftsNow().unread === undefined ? 1 : 0);
    },
  });
};
