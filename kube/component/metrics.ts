import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { QueueObserver, WorkQueue } from '../controller/workqueue.ts';
import type { OnProblem } from './log.ts';

// Buckets of controller-runtime, so that its dashboards fit.
const RECONCILE_SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
const QUEUE_SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000];

/** The registry's metric of that name, created on first use: several controllers share one. */
const shared = <M>(registry: Registry, name: string, make: () => M): M =>
  (registry.getSingleMetric(name) as M | undefined) ?? make();

export const counter = (registry: Registry, name: string, help: string, labelNames: string[]): Counter =>
  shared(registry, name, () => new Counter({ name, help, labelNames, registers: [registry] }));

export const gauge = (registry: Registry, name: string, help: string, labelNames: string[]): Gauge =>
  shared(registry, name, () => new Gauge({ name, help, labelNames, registers: [registry] }));

export const histogram = (
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  buckets: number[],
): Histogram =>
  shared(registry, name, () => new Histogram({ name, help, labelNames, buckets, registers: [registry] }));

/** Counts warnings and errors of a log by message, so that an alert sees what nobody reads. */
export const countProblems = (registry: Registry): OnProblem => {
  const problems = counter(registry, 'log_problems_total', 'Warnings and errors in the log, by message', [
    'level',
    'message',
  ]);
  return (level, message) => problems.inc({ level, message });
};

/** client-go's workqueue metrics for one queue. */
export const observeQueue = (registry: Registry, name: string): QueueObserver => {
  const labels = { name, controller: name };
  const names = ['name', 'controller'];
  const depth = gauge(registry, 'workqueue_depth', 'Keys that wait in the queue', names).labels(labels);
  const adds = counter(registry, 'workqueue_adds_total', 'Keys added to the queue', names).labels(labels);
  const retries = counter(
    registry,
    'workqueue_retries_total',
    'Keys added again after a failure',
    names,
  ).labels(labels);
  const waited = histogram(
    registry,
    'workqueue_queue_duration_seconds',
    'Seconds that a key waits before it is taken',
    names,
    QUEUE_SECONDS,
  ).labels(labels);
  const worked = histogram(
    registry,
    'workqueue_work_duration_seconds',
    'Seconds that the work on a key takes',
    names,
    QUEUE_SECONDS,
  ).labels(labels);
  return {
    added: (n) => {
      adds.inc();
      depth.set(n);
    },
    taken: (n, seconds) => {
      depth.set(n);
      waited.observe(seconds);
    },
    done: (seconds) => worked.observe(seconds),
    retried: () => retries.inc(),
  };
};

/** Has a gauge set anew at each scrape; there is one such reading a gauge, the last. */
export const atScrape = (series: Gauge, read: () => void): void => {
  (series as unknown as { collect: () => void }).collect = read;
};

/** The two gauges that are read from the queue at each scrape. */
export const observeUnfinished = (registry: Registry, name: string, queue: WorkQueue): void => {
  const labelNames = ['name', 'controller'];
  const labels = { name, controller: name };
  const scraped = (metric: string, help: string, read: (seconds: readonly number[]) => number): void => {
    const series = gauge(registry, metric, help, labelNames) as Gauge & { readers?: Map<string, () => void> };
    series.readers ??= new Map();
    series.readers.set(name, () => series.set(labels, read([...queue.unfinished()])));
    const { readers } = series;
    atScrape(series, () => {
      for (const update of readers.values()) update();
    });
  };
  scraped('workqueue_unfinished_work_seconds', 'Seconds of work in progress, summed over keys', (all) =>
    all.reduce((a, b) => a + b, 0),
  );
  scraped('workqueue_longest_running_processor_seconds', 'Seconds of the longest work in progress', (all) =>
    Math.max(0, ...all),
  );
};

export interface ReconcileMetrics {
  started(): void;
  ended(result: 'success' | 'error' | 'requeue' | 'requeue_after', seconds: number): void;
  failed(isTerminal: boolean): void;
}

/** controller-runtime's metrics for one controller. */
export const observeReconciles = (
  registry: Registry | undefined,
  controller: string,
  workers: number,
): ReconcileMetrics => {
  if (!registry) return { started: () => {}, ended: () => {}, failed: () => {} };
  const total = counter(registry, 'controller_runtime_reconcile_total', 'Reconciliations by result', [
    'controller',
    'result',
  ]);
  const errors = counter(
    registry,
    'controller_runtime_reconcile_errors_total',
    'Reconciliations that failed',
    ['controller'],
  );
  const terminal = counter(
    registry,
    'controller_runtime_terminal_reconcile_errors_total',
    'Reconciliations that failed permanently',
    ['controller'],
  );
  const time = histogram(
    registry,
    'controller_runtime_reconcile_time_seconds',
    'Seconds that a reconciliation takes',
    ['controller'],
    RECONCILE_SECONDS,
  );
  const active = gauge(registry, 'controller_runtime_active_workers', 'Workers that are busy', [
    'controller',
  ]);
  gauge(registry, 'controller_runtime_max_concurrent_reconciles', 'Number of workers', ['controller']).set(
    { controller },
    workers,
  );
  for (const result of ['success', 'error', 'requeue', 'requeue_after']) total.inc({ controller, result }, 0);
  errors.inc({ controller }, 0);
  terminal.inc({ controller }, 0);
  active.set({ controller }, 0);
  return {
    started: () => active.inc({ controller }),
    ended: (result, seconds) => {
      active.dec({ controller });
      total.inc({ controller, result });
      time.observe({ controller }, seconds);
    },
    failed: (isTerminal) => {
      errors.inc({ controller });
      if (isTerminal) terminal.inc({ controller });
    },
  };
};
