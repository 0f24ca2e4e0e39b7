import { createHash } from 'node:crypto';
import { z } from 'zod';
import { options as extender } from '../../extender/options.ts';
import { options as keeper } from '../../webhook/keeper/options.ts';
import { options as webhook } from '../../webhook/options.ts';
import { block, type Chart, expression, scalar, type Template, type Value, whole } from './chart.ts';
import { objectsOf, readManifest, variablesFrom } from './manifests.ts';
import { settingsTemplate, settingsValue } from './settings.ts';
import { commonValues, imageHelper, type Workload, workloadValues } from './workload.ts';

const NAME = 'castai-pod-pinner';
const WEBHOOK = 'castai-pod-pinner-webhook';
const SCHEDULER = 'components/second-scheduler';
const CONTROL_PLANE = 'components/control-plane-scheduler/networkpolicy.yaml';

const WORKLOADS: readonly Workload[] = [
  { name: NAME, chart: NAME, prefix: '', settings: 'settings' },
  { name: WEBHOOK, chart: NAME, prefix: 'webhook.', settings: 'webhook.settings' },
  {
    name: `${WEBHOOK}-keeper`,
    chart: NAME,
    prefix: 'keeper.',
    settings: 'webhook.settings',
  },
];

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const GROUP = '[0-9A-Fa-f]{1,4}';
/** Eight groups, or fewer with `::` once. */
const IPV6 = [
  `(${GROUP}:){7}${GROUP}`,
  ...[1, 2, 3, 4, 5, 6].map((before) => `(${GROUP}:){${before}}(:${GROUP}){1,${7 - before}}`),
  `(${GROUP}:){1,7}:`,
  `:(:${GROUP}){1,7}`,
  '::',
].join('|');

/** An IPv4 or IPv6 network. */
const NETWORK = new RegExp(
  `^((${OCTET}\\.){3}${OCTET}/([0-9]|[12][0-9]|3[0-2])|(${IPV6})/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$`,
);

const FOLDERS = ['pod-pinner', 'webhook', 'webhook-keeper'];
const POLICIES = `${SCHEDULER}/policies.yaml`;
const WITHOUT_POLICIES = ['rbac', 'deployment', 'networkpolicy'].map((file) => `${SCHEDULER}/${file}.yaml`);
const SCHEDULER_FILES = [...WITHOUT_POLICIES, POLICIES];

const kindsOf = (manifest: string): readonly string[] => objectsOf(manifest).map(({ id }) => id);

/** What kustomize's configMapGenerator makes of the configuration: a name that changes with the content. */
const configurationTemplate = (): { readonly name: string; readonly template: Template } => {
  const text = readManifest(`${SCHEDULER}/configuration.yaml`);
  const name = `castai-scheduler-configuration-${createHash('sha256').update(text).digest('hex').slice(0, 10)}`;
  const content = text.trimEnd().replaceAll(/^(?=.)/gm, '    ');
  return {
    name,
    template: {
      file: 'scheduler/configuration.yaml',
      text: `{{- if .Values.secondScheduler.enabled }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
  namespace: castai-agent
  labels:
    app.kubernetes.io/part-of: precision-packer
data:
  configuration.yaml: |
${content}
{{- end }}
`,
    },
  };
};

const schedulerValues = (configuration: string): readonly Value[] => {
  const deployment = 'Deployment/castai-scheduler';
  const container = ['spec', 'template', 'spec', 'containers', 0];
  return [
    {
      name: 'secondScheduler.enabled',
      description:
        'A kube-scheduler with the pod pinner as its extender, for pods with `schedulerName: castai-scheduler`.',
      schema: z.boolean(),
      default: false,
      places: WITHOUT_POLICIES.flatMap(kindsOf).map((id) => whole(id)),
    },
    {
      name: 'secondScheduler.policies',
      description:
        'A ValidatingAdmissionPolicy that holds it to what kube-scheduler does; it needs Kubernetes 1.30.',
      schema: z.boolean(),
      default: true,
      places: kindsOf(POLICIES).map((id) =>
        whole(id, 'and .Values.secondScheduler.enabled .Values.secondScheduler.policies'),
      ),
    },
    {
      name: 'secondScheduler.replicas',
      description: 'Pods of it.',
      schema: z.int().min(0),
      places: [scalar(deployment, ['spec', 'replicas'])],
    },
    {
      name: 'secondScheduler.image',
      description: 'Its image, with the minor version of the cluster.',
      schema: z.string().min(1),
      places: [
        scalar(deployment, [...container, 'image']),
        expression(
          deployment,
          ['spec', 'template', 'spec', 'volumes', 0, 'configMap', 'name'],
          `"${configuration}"`,
        ),
      ],
    },
    {
      name: 'secondScheduler.resources',
      description: 'Its requests and limits.',
      schema: z.looseObject({}),
      places: [block(deployment, [...container, 'resources'])],
    },
  ];
};

