import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseDocument } from 'yaml';
import { parseMessage } from './interruptionmessage.ts';

/** The templates that make a queue of our own: their syntax, that what they name is there, and which notices they send. */

const folder = join(import.meta.dirname, '..', '..', '..', 'manifests', 'aws');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

type Tree = { readonly [key: string]: unknown };
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

/** All objects and texts in a tree. */
const walk = (value: unknown): readonly unknown[] =>
  isTree(value) ? [value, ...Object.values(value).flatMap(walk)] : [value];

const message = (type: string): string =>
  JSON.stringify({
    version: '0',
    source: 'aws.ec2',
    'detail-type': type,
    time: '2026-11-30T12:00:00Z',
    detail: { 'instance-id': 'i-0123456789abcdef0', 'instance-action': 'terminate' },
  });
const NOTICES = [
  'EC2 Capacity Reservation Instance Interruption Warning',
  'EC2 Instance Rebalance Recommendation',
  'EC2 Spot Instance Interruption Warning',
];

t.test('CloudFormation: YAML without faults, in which every reference has its resource', async (t) => {
  const document = parseDocument(read('interruption-queue.cloudformation.yaml'));
  t.same([document.errors, document.warnings], [[], []]);
  const template = document.toJS() as Tree;
  const resources = template.Resources as Readonly<Record<string, Tree>>;
  const names = new Set([...Object.keys(resources), ...Object.keys(template.Parameters as Tree)]);
  const references = walk(template).flatMap((each): string[] => {
    if (!isTree(each)) return [];
    if (typeof each.Ref === 'string') return [each.Ref];
    if (Array.isArray(each['Fn::GetAtt'])) return [String(each['Fn::GetAtt'][0])];
    const text = each['Fn::Sub'];
    return typeof text === 'string' ? [...text.matchAll(/\$\{([^}]+)\}/g)].map(([, name = '']) => name) : [];
  });
  t.ok(references.length > 8, `${references.length} references`);
  t.same(
    references.filter((name) => !names.has(name)),
    [],
  );
  t.same(
    Object.values(resources)
      .map(({ Type }) => Type)
      .toSorted(),
    [
      'AWS::Events::Rule',
      'AWS::Events::Rule',
      'AWS::IAM::ManagedPolicy',
      'AWS::SQS::Queue',
      'AWS::SQS::QueuePolicy',
    ],
  );
  const types = Object.values(resources)
    .filter(({ Type }) => Type === 'AWS::Events::Rule')
    .flatMap(({ Properties }) => ((Properties as Tree).EventPattern as Tree)['detail-type'] as string[]);
  t.same(types.toSorted(), NOTICES);
});

/** Brackets, quotes and references of one template string of Terraform. */
const faultsOf = (text: string, names: ReadonlySet<string>): readonly string[] => {
  const inner = [...text.matchAll(/\$\{((?:[^{}]|\{[^{}]*\})*)\}/g)].map(([, code = '']) => code);
  const isBalanced = ['()', '[]', '{}'].every(
    ([open = '', close = '']) => text.split(open).length === text.split(close).length,
  );
  const hasQuotes = (text.match(/"/g) ?? []).length % 2 === 0;
  const references = inner.flatMap((code) =>
    [...code.replace(/"[^"]*"/g, '').matchAll(/\b(?:data\.)?(?:aws_\w+|var|local)\.\w+/g)].map(
      ([name]) => name,
    ),
  );
  return [
    ...(isBalanced && hasQuotes && (inner.length > 0 || !text.includes('${')) ? [] : [`syntax of ${text}`]),
    ...references.filter((name) => !names.has(name)),
  ];
};

t.test('Terraform: JSON syntax, in which every reference has its block', async (t) => {
  const template = JSON.parse(read('interruption-queue.tf.json')) as Readonly<Record<string, Tree>>;
  t.same(
    Object.keys(template).filter(
      (key) => !['//', 'variable', 'locals', 'resource', 'data', 'output'].includes(key),
    ),
    [],
  );
  const blocks = (kind: string, prefix: string): string[] =>
    Object.entries(template[kind] ?? {}).flatMap(([type, all]) =>
      Object.keys(all as Tree).map((name) => `${prefix}${type}.${name}`),
    );
  const names = new Set([
    ...blocks('resource', ''),
    ...blocks('data', 'data.'),
    ...Object.keys(template.variable ?? {}).map((name) => `var.${name}`),
    ...Object.keys(template.locals ?? {}).map((name) => `local.${name}`),
  ]);
  const texts = walk(template).filter((each) => typeof each === 'string');
  t.same(
    texts.flatMap((text) => faultsOf(text, names)),
    [],
  );
  t.same(
    faultsOf(`\${aws_sqs_queue.other.arn}`, names),
    ['aws_sqs_queue.other'],
    'a wrong name would be found',
  );
  const notices = Object.values(
    (template.locals?.notices ?? {}) as Readonly<Record<string, string[]>>,
  ).flat();
  t.same(notices.toSorted(), NOTICES);
});

t.test('each notice that the rules send is understood', async (t) => {
  for (const type of NOTICES)
    t.match(parseMessage(message(type)), { kind: 'notice', instanceId: 'i-0123456789abcdef0' });
});

/** Sentence, body, what it is taken for. */
const BODIES: readonly (readonly [string, string, object])[] = [
  [
    'a machine that ends',
    JSON.stringify({
      ...JSON.parse(message('EC2 Instance State-change Notification')),
      detail: { 'instance-id': 'i-0a', state: 'shutting-down' },
    }),
    { notice: 'terminating' },
  ],
  [
    'a machine that starts',
    JSON.stringify({
      ...JSON.parse(message('EC2 Instance State-change Notification')),
      detail: { 'instance-id': 'i-0a', state: 'running' },
    }),
    { kind: 'of-others' },
  ],
  [
    'an event of another service',
    JSON.stringify({ ...JSON.parse(message(NOTICES[0] ?? '')), source: 'aws.health' }),
    { kind: 'of-others' },
  ],
  [
    'a forged instance id',
    JSON.stringify({ ...JSON.parse(message(NOTICES[0] ?? '')), detail: { 'instance-id': '../../i-0a' } }),
    { kind: 'broken' },
  ],
  [
    'no instance',
    JSON.stringify({ ...JSON.parse(message(NOTICES[0] ?? '')), detail: 7 }),
    { kind: 'broken' },
  ],
  ['no time', JSON.stringify({ ...JSON.parse(message(NOTICES[0] ?? '')), time: 'soon' }), { kind: 'broken' }],
  ['no JSON', '{', { kind: 'broken' }],
  ['an empty body', '', { kind: 'broken' }],
  ['null', 'null', { kind: 'broken' }],
];
for (const [sentence, body, expected] of BODIES) {
  t.test(`${sentence} is told apart`, async (t) => t.match(parseMessage(body), expected));
}
