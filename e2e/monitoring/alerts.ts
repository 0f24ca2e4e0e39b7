/** What is worth to wake somebody, or to look at by day; each alert has a section in docs/alerts.md. */
export interface Alert {
  readonly name: string;
  readonly expr: string;
  readonly for: string;
  /** critical: plans or pins stand still. warning: it goes on, and somebody should look. */
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
}

/** Where runbooks are: a path in this repository, which whoever installs may set to where they read it. */
export const RUNBOOKS = 'docs/alerts.md';

/** The heading of an alert as an anchor. */
export const anchorOf = (alert: string): string => alert.toLowerCase();

/*
 * What fails again and again does so ever less often: a list or watch every 15 to 30 s, a key every 60 s, and a minute more where each
 * try runs into its timeout. A window shorter than `for` passes over one burst, such as that of an API server that restarts.
 */

const isDown = (component: string): string => `absent(up{job="${component}"} == 1)`;

export const ALERTS: readonly Alert[] = [
  {
    name: 'PrecisionPackerKentrollerDown',
    expr: isDown('castai-kentroller'),
    for: '10m',
    severity: 'critical',
    summary: 'No kentroller answers: no plan is made or carried out.',
  },
  {
    name: 'PrecisionPackerPodPinnerDown',
    expr: isDown('castai-pod-pinner'),
    for: '10m',
    severity: 'critical',
    summary: 'No pod pinner answers: pods are not pinned, and plans wait.',
  },
  {
    name: 'PrecisionPackerWebhookDown',
    expr: isDown('castai-pod-pinner-webhook'),
    for: '10m',
    severity: 'warning',
    summary: 'No webhook answers: pods are pinned late, after they are created.',
  },
  {
    name: 'PrecisionPackerNoLeader',
    expr: 'sum(pod_pinner_leader) == 0',
    for: '5m',
    severity: 'critical',
    summary: 'No replica of the pod pinner leads: nothing is pinned.',
  },
  {
    name: 'PrecisionPackerPinStreamDown',
    expr: 'max(pod_pinner_stream_synced) == 0',
    for: '10m',
    severity: 'critical',
    summary: 'The pod pinner hears nothing from kentroller: it knows no pins.',
  },
  {
    name: 'PrecisionPackerPreflightLacks',
    expr: 'max by (check) (kentroller_preflight_lacks) > 0',
    for: '30m',
    severity: 'warning',
    summary: 'The cluster lacks something that precision-packer needs: {{ $labels.check }}.',
  },
  {
    name: 'PrecisionPackerPreflightUnknown',
    expr: 'max by (check) (kentroller_preflight_unknown) > 0',
    for: '1h',
    severity: 'warning',
    summary: 'Whether the cluster lacks something could not be seen: {{ $labels.check }}.',
  },
  {
    name: 'PrecisionPackerPlansFail',
    expr: 'max(kentroller_rebalance_plans{state="Failed"}) - (max(kentroller_rebalance_plans{state="Failed"} offset 1h) or vector(0)) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'A RebalancePlan has failed within the last hour.',
  },
  {
    name: 'PrecisionPackerPlansRefused',
    expr: 'sum by (source) (increase(kentroller_plans_refused_total[1h])) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'A plan asked for by {{ $labels.source }} was refused by its own check, and not stored.',
  },
  {
    name: 'PrecisionPackerPricesStale',
    expr: 'max by (what) (kentroller_prices_overdue) > 0',
    for: '15m',
    severity: 'warning',
    summary: '{{ $labels.what }} are overdue: the cloud was not read for three refresh periods.',
  },
  {
    name: 'PrecisionPackerPodsRefused',
    // A reason that kubelets made up has no 0 before its first count.
    expr: 'sum by (reason) ((pod_pinner_pods_refused_total unless pod_pinner_pods_refused_total offset 30m) or round(increase(pod_pinner_pods_refused_total[30m]))) > 2',
    for: '0m',
    severity: 'warning',
    summary: 'Kubelets rejected pinned pods: {{ $labels.reason }}.',
  },
  {
    name: 'PrecisionPackerGatesReleased',
    expr: 'sum(increase(pin_gates_lifted_total[30m])) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'Held pods were released by a standby replica, since no pod pinner led.',
  },
  {
    name: 'PrecisionPackerReconcilesFail',
    expr: 'sum by (job, controller) (rate(controller_runtime_reconcile_errors_total{job=~"castai-.*"}[10m])) > 0.005',
    for: '15m',
    severity: 'warning',
    summary: 'The controller {{ $labels.controller }} of {{ $labels.job }} keeps failing.',
  },
  {
    name: 'PrecisionPackerCachesFail',
    expr: 'sum by (job, kind) (rate(kube_cache_failures_total[10m])) > 0.005',
    for: '15m',
    severity: 'warning',
    summary: '{{ $labels.job }} can not watch {{ $labels.kind }}: it decides on what it saw last.',
  },
  {
    name: 'PrecisionPackerFeaturesInvalid',
    expr: 'min by (namespace, name) (kentroller_features_valid) == 0',
    for: '15m',
    severity: 'warning',
    summary: 'The ConfigMap {{ $labels.name }} of features is invalid: the last valid one stays in force.',
  },
  {
    name: 'PrecisionPackerDoorRefusals',
    expr: 'sum by (job, door, reason) (rate(kube_door_refusals_total[15m])) > 1',
    for: '15m',
    severity: 'warning',
    summary: 'The door {{ $labels.door }} of {{ $labels.job }} turns callers away: {{ $labels.reason }}.',
  },
  {
    name: 'PrecisionPackerAuditDropped',
    expr: 'sum(increase(kentroller_audit_entries_total{outcome="dropped"}[1h])) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'Entries of the audit trail did not reach API_URL; the log has them.',
  },
  {
    name: 'PrecisionPackerNodesExpireBlocked',
    expr: 'max(kentroller_expiring_nodes{blocked="true"}) > 0',
    for: '1h',
    severity: 'warning',
    summary: 'Nodes expire soon whose pods can not move: they will be ended all the same.',
  },
];
