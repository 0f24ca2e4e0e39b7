import { isTestCode, readTree, type SourceFile } from '../structure/tree.ts';

/** A metric as the code registers it. */
export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Components that have it; those of kube/ are of all. */
  readonly room: string;
}

const TEXT = String.raw`'(?:[^'\\]|\\.)*'`;
const LABELS = String.raw`\[[^\]]*\]`;
/** counter(registry, 'name', 'help', ['label'] and its like, also where the registry is bound already. */
const CALL = new RegExp(
  String.raw`\b(counter|gauge|histogram|scraped)\(\s*(?:[\w.]+,\s*)?(${TEXT}),\s*(${TEXT}),?\s*(${LABELS})?`,
  'g',
);
/** new Gauge({ name: 'name', help: 'help', labelNames: ['label'] and its like. */
const CONSTRUCTION = new RegExp(
  String.raw`\bnew (Counter|Gauge|Histogram)\(\{\s*name: (${TEXT}),\s*help: (${TEXT}),\s*(?:labelNames: (${LABELS}))?`,
  'g',
);
const CONSTANT = new RegExp(String.raw`const (\w+) = (${TEXT}|${LABELS})(?: as const)?;`, 'g');

const unquoted = (literal: string): string => literal.slice(1, -1).replaceAll(/\\(.)/g, '$1');

/** The text with its constants put where arguments name them. */
const inlined = (text: string): string => {
  let out = text;
  for (const [, name = '', value = ''] of text.matchAll(CONSTANT)) {
    const isText = value.startsWith("'");
    if (isText) {
      out = out
        .replaceAll(new RegExp(String.raw`\`([^\`]*)\$\{${name}\}([^\`]*)\``, 'g'), (_, before, after) => {
          return `'${before}${unquoted(value)}${after}'`;
        })
        .replaceAll(new RegExp(String.raw`([(,]\s*|\bname: )${name}(?=,)`, 'g'), (_, before) => {
          const isShorthand = name === 'help' && /^,\s*$/.test(before);
          return isShorthand && !/\(/.test(before) ? `${before}${value}` : `${before}${value}`;
        });
    } else {
      out = out.replaceAll(
        new RegExp(String.raw`(,\s*)${name}(?=[,)])`, 'g'),
        (_, before) => `${before}${value}`,
      );
    }
  }
  // help, as a property of the object that is constructed.
  return out.replaceAll(new RegExp(String.raw`(name: ${TEXT},\s*)(${TEXT}),`, 'g'), '$1help: $2,');
};

const labelsOf = (literal: string | undefined): readonly string[] =>
  [...(literal ?? '').matchAll(/'([^']*)'/g)].map(([, label = '']) => label);

const typeOf = (word: string): Metric['type'] =>
  word === 'scraped' ? 'gauge' : (word.toLowerCase() as Metric['type']);

const metricsIn = ({ path, text }: Pick<SourceFile, 'path' | 'text'>): readonly Metric[] => {
  const source = inlined(text);
  return [...source.matchAll(CALL), ...source.matchAll(CONSTRUCTION)].map(
    ([, word = '', name = '', help = '', labels]) => ({
      name: unquoted(name),
      type: typeOf(word),
      help: unquoted(help),
      labels: word === 'scraped' ? ['name', 'controller'] : labelsOf(labels),
      room: path.split('/')[0] ?? '',
    }),
  );
};

/** A registration in any form. */
const REGISTRATION = /\b(?:counter|gauge|histogram|new (?:Counter|Gauge|Histogram))\(/g;
/** Files that define the helpers themselves, whose names come from their callers. */
const HELPERS: ReadonlySet<string> = new Set([
  'kube/component/metrics.ts',
  'kentroller/savings/savingsstore.ts',
]);

/** How our metrics are called, so that one in a form that is not read is found all the same. */
const NAME =
  /'((?:kentroller|pod_pinner|kube|workqueue|controller_runtime|pin_gates|log_problems)_[a-z_]+)'/g;

export interface Found {
  readonly metrics: readonly Metric[];
  /** Names that look like a metric's and were not read as one, and files with registrations that were not. */
  readonly unread: readonly string[];
}

/** The metrics that files register, by name. */
export const metricsOf = (files: readonly Pick<SourceFile, 'path' | 'text'>[]): Found => {
  const metrics = new Map<string, Metric>();
  const unread = new Set<string>();
  for (const file of files) {
    const found = metricsIn(file);
    for (const metric of found) metrics.set(metric.name, metric);
    const read = new Set(found.map(({ name }) => name));
    for (const [, name = ''] of file.text.matchAll(NAME))
      if (!read.has(name)) unread.add(`${file.path}: ${name}`);
    const registrations = [...file.text.matchAll(REGISTRATION)].length;
    if (!HELPERS.has(file.path) && registrations > found.length)
      unread.add(`${file.path}: ${registrations} registrations, ${found.length} of them read`);
  }
  return {
    metrics: [...metrics.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    unread: [...unread].sort(),
  };
};

/** The metrics of all components. */
export const readMetrics = (root: string): Found =>
  metricsOf(readTree(root).filter(({ path }) => !isTestCode(path)));
