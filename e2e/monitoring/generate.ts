import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { stringify } from 'yaml';
import { ALERTS, anchorOf, RUNBOOKS } from './alerts.ts';
import { dashboard } from './dashboard.ts';
import { type Metric, readMetrics } from './metrics.ts';

/** Writes the table of metrics, the alerts and the dashboard: run by `make generate`, checked by `make verify`. */

const ROOT = join(import.meta.dirname, '..', '..');
const COMPONENT = join(ROOT, 'manifests', 'components', 'monitoring');

const COMPONENTS: Readonly<Record<string, string>> = {
  kentroller: 'kentroller',
  extender: 'pod pinner',
  webhook: 'webhook',
};

const rowOf = ({ name, type, labels, help, room }: Metric): string =>
  `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${COMPONENTS[room] ?? 'all that use it'} | ${help} |`;

/** Names of the metrics of Node.js and the process, which every component has. */
const ofNode = async (): Promise<readonly string[]> => {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const found = await register.getMetricsAsJSON();
  return found.map(({ name }) => name).sort();
};

const table = async (): Promise<string> => `# Metrics

Made from the code by \`make generate\`. Each component serves them at \`/metrics\`: kentroller on port 8081, pod pinner and webhook on 9091.
The webhook's keeper listens on no port and has none. How to scrape them, and the alerts:
[alerts.md](alerts.md) and [0054](designs/0054-monitoring.md).

| metric | type | labels | of | meaning |
|---|---|---|---|---|
${readMetrics(ROOT).metrics.map(rowOf).join('\n')}

Besides, each has those of Node.js and its process: ${(await ofNode()).map((name) => `\`${name}\``).join(', ')}.
`;

/** The rules as promtool and Prometheus read them. */
export const ruleGroups = (): object => ({
  groups: [
    {
      name: 'precision-packer',
      rules: ALERTS.map(({ name, expr, for: since, severity, summary }) => ({
        alert: name,
        expr,
        for: since,
        labels: { severity },
        annotations: { summary, runbook_url: `${RUNBOOKS}#${anchorOf(name)}` },
      })),
    },
  ],
});

const metadata = (name: string) => ({
  name,
  namespace: 'castai-agent',
  labels: { app: 'castai-agent', 'app.kubernetes.io/part-of': 'precision-packer' },
});
const yaml = (value: object): string =>
  `# Made by make generate from e2e/monitoring.\n${stringify(value, { lineWidth: 0 })}`;

if (import.meta.main) {
  mkdirSync(COMPONENT, { recursive: true });
  writeFileSync(join(ROOT, 'docs', 'metrics.md'), await table());
  writeFileSync(
    join(COMPONENT, 'prometheusrule.yaml'),
    yaml({
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: metadata('precision-packer'),
      spec: ruleGroups(),
    }),
  );
  writeFileSync(join(COMPONENT, 'dashboard.json'), `${JSON.stringify(dashboard(), null, 2)}\n`);
}
