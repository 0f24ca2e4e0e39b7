import type { Registry } from 'prom-client';
import { counter } from '../component/metrics.ts';

/** Counts whom a door turned away, and why. */
export const countRefusals = (o: {
  /** Name of the door. */
  readonly name: string;
  readonly metrics?: Registry | undefined;
}): ((reason: string) => void) | undefined => {
  if (!o.metrics) return undefined;
  const total = counter(
    o.metrics,
    'kube_door_refusals_total',
    'Connections and requests that were turned away, by door and reason',
    ['door', 'reason'],
  );
  return (reason) => total.inc({ door: o.name, reason });
};
