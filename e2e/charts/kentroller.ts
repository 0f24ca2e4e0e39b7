import { z } from 'zod';
import { options } from '../../kentroller/options.ts';
import { type Chart, type Value, whole } from './chart.ts';
import { objectsOf, variablesFrom } from './manifests.ts';
import { settingsTemplate, settingsValue } from './settings.ts';
import { commonValues, imageHelper, type Workload, workloadValues } from './workload.ts';

const NAME = 'castai-kentroller';
const POLICIES_API = 'components/policies-api';

const whenPolicies = (item: string): string => `ternary (list (${item})) list .Values.policiesApi.enabled`;

const WORKLOAD: Workload = {
  name: NAME,
  chart: NAME,
  prefix: '',
  settings: 'settings',
  volumes: {
    volumes: whenPolicies(
      'dict "name" "policies-api" "secret" (dict "secretName" "castai-kentroller-policies-tls")',
    ),
    mounts: whenPolicies('dict "name" "policies-api" "mountPath" "/etc/policies-api" "readOnly" true'),
  },
};

/** The policies API: what its overlay adds and patches. */
const policiesApi = (): Value => {
  const files = ['rbac', 'service', 'networkpolicy'].map((file) => `${POLICIES_API}/${file}.yaml`);
  const deployment = `Deployment/${NAME}`;
  return {
    name: 'policiesApi.enabled',
    description:
      'The policies API of docs/policies-api.yaml, on port 8443; it needs the Secret `castai-kentroller-policies-tls` and three settings.',
    schema: z.boolean(),
    default: false,
    places: [
      ...files.flatMap(objectsOf).map(({ id }) => whole(id)),
      {
        object: deployment,
        edit: (yaml, value) =>
          yaml.insertItems(
            ['spec', 'template', 'spec', 'containers', 0, 'ports'],
            [`{{- if ${value} }}`, '- name: policies', '  containerPort: 8443', '{{- end }}'],
          ),
      },
    ],
  };
};

/** The chart of kentroller: what makes plans and carries them out. */
export const kentroller = (): Chart => ({
  name: NAME,
  folder: `charts/precision-packer/charts/${NAME}`,
  description: 'Makes plans for a cheaper cluster, and carries them out through Karpenter.',
  templates: [
    { file: '_image.tpl', text: imageHelper(NAME) },
    ...['deployment', 'networkpolicy', 'rbac'].map((file) => ({
      file: `${file}.yaml`,
      manifest: `base/kentroller/${file}.yaml`,
    })),
    ...['rbac', 'service', 'networkpolicy'].map((file) => ({
      file: `policies-api/${file}.yaml`,
      manifest: `${POLICIES_API}/${file}.yaml`,
    })),
    settingsTemplate('settings.yaml', NAME, 'settings'),
  ],
  values: [
    ...workloadValues(WORKLOAD),
    settingsValue({
      name: 'settings',
      configMap: NAME,
      options: [options],
      variables: variablesFrom('base/kentroller/deployment.yaml', NAME),
    }),
    policiesApi(),
    ...commonValues([WORKLOAD]),
  ],
  about: `Plans are made from RebalancePlanClaims, whose kind comes with the chart \`precision-packer-crds\`: install that one first.
Without the chart \`castai-pod-pinner\` plans are carried out as well, and kube-scheduler decides where pods go.

\`API_KEY\` and credentials of the cloud are read from the Secret \`${NAME}\`, which this chart does not make. On EKS no credentials
are needed: give the ServiceAccount \`${NAME}\` a role, by EKS Pod Identity or by the annotation \`eks.amazonaws.com/role-arn\`
(\`serviceAccount.annotations\`); docs/eks.md has both.`,
  notes: `kentroller carries out nothing until a RebalancePlanClaim asks for it:
  kubectl get rebalanceplanclaims,rebalanceplans
`,
});
