import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { counter, gauge, histogram } from '../../kube/component/metrics.ts';

/** Seconds. */
const BUCKETS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60];

export interface UnscheduledPodsMetrics {
  readonly enabled: Gauge;
  /** Pods that may need a node and are covered by no plan. */
  readonly waiting: Gauge;
  /** Pods and nodes of plans that were stored. */
  readonly pods: Counter;
  readonly nodes: Counter;
  readonly failures: Counter;
  /** Seconds from kube-scheduler's refusal of the first pod to the stored plan. */
  readonly latency: Histogram;
}

export const unscheduledPodsMetrics = (registry: Registry): UnscheduledPodsMetrics => {
  const metrics = {
    enabled: gauge(
      registry,
      'kentroller_unscheduled_pods_enabled',
      '1 while nodes are bought for pods that have none',
      [],
    ),
    waiting: gauge(
      registry,
      'kentroller_unscheduled_pods_waiting',
      'Pods that may need a node and that no plan has one for',
      [],
    ),
    pods: counter(
      registry,
      'kentroller_unscheduled_pods_planned_total',
      'Pods that nodes were bought for',
      [],
    ),
    nodes: counter(
      registry,
      'kentroller_unscheduled_pods_nodes_total',
      'Nodes that were bought for pods',
      [],
    ),
    failures: counter(registry, 'kentroller_unscheduled_pods_failures_total', 'Evaluations that failed', []),
    latency: histogram(
      registry,
      'kentroller_unscheduled_pods_plan_seconds',
      'Time from the first look at a pod to its plan',
      [],
      BUCKETS,
    ),
  };
  metrics.enabled.set(0);
  metrics.waiting.set(0);
  return metrics;
};
