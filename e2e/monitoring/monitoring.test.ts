import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import t from 'tap';
import { parse } from 'yaml';
import { REBALANCE_PLANS } from '../../api/resources.ts';
import { extenderMetrics } from '../../extender/metrics.ts';
import { createAuditSender } from '../../kentroller/audit/sender.ts';
import { evictorMetrics } from '../../kentroller/evictor/metrics.ts';
import { countRefusals as countRefusedPlans } from '../../kentroller/rebalanceplanclaim/verified.ts';
import { registerPlanMetrics } from '../../kentroller/savings/metrics.ts';
import {
  measuredScoreboard,
  predictionMetrics,
  queueMessages,
} from '../../kentroller/spotprediction/metrics.ts';
import { createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { countProblems, observeQueue, observeReconciles } from '../../kube/component/metrics.ts';
import { countRefusals } from '../../kube/doors/refusals.ts';
import { GateReleaser } from '../../kube/heldpods/gatereleaser.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { ALERT_CASES } from './alertcases.ts';
import { ALERTS, anchorOf, RUNBOOKS } from './alerts.ts';
import { dashboard, queries } from './dashboard.ts';
import { metricsOf, readMetrics } from './metrics.ts';

/** Alerts and dashboard ask for metrics that there are, and every alert says what to do. */

const ROOT = join(import.meta.dirname, '..', '..');
/** Alerts on a pace that goes on, which a first count has no part in. */
const STEADY = ['PrecisionPackerDoorRefusals'];
const { metrics, unread } = readMetrics(ROOT);
const byName = new Map(metrics.map((metric) => [metric.name, metric]));

t.test('every metric of the code is in the table, with help and labels', async (t) => {
  t.same(unread, [], 'a name like a metric’s that is registered in a form which is not read');
  t.ok(metrics.length > 35, `${metrics.length} metrics`);
  t.same(
    metrics
      .filter(({ help }) => !/^[A-Z0-9].{4,}[^.]$/.test(help) || help.includes('${'))
      .map(({ name }) => name),
    [],
    'help is a phrase',
  );
  t.same(
    metrics
      .filter(({ type, name }) => (type === 'counter') !== name.endsWith('_total'))
      .map(({ name }) => name),
    [],
    'counters and nothing else end in _total',
  );
});

t.test('the table says what a registry says', async (t) => {
  const registry = new Registry();
  extenderMetrics(registry);
  evictorMetrics(registry);
  countRefusedPlans(registry);
  predictionMetrics(registry);
  queueMessages(registry);
  measuredScoreboard(registry);
  registerPlanMetrics(new FakeCache(REBALANCE_PLANS), registry);
  countProblems(registry);
  observeQueue(registry, 'queue');
  observeReconciles(registry, 'controller', 1);
  countRefusals({ name: 'door', metrics: registry });
  const registered = registry.getMetricsAsArray() as unknown as readonly {
    readonly name: string;
    readonly help: string;
    readonly labelNames: readonly string[];
  }[];
  t.ok(registered.length > 20);
  for (const { name, help, labelNames } of registered) {
    const { type: _, room: __, ...found } = byName.get(name) ?? { type: '', room: '' };
    t.same(found, { name, help, labels: labelNames }, name);
  }
});

t.test('what reads metrics from code reads each form, and misses none', async (t) => {
  const text = `
    const help = 'Help of it';
    counter(registry, 'kube_a_total', 'Text', ['x', 'y']);
    gauge(o.metrics, 'kube_b', \`Nodes \${help}\`, []);
    new Gauge({ name: 'kube_c', help, labelNames: ['z'] });
    local('kube_d', 1);
    const other = (name) => gauge(registry, name, 'Text', []);`;
  const found = metricsOf([{ path: 'kube/x.ts', text }]);
  t.same(
    found.metrics.map(({ name, help, labels }) => [name, help, labels]),
    [
      ['kube_a_total', 'Text', ['x', 'y']],
      ['kube_b', 'Nodes Help of it', []],
      ['kube_c', 'Help of it', ['z']],
    ],
  );
  t.same(found.unread, ['kube/x.ts: 4 registrations, 3 of them read', 'kube/x.ts: kube_d']);
});

/** Names of series in a query: words that are no function, keyword, label or text. */
const seriesIn = (expr: string): readonly string[] => {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, '')
    .replaceAll(/\boffset \d+[smhd]/g, '');
  return [...bare.matchAll(/\b([a-z_]+)\b(?!\s*\()/g)]
    .map(([, word = '']) => word)
    .filter((word) => !['or', 'and', 'unless', 'sum', 'max', 'min', 'topk', 'by'].includes(word));
};
/** Labels that a query names, but for those that Prometheus itself gives. */
const labelsIn = (expr: string): readonly string[] =>
  [
    ...[...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner = '']) =>
      [...inner.matchAll(/(\w+)\s*[=!]/g)].map(([, label = '']) => label),
    ),
    ...[...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, inner = '']) =>
      inner.split(',').map((label) => label.trim()),
    ),
  ].filter((label) => !['job', 'pod', 'instance'].includes(label));

