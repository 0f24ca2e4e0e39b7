import { LONGEST_PAUSE_MS } from '../../kube/cache/reflector.ts';
import { LONGEST_DELAY_MS } from '../../kube/controller/workqueue.ts';

/** For each alert, series with which it fires, and with which it does not. Values as promtool reads them, one a minute. */
export interface AlertCase {
  readonly series: readonly (readonly [series: string, values: string])[];
  /** Minutes. */
  readonly at: number;
  /** Labels of the alert besides its severity; absent when it does not fire. */
  readonly fires?: Readonly<Record<string, string>>;
}

/** A counter that grows once in so many milliseconds, for three hours. */
const every = (ms: number): string => `0+${60_000 / ms}x180`;
/** A counter of one burst, which backoff spreads over a minute or two. */
const BURST = '0x30 6 10 12x140';

const upOf = (job: string): readonly AlertCase[] => [
  { series: [[`up{job="${job}"}`, '1x5 0x60']], at: 30, fires: {} },
  { series: [['up{job="another"}', '1x60']], at: 30, fires: {} },
  {
    series: [
      [`up{job="${job}",pod="a"}`, '0x60'],
      [`up{job="${job}",pod="b"}`, '1x60'],
    ],
    at: 30,
  },
  { series: [[`up{job="${job}"}`, '1x10 0x5 1x45']], at: 30 },
];

