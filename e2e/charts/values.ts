import { stringify } from 'yaml';
import { z } from 'zod';
import { mustGet } from '../../api/mustget.ts';
import type { Chart, Value } from './chart.ts';

/** values.yaml, values.schema.json and the table of README.md. */

type Tree = Map<string, Tree | Value>;

const isLeaf = (node: Tree | Value): node is Value => !(node instanceof Map);

function treeOf(values: readonly Value[]): Tree {
  const root: Tree = new Map();
  for (const value of values) {
    const steps = value.name.split('.');
    const last = steps.pop() ?? '';
    let at = root;
    for (const step of steps) {
      const next = at.get(step) ?? new Map();
      if (isLeaf(next)) throw new Error(`${value.name} lies within the value ${next.name}`);
      at.set(step, next);
      at = next;
    }
    at.set(last, value);
  }
  return root;
}

const indented = (text: string): string => text.trimEnd().replaceAll(/^(?=.)/gm, '  ');

function yamlOf(tree: Tree, defaults: ReadonlyMap<string, unknown>): string {
  const parts = [...tree].map(([key, node]) =>
    isLeaf(node)
      ? `# -- ${node.description}\n${stringify({ [key]: mustGet(defaults, node.name, 'the default of') }, { lineWidth: 0 }).trimEnd()}`
      : `${key}:\n${indented(yamlOf(node, defaults))}`,
  );
  return `${parts.join('\n\n')}\n`;
}

/** Names below `global`, and below the name of another chart, may be of others. */
function schemaOf(tree: Tree, isOpen: (key: string) => boolean): object {
  const properties = [...tree].map(([key, node]) => {
    if (!isLeaf(node)) {
      const nested = schemaOf(node, isOpen);
      return [key, isOpen(key) ? { ...nested, additionalProperties: true } : nested];
    }
    const { $schema, ...schema } = z.toJSONSchema(node.schema, { target: 'draft-7', io: 'input' });
    return [key, { description: node.description, ...schema }];
  });
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) };
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function typeOf(schema: object): string {
  const { type } = schema as { readonly type?: string };
  return type === 'array'
    ? 'list'
    : type === 'integer'
      ? 'int'
      : type === 'boolean'
        ? 'bool'
        : (type ?? 'object');
}

function tableOf(chart: Chart, defaults: ReadonlyMap<string, unknown>): string {
  const rows = chart.values
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, description, schema }) => {
      const type = typeOf(z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }));
      return `| ${name} | ${type} | \`${cell(JSON.stringify(mustGet(defaults, name, 'the default of')))}\` | ${cell(description)} |`;
    });
  return ['| value | type | default | what it is |', '|---|---|---|---|', ...rows].join('\n');
}

/** The files about a chart's values, by name. */
export function valueFiles(
  chart: Chart,
  defaults: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, string> {
  const tree = treeOf(chart.values);
  const open = new Set(['global', ...(chart.parts ?? []).map(({ name }) => name)]);
  const schema = schemaOf(tree, (key) => open.has(key)) as { properties: Record<string, object> };
  const enabled = { type: 'boolean', description: 'Read by the chart that this one is part of.' };
  return new Map([
    ['values.yaml', `# Made by \`make generate\`.\n${yamlOf(tree, defaults)}`],
    [
      'values.schema.json',
      `${JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', ...schema, properties: { enabled, ...schema.properties } }, null, 2)}\n`,
    ],
    [
      'README.md',
      `# ${chart.name}\n\n${chart.description}\n\n${chart.about}\n\n## Values\n\n${tableOf(chart, defaults)}\n`,
    ],
  ]);
}
