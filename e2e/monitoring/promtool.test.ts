import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { parseAllDocuments, stringify } from 'yaml';
import { paced } from '../../kube/testing/pace.ts';
import { buildPrograms } from '../ground/build/build.ts';
import { run } from '../ground/host/command.ts';
import { SILENT } from '../ground/host/progress.ts';
import { cacheRoot } from '../ground/paths.ts';
import { ALERT_CASES, type AlertCase } from './alertcases.ts';
import { ALERTS, type Alert, anchorOf, RUNBOOKS } from './alerts.ts';
import { ruleGroups } from './generate.ts';

/** Prometheus' own promtool reads the rules, and each alert fires when it should and at no other time. */

const summaryOf = ({ summary }: Alert, labels: Readonly<Record<string, string>>): string =>
  summary.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '');

const testOf = (alert: Alert, { series, at, fires }: AlertCase): object => ({
  interval: '1m',
  name: `${alert.name} ${fires ? 'fires' : 'is quiet'}`,
  input_series: series.map(([name, values]) => ({ series: name, values })),
  alert_rule_test: [
    {
      eval_time: `${at}m`,
      alertname: alert.name,
      exp_alerts: fires
        ? [
            {
              exp_labels: { severity: alert.severity, ...fires },
              exp_annotations: {
                summary: summaryOf(alert, fires),
                runbook_url: `${RUNBOOKS}#${anchorOf(alert.name)}`,
              },
            },
          ]
        : [],
    },
  ],
});

const promtoolPath = async (): Promise<string> =>
  (await buildPrograms(['promtool'], { cache: cacheRoot(process.env), progress: SILENT })).get('promtool') ??
  '';

t.test(
  'promtool reads every rule, and each alert fires when it should and only then',
  { timeout: paced(1_200_000) },
  async (t) => {
    const promtool = await promtoolPath();
    const folder = t.testdir({});
    const rules = join(folder, 'rules.yaml');
    const tests = join(folder, 'tests.yaml');
    writeFileSync(rules, stringify(ruleGroups()));
    writeFileSync(
      tests,
      stringify({
        rule_files: ['rules.yaml'],
        evaluation_interval: '1m',
        tests: ALERTS.flatMap((alert) => (ALERT_CASES[alert.name] ?? []).map((each) => testOf(alert, each))),
      }),
    );
    t.match(await run([promtool, 'check', 'rules', rules]), new RegExp(`SUCCESS: ${ALERTS.length} rules`));
    t.match(await run([promtool, 'test', 'rules', tests]), /SUCCESS/);
  },
);

t.test(
  'kustomize adds the component to an installation, with the rules that were tested',
  { timeout: paced(1_200_000) },
  async (t) => {
    const programs = await buildPrograms(['controlplane'], {
      cache: cacheRoot(process.env),
      progress: SILENT,
    });
    const folder = t.testdir({});
    const manifests = relative(folder, join(import.meta.dirname, '..', '..', 'manifests'));
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      stringify({ resources: [`${manifests}/base`], components: [`${manifests}/components/monitoring`] }),
    );
    const rendered = await run([programs.get('controlplane') ?? '', 'kubectl', 'kustomize', folder]);
    const objects = parseAllDocuments(rendered).map(
      (document) =>
        document.toJS() as { readonly kind: string; readonly spec?: object; readonly data?: object },
    );
    const ofKind = (kind: string): readonly (typeof objects)[number][] =>
      objects.filter((each) => each.kind === kind);
    t.same(ofKind('PrometheusRule')[0]?.spec, ruleGroups());
    t.equal(ofKind('ServiceMonitor').length, 1);
    t.ok(ofKind('ConfigMap').some(({ data = {} }) => 'precision-packer.json' in data));
    t.equal(ofKind('Deployment').length, 4, 'and the installation is whole');
  },
);
