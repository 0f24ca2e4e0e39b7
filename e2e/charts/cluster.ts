import { z } from 'zod';
import { type Chart, optional, type Template, type Value, whole } from './chart.ts';
import { manifestsBelow, objectsOf, readManifest } from './manifests.ts';
import { ESCAPED } from './render.ts';

const KEPT_NOMINATIONS = 'components/kept-nominations/policy.yaml';
const SOFT_PINS = ['crd', 'policy', 'rbac'].map((file) => `components/soft-pins/${file}.yaml`);

const template = (manifest: string): Template => ({
  file: manifest.replace(/^(base|components)\//, ''),
  manifest,
});

const switchOf = (name: string, description: string, manifests: readonly string[], isOn = true): Value => ({
  name,
  description,
  schema: z.boolean(),
  default: isOn,
  places: manifests.flatMap(objectsOf).map(({ id }) => whole(id)),
});

const MONITORING = 'components/monitoring';
const MONITORS = ['servicemonitor', 'prometheusrule'].map((file) => `${MONITORING}/${file}.yaml`);

/** The ConfigMap that the component's configMapGenerator makes. */
const dashboard = (): Template => ({
  file: 'monitoring/dashboard.yaml',
  text: `{{- if .Values.monitoring.enabled }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: castai-agent-dashboard
  namespace: castai-agent
  labels:
    app.kubernetes.io/part-of: precision-packer
    grafana_dashboard: "1"
data:
  precision-packer.json: |
${readManifest(`${MONITORING}/dashboard.json`)
  .replaceAll(/^(?=.)/gm, '    ')
  .replaceAll('{{', ESCAPED)}{{- end }}
`,
});

/** The chart of what a cluster has once, whichever component is installed. */
export const cluster = (): Chart => {
  const crds = manifestsBelow('base/crds');
  const users = ['base/users/roles.yaml'];
  const policies = [...manifestsBelow('base/policies'), 'base/users/autoexecute.yaml'];
  return {
    name: 'precision-packer-crds',
    folder: 'charts/precision-packer-crds',
    description:
      'What a cluster has once for precision-packer: custom kinds, roles for people, admission policies, API priority.',
    templates: [
      ...[
        ...crds,
        ...policies,
        KEPT_NOMINATIONS,
        ...SOFT_PINS,
        ...users,
        'base/flowcontrol.yaml',
        'base/namespace.yaml',
      ].map(template),
      ...MONITORS.map((manifest) => ({ file: manifest.replace('components/', ''), manifest })),
      dashboard(),
    ],
    values: [
      {
        name: 'annotations',
        description:
          'Annotations of all CustomResourceDefinitions; with `helm.sh/resource-policy: keep` they and all plans outlive the release.',
        schema: z.record(z.string(), z.string()),
        default: {},
        places: crds.flatMap(objectsOf).map(({ id }) => optional(id, ['metadata'], 'annotations')),
      },
      switchOf(
        'policies.enabled',
        'ValidatingAdmissionPolicies: what our ServiceAccounts do, and who may have plans executed by themselves. They need Kubernetes 1.30.',
        policies,
      ),
      switchOf(
        'keptNominations.enabled',
        'Karpenter buys for no pod that is bought for by us, at no moment: docs/designs/0047-unscheduled-pods.md. While no kentroller runs, new pods without room may wait up to 50 minutes for a node. It needs Kubernetes 1.36, and is not for FOLLOW_KARPENTER.',
        [KEPT_NOMINATIONS],
        false,
      ),
      switchOf(
        'softPins.enabled',
        'New pods of running plans find their nodes without a webhook, where `settings.PINNING` of castai-kentroller is `policy`: docs/designs/0064-soft-pins.md. It needs Kubernetes 1.36.',
        SOFT_PINS,
        false,
      ),
      switchOf(
        'userRoles.enabled',
        'ClusterRoles for people, who may look, ask for plans and execute them: docs/security.md.',
        users,
      ),
      switchOf('flowControl.enabled', 'A share of the API server of our own.', ['base/flowcontrol.yaml']),
      switchOf(
        'monitoring.enabled',
        "ServiceMonitor, alerts and a Grafana dashboard; the kinds of Prometheus' operator have to be there.",
        MONITORS,
        false,
      ),
      switchOf(
        'namespace.create',
        'The namespace of the release with the labels of Pod Security, for tools that do not create it themselves.',
        ['base/namespace.yaml'],
        false,
      ),
    ],
    about: `Helm never upgrades what lies in a chart's \`crds/\`, so the kinds are templates of a chart of their own: upgrade it before the others.
Install it into the namespace of the others, since roles, policies and API priority speak of ServiceAccounts there. It holds all that
\`castai-kentroller\` and \`castai-pod-pinner\` share, so that each can be installed without the other, and neither without the policies
that hold it back.

Uninstalling it deletes all plans, claims and schedules; \`annotations\` can keep them.`,
    notes: `Next: the chart precision-packer, or castai-kentroller and castai-pod-pinner, in this namespace.
`,
  };
};
