import { z } from 'zod';
import type { Chart, Value } from './chart.ts';
import { globalValues } from './workload.ts';

const part = (name: string): readonly Value[] => [
  {
    name: `${name}.enabled`,
    description: `Installs the chart \`${name}\`; its other values go below \`${name}\` as well.`,
    schema: z.boolean(),
    default: true,
  },
];

/** The chart of all components. */
export const umbrella = (parts: readonly Chart[]): Chart => ({
  name: 'precision-packer',
  folder: 'charts/precision-packer',
  description:
    'Makes a Kubernetes cluster land where its autoscaler planned it, and keeps finding a cheaper place to land.',
  templates: [],
  parts: parts.map(({ name }) => ({ name, condition: `${name}.enabled` })),
  values: [
    ...parts.flatMap(({ name }) => part(name)),
    ...globalValues(),
    {
      name: 'managedByCASTAI',
      description: 'Accepted, so that commands written for other charts work; it means nothing here.',
      schema: z.boolean(),
      default: false,
    },
  ],
  about: `The charts \`castai-kentroller\` and \`castai-pod-pinner\` in one release; each can be a release of its own as well. Install the chart
\`precision-packer-crds\` into the same namespace first.`,
  notes: `kentroller carries out nothing until a RebalancePlanClaim asks for it:
  kubectl get rebalanceplanclaims,rebalanceplans
`,
});