t.test('every query names metrics and labels that there are', async (t) => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const ofNode = new Set(registry.getMetricsAsArray().map(({ name }) => name));
  const asked = [...ALERTS.map(({ name, expr }) => ({ where: name, expr })), ...queries()];
  for (const { where, expr } of asked) {
    const series = seriesIn(expr);
    t.ok(series.length > 0, `${where} asks for something`);
    for (const name of series) {
      t.ok(name === 'up' || ofNode.has(name) || byName.has(name), `${where}: ${name} is there`);
    }
    const known = new Set(series.flatMap((name) => byName.get(name)?.labels ?? []));
    t.same(
      labelsIn(expr).filter((label) => !known.has(label)),
      [],
      `${where}: labels`,
    );
  }
});

/** Names of counters of whose growth alerts ask, with the label values that they name. */
const counted = ALERTS.flatMap(({ name, expr }) =>
  [...expr.matchAll(/(?:increase|rate)\((\w+)(?:\{([^}]*)\})?\[/g)].map(([, series = '', labels = '']) => ({
    alert: name,
    series,
    labels: Object.fromEntries(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
    ),
  })),
);

t.test('counters of whose growth alerts ask begin at 0, so that the first count is growth', async (t) => {
  const registry = new Registry();
  const log = createLogger({ component: 'monitoring-test', level: 'silent' });
  const client = {} as KubeClient;
  extenderMetrics(registry);
  countRefusedPlans(registry);
  observeReconciles(registry, 'controller', 1);
  createCache({ client, log, resource: REBALANCE_PLANS, metrics: registry });
  const sender = createAuditSender({ url: 'http://x', apiKey: '', clusterId: '', log, metrics: registry });
  t.teardown(() => sender.close());
  new GateReleaser({ client, log, metrics: registry } as ConstructorParameters<typeof GateReleaser>[0]);
  t.ok(counted.length > 5);
  for (const { alert, series, labels } of counted.filter(({ alert }) => !STEADY.includes(alert))) {
    const { values = [] } = (await registry.getSingleMetric(series)?.get()) ?? {};
    t.match(
      values.filter((each) => Object.entries(labels).every(([key, value]) => each.labels[key] === value)),
      [{ value: 0 }],
      `${alert}: ${series} ${JSON.stringify(labels)}`,
    );
  }
});

t.test('every alert has a section that says what to do, and cases', async (t) => {
  const headings = [...readFileSync(join(ROOT, RUNBOOKS), 'utf8').matchAll(/^## (\S+)$/gm)].map(
    ([, heading = '']) => heading,
  );
  t.same(
    headings.map(anchorOf),
    ALERTS.map(({ name }) => anchorOf(name)),
    'in this order, and no section of an alert that is gone',
  );
  t.same(Object.keys(ALERT_CASES).sort(), ALERTS.map(({ name }) => name).sort());
  for (const [name, cases] of Object.entries(ALERT_CASES)) {
    t.ok(cases.some(({ fires }) => fires) && cases.some(({ fires }) => !fires), `${name}: both ways`);
  }
});

t.test('ServiceMonitors select the Services that have the port', async (t) => {
  const read = (path: string): string => readFileSync(join(ROOT, 'manifests', path), 'utf8');
  const monitor = parse(read('components/monitoring/servicemonitor.yaml')) as {
    readonly spec: {
      readonly selector: { readonly matchExpressions: readonly { readonly values: readonly string[] }[] };
      readonly endpoints: readonly { readonly port: string; readonly path: string }[];
    };
  };
  t.match(monitor.spec.endpoints, [{ port: 'metrics', path: '/metrics' }]);
  const [values] = monitor.spec.selector.matchExpressions.map((each) => each.values);
  t.same(values, ['castai-kentroller', 'castai-pod-pinner', 'castai-pod-pinner-webhook']);
  for (const folder of ['kentroller', 'pod-pinner', 'webhook']) {
    t.match(read(`base/${folder}/deployment.yaml`), /kind: Service\n[\s\S]*- name: metrics\n/, folder);
  }
});

t.test('the dashboard is one that Grafana can read', async (t) => {
  const { panels } = dashboard() as {
    readonly panels: readonly {
      readonly id: number;
      readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    }[];
  };
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids are unique');
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  t.equal(new Set(cells).size, cells.length, 'no panel covers another one');
});
