import { z } from 'zod';
import { REMOVAL_DISABLED } from '../../api/labels.ts';
import {
  block,
  blockOr,
  entries,
  expression,
  items,
  lines,
  optional,
  type Place,
  scalar,
  type Value,
  whole,
} from './chart.ts';
import type { Path } from './edits.ts';

/** The values that every Deployment of ours has. */

const POD: Path = ['spec', 'template', 'spec'];
const CONTAINER: Path = [...POD, 'containers', 0];

const object = z.looseObject({});
const text = z.record(z.string(), z.string());

/** A map whose keys are none of those that the manifests write themselves. */
const textWithout = (written: readonly string[]): z.ZodType =>
  text.meta({ propertyNames: { type: 'string', not: { enum: written } } });

/** Selectors, our own rules and others' tools read these. */
const WRITTEN_LABELS = ['app', REMOVAL_DISABLED];
const WRITTEN_ANNOTATIONS = ['cluster-autoscaler.kubernetes.io/safe-to-evict', 'checksum/settings'];

export interface Workload {
  /** Name of the Deployment and of the ServiceAccount. */
  readonly name: string;
  readonly chart: string;
  /** Where its values are, such as `webhook.`; empty for the chart's own component. */
  readonly prefix: string;
  /** Expressions of lists of volumes and mounts that other values bring along. */
  readonly volumes?: { readonly volumes: string; readonly mounts: string };
  /** The value whose ConfigMap it reads, and the pods of it that must be replaced when that changes. */
  readonly settings: string;
}

/** The values of one Deployment, its PodDisruptionBudget, NetworkPolicy and ServiceAccount. */
export function workloadValues(o: Workload): readonly Value[] {
  const deployment = `Deployment/${o.name}`;
  const value = (
    name: string,
    description: string,
    schema: z.ZodType,
    rest: { readonly default?: unknown; readonly places: readonly Place[] },
  ): Value => ({ name: `${o.prefix}${name}`, description, schema, ...rest });
  return [
    value(
      'replicas',
      `Pods of ${o.name}. 0 turns it off; running plans end as when it is uninstalled.`,
      z.int().min(0),
      {
        places: [scalar(deployment, ['spec', 'replicas'])],
      },
    ),
    value('resources', `Requests and limits of ${o.name}.`, object, {
      places: [block(deployment, [...CONTAINER, 'resources'])],
    }),
    value('priorityClassName', 'PriorityClass of its pods.', z.string(), {
      places: [scalar(deployment, [...POD, 'priorityClassName'])],
    }),
    value('topologySpreadConstraints', 'How its pods are spread.', z.array(object), {
      places: [block(deployment, [...POD, 'topologySpreadConstraints'])],
    }),
    value('affinity', 'Affinity of its pods.', object, {
      places: [blockOr({}, deployment, POD, 'affinity', 'containers')],
    }),
    value('nodeSelector', 'Labels of the nodes that its pods may run on.', text, {
      default: {},
      places: [optional(deployment, POD, 'nodeSelector', 'containers')],
    }),
    value('tolerations', 'Taints that its pods tolerate.', z.array(object), {
      default: [],
      places: [optional(deployment, POD, 'tolerations', 'containers')],
    }),
    value('podLabels', 'More labels of its pods.', textWithout(WRITTEN_LABELS), {
      default: {},
      places: [entries(deployment, ['spec', 'template', 'metadata', 'labels'])],
    }),
    value('podAnnotations', 'More annotations of its pods.', textWithout(WRITTEN_ANNOTATIONS), {
      default: {},
      places: [
        // Settings are read at the start, so pods are replaced with them.
        lines(
          deployment,
          ['spec', 'template', 'metadata', 'annotations'],
          [
            `{{- with .Values.${o.settings} }}`,
            'checksum/settings: {{ toJson . | sha256sum }}',
            '{{- end }}',
          ],
        ),
        entries(deployment, ['spec', 'template', 'metadata', 'annotations']),
      ],
    }),
    value('extraVolumes', 'More volumes of its pods.', z.array(object), {
      default: [],
      places: [items(deployment, POD, 'volumes', 'containers', o.volumes?.volumes)],
    }),
    value('extraVolumeMounts', 'Where its container mounts them.', z.array(object), {
      default: [],
      places: [items(deployment, CONTAINER, 'volumeMounts', 'securityContext', o.volumes?.mounts)],
    }),
    value('serviceAccount.annotations', 'Annotations of its ServiceAccount.', text, {
      default: {},
      places: [optional(`ServiceAccount/${o.name}`, ['metadata'], 'annotations')],
    }),
  ];
}

