import { z } from 'zod';
import { variableOf } from '../../kube/component/options.ts';
import type { Template, Value } from './chart.ts';

/** Settings of components: the options that their Deployments read from a ConfigMap. */

/** The port of manifests/components/policies-api. */
const POLICIES_PORT = 8443;
const scalarValue = z.union([z.string(), z.boolean(), z.number()]);

/** Settings that probes, Services, NetworkPolicies and rights name as well, so that another value would reach nobody. */
const isNamedElsewhere = (variable: string): boolean => /(^|_)PORT$|^LEASE_NAME$/.test(variable);

/** What such a setting may be: what stands elsewhere, and off where it may be off. */
function fixedValue(variable: string, type: z.ZodType): z.ZodType {
  const standing = type.parse(undefined) as string | number;
  const values = variable === 'POLICIES_PORT' ? [standing, POLICIES_PORT] : [standing];
  return z.literal([...new Set(values.flatMap((value) => [value, `${value}`]))]);
}

/**
 * The value that becomes the ConfigMap `configMap`: each option of the components by its environment variable, but those that
 * the manifests set themselves or read from a Secret.
 */
export function settingsValue(o: {
  readonly name: string;
  readonly configMap: string;
  readonly options: readonly z.ZodObject[];
  readonly variables: ReadonlySet<string>;
}): Value {
  const shape: Record<string, z.ZodType> = {};
  for (const { shape: fields } of o.options)
    for (const [field, type] of Object.entries(fields)) {
      const variable = variableOf(field);
      if (!o.variables.has(variable)) continue;
      const description = z.globalRegistry.get(type as z.ZodType)?.description ?? '';
      const value = isNamedElsewhere(variable) ? fixedValue(variable, type as z.ZodType) : scalarValue;
      shape[variable] = value.optional().meta({ description });
    }
  for (const variable of o.variables) shape[variable] ??= scalarValue.optional();
  return {
    name: o.name,
    description: `Settings by their environment variables, in the ConfigMap \`${o.configMap}\`; values.schema.json lists them.`,
    schema: z.strictObject(shape),
    default: {},
  };
}

/** The template of that ConfigMap. Numbers of values.yaml are floats to Helm, which writes large ones with an exponent. */
export const settingsTemplate = (file: string, configMap: string, value: string): Template => ({
  file,
  text: `{{- with .Values.${value} }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: ${configMap}
  namespace: {{ $.Release.Namespace | quote }}
  labels:
    app.kubernetes.io/part-of: precision-packer
data:
{{- range $name, $setting := . }}
{{- if and (kindIs "float64" $setting) (eq $setting (floor $setting)) }}
{{- $setting = int64 $setting }}
{{- end }}
  {{ $name }}: {{ $setting | toString | quote }}
{{- end }}
{{- end }}
`,
});