const templatesOf = (folder: string): readonly Template[] =>
  ['configuration', 'deployment', 'networkpolicy', 'rbac']
    .filter((file) => folder === 'webhook' || file !== 'configuration')
    .map((file) => ({ file: `${folder}/${file}.yaml`, manifest: `base/${folder}/${file}.yaml` }));

/** The chart of pod pinner and webhook: what holds pods to plans. */
export const podPinner = (): Chart => {
  const configuration = configurationTemplate();
  return {
    name: NAME,
    folder: `charts/precision-packer/charts/${NAME}`,
    description:
      'Holds pods to the nodes that a plan has for them: pod pinner, admission webhook and its keeper.',
    templates: [
      { file: '_image.tpl', text: imageHelper(NAME) },
      ...FOLDERS.flatMap(templatesOf),
      ...SCHEDULER_FILES.map((manifest) => ({ file: manifest.replace(SCHEDULER, 'scheduler'), manifest })),
      configuration.template,
      { file: 'pod-pinner/controlplane.yaml', manifest: CONTROL_PLANE },
      settingsTemplate('pod-pinner/settings.yaml', NAME, 'settings'),
      settingsTemplate('webhook/settings.yaml', WEBHOOK, 'webhook.settings'),
    ],
    values: [
      ...workloadValues(WORKLOADS[0] as Workload),
      settingsValue({
        name: 'settings',
        configMap: NAME,
        options: [extender],
        variables: variablesFrom('base/pod-pinner/deployment.yaml', NAME),
      }),
      {
        name: 'controlPlaneSchedulers',
        description:
          'Networks of control plane nodes whose kube-scheduler calls the extender, such as `10.0.0.0/24`; empty lets none in.',
        schema: z.array(z.string().regex(NETWORK)),
        default: [],
        places: [
          whole(
            'NetworkPolicy/castai-pod-pinner-control-plane',
            'and .Values.controlPlaneSchedulers .Values.networkPolicies.enabled',
          ),
          {
            object: 'NetworkPolicy/castai-pod-pinner-control-plane',
            edit: (yaml) =>
              yaml.setLines(
                ['spec', 'ingress', 0, 'from'],
                [
                  'from:',
                  '{{- range .Values.controlPlaneSchedulers }}',
                  '  - ipBlock:',
                  '      cidr: {{ . | quote }}',
                  '{{- end }}',
                ],
              ),
          },
        ],
      },
      ...workloadValues(WORKLOADS[1] as Workload),
      settingsValue({
        name: 'webhook.settings',
        configMap: WEBHOOK,
        options: [webhook, keeper],
        variables: new Set([
          ...variablesFrom('base/webhook/deployment.yaml', WEBHOOK),
          ...variablesFrom('base/webhook-keeper/deployment.yaml', WEBHOOK),
        ]),
      }),
      {
        name: 'webhook.namespaceSelector',
        description: 'Namespaces whose new pods the webhook is asked about.',
        schema: z.looseObject({}),
        places: [0, 1].map((at) =>
          block(`MutatingWebhookConfiguration/${WEBHOOK}`, ['webhooks', at, 'namespaceSelector']),
        ),
      },
      ...workloadValues(WORKLOADS[2] as Workload),
      ...schedulerValues(configuration.name),
      ...commonValues(WORKLOADS),
    ],
    about: `Any of its Deployments may be scaled to 0 at any time: kube-scheduler decides then. \`API_KEY\` for a planner outside the cluster is
read from the Secret \`${NAME}\`, and the files of \`VERBS_CERT_FILE\` and its neighbours from the Secret \`${NAME}-verbs\`; this chart makes
neither. Install the chart \`precision-packer-crds\` first.

The MutatingWebhookConfiguration is completed by the keeper, which owns its certificate, its paths and the conditions \`a-plan-runs\` and
\`spot-rules-are-in-force\`.`,
    notes: `The pod pinner waits for plans of castai-kentroller, or of a planner outside (settings.GRPC_URL).
`,
  };
};
