/** The Grafana dashboard: rows of panels, each with its queries. */

interface Panel {
  readonly title: string;
  readonly description: string;
  readonly unit: 'short' | 'currencyUSD' | 's' | 'percentunit' | 'bool' | 'bytes' | 'ops';
  readonly kind?: 'timeseries' | 'stat';
  readonly queries: readonly { readonly expr: string; readonly legend: string }[];
}

const q = (expr: string, legend = ''): Panel['queries'][number] => ({ expr, legend });

const ROWS: readonly { readonly title: string; readonly panels: readonly Panel[] }[] = [
  {
    title: 'Savings and plans',
    panels: [
      {
        title: 'Saved a month',
        description: 'By all plans since the installation, as measured at their end',
        unit: 'currencyUSD',
        kind: 'stat',
        queries: [q('max(kentroller_saved_monthly_usd_since_install)')],
      },
      {
        title: 'Saved so far',
        description: 'USD since the installation',
        unit: 'currencyUSD',
        kind: 'stat',
        queries: [q('max(kentroller_saved_usd_since_install)')],
      },
      {
        title: 'Plans done',
        description: 'Since the installation',
        unit: 'short',
        kind: 'stat',
        queries: [q('max(kentroller_plans_done_since_install)')],
      },
      {
        title: 'Lacking',
        description: 'Things that the cluster lacks for us; 0 is what you want',
        unit: 'short',
        kind: 'stat',
        queries: [q('sum(max by (check) (kentroller_preflight_lacks))')],
      },
      {
        title: 'Plans by state',
        description: 'RebalancePlans that are there now',
        unit: 'short',
        queries: [q('max by (state) (kentroller_rebalance_plans)', '{{state}}')],
      },
      {
        title: 'Age of prices',
        description: 'Since they were read from the cloud',
        unit: 's',
        queries: [q('max by (what) (kentroller_prices_age_seconds)', '{{what}}')],
      },
      {
        title: 'Plans refused',
        description: 'By the independent check, by who asked',
        unit: 'short',
        queries: [q('sum by (source) (increase(kentroller_plans_refused_total[1h]))', '{{source}}')],
      },
      {
        title: 'Nodes without work',
        description: 'Deleted by node consolidation, and kept at the last look',
        unit: 'short',
        queries: [
          q('sum by (path) (increase(kentroller_consolidated_nodes_total[1h]))', 'deleted: {{path}}'),
          q('sum by (path) (increase(kentroller_spared_nodes_total[1h]))', 'kept: {{path}}'),
        ],
      },
      {
        title: 'Evictor',
        description: 'Nodes and pods of its plans, dry runs apart',
        unit: 'short',
        queries: [
          q('sum by (result) (increase(kentroller_evictor_nodes_total[1h]))', 'nodes {{result}}'),
          q('sum by (result) (increase(kentroller_evictor_pods_total[1h]))', 'pods {{result}}'),
        ],
      },
    ],
  },
  {
    title: 'Pins',
    panels: [
      {
        title: 'Pods pinned',
        description: 'A second, by way and outcome',
        unit: 'ops',
        queries: [q('sum by (way, outcome) (rate(pod_pinner_pins_total[5m]))', '{{way}} {{outcome}}')],
      },
      {
        title: 'Webhook reviews',
        description: 'A second, by outcome; none while no plan runs',
        unit: 'ops',
        queries: [q('sum by (outcome) (rate(pod_pinner_webhook_reviews_total[5m]))', '{{outcome}}')],
      },
      {
        title: 'Intents',
        description: 'Nodes to come and pods that belong on a node, as the leader knows them',
        unit: 'short',
        queries: [q('max(pod_pinner_intents)')],
      },
      {
        title: 'Leader and stream',
        description: 'Both are 1 when all is well',
        unit: 'short',
        queries: [q('sum(pod_pinner_leader)', 'leaders'), q('max(pod_pinner_stream_synced)', 'stream')],
      },
      {
        title: 'Went wrong',
        description: 'Rejected by kubelets, nodes closed, held pods released',
        unit: 'short',
        queries: [
          q('sum by (reason) (increase(pod_pinner_pods_refused_total[1h]))', 'rejected: {{reason}}'),
          q('sum(increase(pod_pinner_nodes_closed_total[1h]))', 'nodes closed'),
          q('sum(increase(pin_gates_lifted_total[1h]))', 'gates released'),
        ],
      },
    ],
  },
  {
    title: 'Components',
    panels: [
      {
        title: 'Replicas that answer',
        description: 'By component',
        unit: 'short',
        queries: [q('sum by (job) (up{job=~"castai-.*"})', '{{job}}')],
      },
      {
        title: 'Memory',
        description: 'Resident, by pod',
        unit: 'bytes',
        queries: [q('process_resident_memory_bytes{job=~"castai-.*"}', '{{pod}}')],
      },
      {
        title: 'CPU',
        description: 'Cores, by pod',
        unit: 'short',
        queries: [q('rate(process_cpu_seconds_total{job=~"castai-.*"}[5m])', '{{pod}}')],
      },
      {
        title: 'Reconciliations that fail',
        description: 'A second, by controller',
        unit: 'ops',
        queries: [
          q(
            'sum by (controller) (rate(controller_runtime_reconcile_errors_total{job=~"castai-.*"}[5m]))',
            '{{controller}}',
          ),
        ],
      },
      {
        title: 'Work that waits',
        description: 'Keys in queues',
        unit: 'short',
        queries: [q('sum by (name) (workqueue_depth{job=~"castai-.*"})', '{{name}}')],
      },
      {
        title: 'Warnings and errors',
        description: 'Lines of logs an hour, by message',
        unit: 'short',
        queries: [
          q('topk(10, sum by (job, message) (increase(log_problems_total[1h])) > 0)', '{{job}}: {{message}}'),
        ],
      },
    ],
  },
];

