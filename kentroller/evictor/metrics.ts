import type { Counter, Gauge, Registry } from 'prom-client';
import { counter, gauge } from '../../kube/component/metrics.ts';

/** How a cycle ended: plans were made, would have been made, nothing was to be done, or it failed. */
export type CycleResult = 'planned' | 'dry-run' | 'nothing' | 'failed';
const RESULTS: readonly CycleResult[] = ['planned', 'dry-run', 'nothing', 'failed'];

export interface EvictorMetrics {
  readonly enabled: Gauge;
  readonly cycles: Counter;
  /** Nodes and pods of plans; `result` tells those of dry runs apart. */
  readonly nodes: Counter;
  readonly pods: Counter;
}

export const evictorMetrics = (registry: Registry): EvictorMetrics => {
  const enabled = gauge(registry, 'kentroller_evictor_enabled', '1 while the evictor is enabled', []);
  const cycles = counter(registry, 'kentroller_evictor_cycles_total', 'Cycles of the evictor by result', [
    'result',
  ]);
  const help = 'that the evictor planned to drain, or would have in a dry run';
  const nodes = counter(registry, 'kentroller_evictor_nodes_total', `Nodes ${help}`, ['result']);
  const pods = counter(registry, 'kentroller_evictor_pods_total', `Pods on nodes ${help}`, ['result']);
  enabled.set(0);
  for (const result of RESULTS) cycles.inc({ result }, 0);
  for (const result of ['planned', 'dry-run'] satisfies CycleResult[]) {
    nodes.inc({ result }, 0);
    pods.inc({ result }, 0);
  }
  return { enabled, cycles, nodes, pods };
};