export const ALERT_CASES: Readonly<Record<string, readonly AlertCase[]>> = {
  PrecisionPackerKentrollerDown: upOf('castai-kentroller'),
  PrecisionPackerPodPinnerDown: upOf('castai-pod-pinner'),
  PrecisionPackerWebhookDown: upOf('castai-pod-pinner-webhook'),
  PrecisionPackerNoLeader: [
    {
      series: [
        ['pod_pinner_leader{pod="a"}', '0x30'],
        ['pod_pinner_leader{pod="b"}', '0x30'],
      ],
      at: 20,
      fires: {},
    },
    {
      series: [
        ['pod_pinner_leader{pod="a"}', '0x30'],
        ['pod_pinner_leader{pod="b"}', '1x30'],
      ],
      at: 20,
    },
  ],
  PrecisionPackerPinStreamDown: [
    { series: [['pod_pinner_stream_synced{pod="a"}', '0x30']], at: 20, fires: {} },
    {
      series: [
        ['pod_pinner_stream_synced{pod="a"}', '0x30'],
        ['pod_pinner_stream_synced{pod="b"}', '1x30'],
      ],
      at: 20,
    },
  ],
  PrecisionPackerPreflightLacks: [
    {
      series: [
        ['kentroller_preflight_lacks{check="crds"}', '1x60'],
        ['kentroller_preflight_lacks{check="nodepools"}', '0x60'],
      ],
      at: 45,
      fires: { check: 'crds' },
    },
    { series: [['kentroller_preflight_lacks{check="crds"}', '1x20 0x40']], at: 45 },
  ],
  PrecisionPackerPreflightUnknown: [
    {
      series: [['kentroller_preflight_unknown{check="rights"}', '1x120']],
      at: 90,
      fires: { check: 'rights' },
    },
    { series: [['kentroller_preflight_unknown{check="rights"}', '1x20 0x100']], at: 90 },
  ],
  PrecisionPackerPlansFail: [
    { series: [['kentroller_rebalance_plans{state="Failed"}', '2x80 3x20']], at: 90, fires: {} },
    { series: [['kentroller_rebalance_plans{state="Failed"}', '_x50 1x50']], at: 60, fires: {} },
    { series: [['kentroller_rebalance_plans{state="Failed"}', '2x100']], at: 90 },
    { series: [['kentroller_rebalance_plans{state="Done"}', '2x80 3x20']], at: 90 },
  ],
  PrecisionPackerPlansRefused: [
    {
      series: [['kentroller_plans_refused_total{source="claim"}', '0x30 1x30']],
      at: 50,
      fires: { source: 'claim' },
    },
    { series: [['kentroller_plans_refused_total{source="claim"}', '3x60']], at: 50 },
  ],
  PrecisionPackerPricesStale: [
    ...['instance types', 'on-demand prices', 'spot prices'].flatMap((what) => [
      {
        series: [[`kentroller_prices_overdue{what="${what}"}`, '0x20 1x60']],
        at: 60,
        fires: { what },
      } as const,
      // A refresh that comes late ends it by itself.
      { series: [[`kentroller_prices_overdue{what="${what}"}`, '0x20 1x10 0x60']], at: 60 } as const,
    ]),
    // Half a day between two refreshes is the default, and healthy.
    {
      series: [
        ['kentroller_prices_age_seconds{what="on-demand prices"}', '0+60x719'],
        ['kentroller_prices_overdue{what="on-demand prices"}', '0x719'],
      ],
      at: 700,
    },
  ],
  PrecisionPackerPodsRefused: [
    {
      series: [['pod_pinner_pods_refused_total{reason="OutOfcpu"}', '0x20 5x40']],
      at: 40,
      fires: { reason: 'OutOfcpu' },
    },
    {
      series: [['pod_pinner_pods_refused_total{reason="OutOfexample.com/gpu"}', '_x40 5x40']],
      at: 50,
      fires: { reason: 'OutOfexample.com/gpu' },
    },
    { series: [['pod_pinner_pods_refused_total{reason="OutOfexample.com/gpu"}', '_x40 1x40']], at: 50 },
    // Prometheus makes a little more than two of two in its window.
    { series: [['pod_pinner_pods_refused_total{reason="OutOfcpu"}', '5x20 6x5 7x40']], at: 40 },
    { series: [['pod_pinner_pods_refused_total{reason="OutOfcpu"}', '5x60']], at: 40 },
  ],
  PrecisionPackerGatesReleased: [
    { series: [['pin_gates_lifted_total{pod="a"}', '0x20 2x40']], at: 40, fires: {} },
    { series: [['pin_gates_lifted_total{pod="a"}', '2x60']], at: 40 },
  ],
  PrecisionPackerReconcilesFail: [
    // One key, at once refused or after a minute without an answer.
    ...[LONGEST_DELAY_MS, LONGEST_DELAY_MS + 60_000].map((ms) => ({
      series: [
        ['controller_runtime_reconcile_errors_total{job="castai-kentroller",controller="x"}', every(ms)],
        ['controller_runtime_reconcile_errors_total{job="somebody",controller="x"}', every(ms)],
      ] as const,
      at: 170,
      fires: { job: 'castai-kentroller', controller: 'x' },
    })),
    ...['0x30 1x150', BURST, every(600_000)].flatMap((values) =>
      [35, 45, 55, 60].map((at) => ({
        series: [
          ['controller_runtime_reconcile_errors_total{job="castai-kentroller",controller="x"}', values],
        ] as const,
        at,
      })),
    ),
  ],
  PrecisionPackerCachesFail: [
    // One pod alone, at once refused or after a minute without an answer.
    ...[LONGEST_PAUSE_MS * 0.75, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS + 60_000].map((ms) => ({
      series: [['kube_cache_failures_total{job="castai-kentroller",kind="Pod"}', every(ms)]] as const,
      at: 170,
      fires: { job: 'castai-kentroller', kind: 'Pod' },
    })),
    ...['0x30 1x150', BURST, every(600_000)].flatMap((values) =>
      [35, 45, 55, 60].map((at) => ({
        series: [['kube_cache_failures_total{job="castai-kentroller",kind="Pod"}', values]] as const,
        at,
      })),
    ),
  ],
  PrecisionPackerFeaturesInvalid: [
    {
      series: [['kentroller_features_valid{namespace="castai-agent",name="x"}', '0x60']],
      at: 30,
      fires: { namespace: 'castai-agent', name: 'x' },
    },
    { series: [['kentroller_features_valid{namespace="castai-agent",name="x"}', '1x60']], at: 30 },
  ],
  PrecisionPackerDoorRefusals: [
    {
      series: [['kube_door_refusals_total{job="castai-pod-pinner",door="verbs",reason="late"}', '0+120x60']],
      at: 45,
      fires: { job: 'castai-pod-pinner', door: 'verbs', reason: 'late' },
    },
    {
      series: [['kube_door_refusals_total{job="castai-pod-pinner",door="verbs",reason="late"}', '0+6x60']],
      at: 45,
    },
  ],
  PrecisionPackerAuditDropped: [
    { series: [['kentroller_audit_entries_total{outcome="dropped"}', '0x20 4x40']], at: 40, fires: {} },
    { series: [['kentroller_audit_entries_total{outcome="sent"}', '0x20 4x40']], at: 40 },
  ],
  PrecisionPackerNodesExpireBlocked: [
    { series: [['kentroller_expiring_nodes{blocked="true"}', '2x120']], at: 90, fires: {} },
    { series: [['kentroller_expiring_nodes{blocked="false"}', '2x120']], at: 90 },
  ],
};
