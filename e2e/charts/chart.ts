import type { z } from 'zod';
import type { Path, YamlText } from './edits.ts';

/** A place in a manifest that a value changes. */
export interface Place {
  /** Kind and name of the object, such as `Deployment/castai-kentroller`. */
  readonly object: string;
  /** `value` is the template expression of the value, such as `.Values.replicas`. */
  edit(yaml: YamlText, value: string): void;
  /** What stands there: the value's default. */
  read?(yaml: YamlText): unknown;
}

/** A value of a chart. */
export interface Value {
  /** Dotted path in values.yaml. */
  readonly name: string;
  readonly description: string;
  readonly schema: z.ZodType;
  /** Needed where no place says it. */
  readonly default?: unknown;
  readonly places?: readonly Place[];
}

/** A file of templates, made from a manifest or written here. */
export interface Template {
  /** Relative to the chart's folder. */
  readonly file: string;
  /** A manifest, relative to manifests/. */
  readonly manifest?: string;
  readonly text?: string;
}

export interface Chart {
  readonly name: string;
  /** Relative to the root. */
  readonly folder: string;
  readonly description: string;
  readonly templates: readonly Template[];
  readonly values: readonly Value[];
  /** Charts below its folder, each with the value that switches it off. */
  readonly parts?: readonly { readonly name: string; readonly condition: string }[];
  /** What README.md says above the table of values. */
  readonly about: string;
  /** What `helm install` prints. */
  readonly notes: string;
}

/** A scalar that is the value. */
export const scalar = (object: string, path: Path): Place => ({
  object,
  edit: (yaml, value) => yaml.setScalar(path, `{{ ${value} }}`),
  read: (yaml) => yaml.valueAt(path),
});

/** A scalar that an expression gives, whatever the value is called. */
export const expression = (object: string, path: Path, text: string): Place => ({
  object,
  edit: (yaml) => yaml.setScalar(path, `{{ ${text} }}`),
});

/** A map or list that is the value; without a value there is no such key. */
export const block = (object: string, path: Path): Place => ({
  object,
  edit: (yaml, value) => yaml.setLines(path, optionalKey(String(path.at(-1)), value)),
  read: (yaml) => yaml.valueAt(path),
});

/** A map that is the value, whether the manifest has the key or not; `empty` is what it means not to have it. */
export const blockOr = (empty: unknown, object: string, path: Path, key: string, before: string): Place => {
  const own = [...path, key];
  return {
    object,
    edit: (yaml, value) =>
      yaml.has(own)
        ? yaml.setLines(own, optionalKey(key, value))
        : yaml.insert(path, optionalKey(key, value), before),
    read: (yaml) => (yaml.has(own) ? yaml.valueAt(own) : empty),
  };
};

/** A key that a manifest does not have, put into the map at `path` where there is a value. */
export const optional = (object: string, path: Path, key: string, before?: string): Place => ({
  object,
  edit: (yaml, value) => yaml.insert(path, optionalKey(key, value), before),
});

/** More entries of the map at `path`. */
export const entries = (object: string, path: Path): Place => ({
  object,
  edit: (yaml, value) =>
    yaml.insert(path, [`{{- with ${value} }}`, '{{- toYaml . | nindent $COLUMN }}', '{{- end }}']),
});

/** More items of the list `key` of the map at `path`, which may not be there yet; `more` is an expression of further ones. */
export const items = (object: string, path: Path, key: string, before: string, more?: string): Place => ({
  object,
  edit: (yaml, value) => {
    const list = [...path, key];
    const all = more === undefined ? value : `concat ${value} (${more})`;
    if (!yaml.has(list)) yaml.insert(path, optionalKey(key, all), before);
    else yaml.insertItems(list, [`{{- with ${all} }}`, '{{- toYaml . | nindent $COLUMN }}', '{{- end }}']);
  },
});

/** Lines as they are, put before the first key of the map at `path`. */
export const lines = (object: string, path: Path, text: readonly string[]): Place => ({
  object,
  edit: (yaml) => yaml.insert(path, text),
});

/** A whole object that is there while the value, or what is made of it, is true. */
export const whole = (object: string, condition?: string): Place => ({
  object,
  edit: (yaml, value) => yaml.wrap(`{{- if ${condition ?? value} }}`, '{{- end }}'),
});

const optionalKey = (key: string, value: string): readonly string[] => [
  `{{- with ${value} }}`,
  `${key}:`,
  '  {{- toYaml . | nindent $WITHIN }}',
  '{{- end }}',
];
