import type { Registry } from 'prom-client';
import { counter, gauge } from '../kube/component/metrics.ts';
import type { IntentStore } from './intents/store.ts';

export interface ExtenderMetrics {
  readonly leading: (isLeading: boolean) => void;
  readonly streaming: (isSynced: boolean) => void;
  readonly pinned: (way: string, outcome: 'done' | 'lost') => void;
  readonly refused: (reason: string) => void;
  readonly closed: () => void;
  readonly intents: (store: IntentStore) => void;
}

/** Reasons that are counted from the start, so that alerts see their first; kubelets have others, such as OutOf a resource of somebody's. */
const REASONS = [
  'OutOfcpu',
  'OutOfmemory',
  'OutOfephemeral-storage',
  'OutOfpods',
  'NodeAffinity',
  'NodePorts',
  'TaintToleration',
  'UnexpectedAdmissionError',
] as const;

export const extenderMetrics = (registry: Registry): ExtenderMetrics => {
  const leader = gauge(registry, 'pod_pinner_leader', 'Whether this replica leads', []);
  const stream = gauge(registry, 'pod_pinner_stream_synced', 'Whether the pin stream is up and synced', []);
  const breaks = counter(registry, 'pod_pinner_stream_breaks_total', 'Pin streams that ended', []);
  const pins = counter(registry, 'pod_pinner_pins_total', 'Pods pinned', ['way', 'outcome']);
  const refusals = counter(registry, 'pod_pinner_pods_refused_total', 'Pods that a kubelet rejected', [
    'reason',
  ]);
  for (const reason of REASONS) refusals.inc({ reason }, 0);
  const closed = counter(
    registry,
    'pod_pinner_nodes_closed_total',
    'Nodes that got no more pins because their kubelets refused pods in a row',
    [],
  );
  const intents = gauge(registry, 'pod_pinner_intents', 'Current intents', []);
  return {
    leading: (isLeading) => leader.set(isLeading ? 1 : 0),
    streaming: (isSynced) => {
      stream.set(isSynced ? 1 : 0);
      if (!isSynced) breaks.inc();
    },
    pinned: (way, outcome) => pins.inc({ way, outcome }),
    refused: (reason) => refusals.inc({ reason }),
    closed: () => closed.inc(),
    intents: (store) => intents.set(store.size),
  };
};