/** What one value means for all Deployments of a chart. */
export function commonValues(workloads: readonly Workload[]): readonly Value[] {
  const deployments = workloads.map(({ name, chart }) => ({ object: `Deployment/${name}`, chart }));
  const each = (make: (name: string) => Place) => workloads.map(({ name }) => make(name));
  return [
    {
      name: 'image.repository',
      description: 'Name of the image; `global.registry` comes before it.',
      schema: z.string().min(1),
      default: 'precision-packer',
      places: deployments.map(({ object, chart }) =>
        expression(object, [...CONTAINER, 'image'], `include "${chart}.image" .`),
      ),
    },
    {
      name: 'image.tag',
      description: 'Tag of the image; in a published chart, one of your own counts before its digest.',
      schema: z.string(),
      default: 'dev',
    },
    {
      name: 'image.digest',
      description: 'Digest of the image, such as `sha256:…`; one of your own counts before the tag.',
      schema: z.string().regex(/^(sha256:[a-f0-9]{64})?$/),
      default: '',
    },
    {
      name: 'image.pullPolicy',
      description: 'When the image is pulled.',
      schema: z.enum(['Always', 'IfNotPresent', 'Never']),
      places: deployments.map(({ object }) => scalar(object, [...CONTAINER, 'imagePullPolicy'])),
    },
    {
      name: 'networkPolicies.enabled',
      description: 'NetworkPolicies for all pods; why each rule: docs/security.md.',
      schema: z.boolean(),
      default: true,
      places: each((name) => whole(`NetworkPolicy/${name}`)),
    },
    {
      name: 'podDisruptionBudgets.enabled',
      description: 'PodDisruptionBudgets, which let one pod of each component be evicted at a time.',
      schema: z.boolean(),
      default: true,
      places: each((name) => whole(`PodDisruptionBudget/${name}`)),
    },
    ...globalValues(deployments.map(({ object }) => optional(object, POD, 'imagePullSecrets', 'containers'))),
    {
      name: 'managedByCASTAI',
      description: 'Accepted, so that commands written for other charts work; it means nothing here.',
      schema: z.boolean(),
      default: false,
    },
  ];
}

/** Values that an umbrella chart hands to all charts within it. */
export function globalValues(imagePullSecrets: readonly Place[] = []): readonly Value[] {
  return [
    {
      name: 'global.registry',
      description:
        'Registry, and folder in it, that images are pulled from, such as `registry.example.com/platform`.',
      schema: z.string(),
      default: '',
    },
    {
      name: 'global.image',
      description: 'Counts before `image`, for all charts at once: `repository`, `tag`, `digest`.',
      schema: z.looseObject({}),
      default: {},
    },
    {
      name: 'global.imagePullSecrets',
      description: 'Secrets for the registry, such as `- name: pull`.',
      schema: z.array(z.strictObject({ name: z.string().min(1) })),
      default: [],
      places: imagePullSecrets,
    },
  ];
}

/** The annotation of a published chart that says which image it was published with, as `tag@digest`. */
export const PUBLISHED_IMAGE = 'autoscaling.cast.ai/image';

/** The template of the image's reference. */
export const imageHelper = (chart: string): string => `{{/*
The image: by digest where there is one. The digest that the chart was published with counts for the tag of then alone.
*/}}
{{- define "${chart}.image" -}}
{{- $image := mergeOverwrite (deepCopy .Values.image) (.Values.global.image | default dict) -}}
{{- $name := list (trimSuffix "/" .Values.global.registry) $image.repository | compact | join "/" -}}
{{- $published := index (.Chart.Annotations | default dict) "${PUBLISHED_IMAGE}" | default "@" -}}
{{- $isOther := and (hasSuffix (printf "@%s" $image.digest) $published) (ne (printf "%s@%s" $image.tag $image.digest) $published) -}}
{{- if and $image.digest (not (and $isOther $image.tag)) -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | required "image.tag or image.digest is needed" }}
{{- end -}}
{{- end -}}
`;