const WIDTH = 8;
const HEIGHT = 7;
const PER_ROW = 3;

const panelOf = (panel: Panel, id: number, at: { readonly x: number; readonly y: number }): object => ({
  id,
  type: panel.kind ?? 'timeseries',
  title: panel.title,
  description: panel.description,
  datasource: { type: 'prometheus', uid: '$datasource' },
  gridPos: { h: HEIGHT, w: WIDTH, ...at },
  fieldConfig: { defaults: { unit: panel.unit }, overrides: [] },
  targets: panel.queries.map(({ expr, legend }, index) => ({
    refId: String.fromCharCode(65 + index),
    expr,
    legendFormat: legend,
  })),
});

const panels = (): readonly object[] => {
  const all: object[] = [];
  let y = 0;
  for (const row of ROWS) {
    all.push({ id: all.length + 1, type: 'row', title: row.title, gridPos: { h: 1, w: 24, x: 0, y } });
    y++;
    for (const [index, panel] of row.panels.entries()) {
      const x = (index % PER_ROW) * WIDTH;
      all.push(panelOf(panel, all.length + 1, { x, y: y + Math.floor(index / PER_ROW) * HEIGHT }));
    }
    y += Math.ceil(row.panels.length / PER_ROW) * HEIGHT;
  }
  return all;
};

/** The dashboard as Grafana's JSON; it asks which Prometheus to read. */
export const dashboard = (): object => ({
  uid: 'precision-packer',
  title: 'precision-packer',
  tags: ['kubernetes', 'karpenter'],
  schemaVersion: 39,
  editable: true,
  refresh: '30s',
  time: { from: 'now-6h', to: 'now' },
  timezone: 'browser',
  templating: {
    list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' }],
  },
  panels: panels(),
});

/** All queries of the dashboard, each with its panel's title. */
export const queries = (): readonly { readonly where: string; readonly expr: string }[] =>
  ROWS.flatMap(({ panels: of }) =>
    of.flatMap(({ title, queries: all }) => all.map(({ expr }) => ({ where: title, expr }))),
  );
