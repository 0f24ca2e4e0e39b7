import fc from 'fast-check';
import t from 'tap';
import { ReservedNames } from '../intents/reservednames.ts';
import { BadRequest, readAnyArgs, readArgs, type SchedulerArgs } from './args.ts';
import { namesOf, splitReserved } from './nodenames.ts';

/** The two ways to read a body: from its bytes, and with JSON.parse. */

const POD = { metadata: { name: 'web-1', namespace: 'shop', uid: 'u-1' }, spec: { containers: [] } };

const written = (pod: unknown, names: unknown): string =>
  JSON.stringify({ Pod: pod, Nodes: null, NodeNames: names });

const outcomeOf = (read: () => SchedulerArgs): unknown => {
  try {
    const asked = read();
    const { pod } = asked;
    return { pod, names: asked.kind === 'bytes' ? namesOf(asked.list) : asked.names };
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    return error.message;
  }
};

/** Both ways must agree on every body, valid or not. */
const agree = (text: string | Buffer): void => {
  const body = Buffer.from(text as string);
  const [ours, plain] = [outcomeOf(() => readArgs(body)), outcomeOf(() => readAnyArgs(Buffer.from(body)))];
  if (JSON.stringify(ours) !== JSON.stringify(plain)) {
    throw new Error(`${body.toString()}\nread as ${JSON.stringify(ours)}, not ${JSON.stringify(plain)}`);
  }
};

t.test('what kube-scheduler writes is left as bytes', async (t) => {
  for (const names of [[], ['a'], ['ip-10-0-0-1.us-west-2.compute.internal', 'b']]) {
    const asked = readArgs(Buffer.from(written(POD, names)));
    t.equal(asked.kind, 'bytes');
    t.same(asked.pod, POD);
    t.same(asked.kind === 'bytes' && namesOf(asked.list), names);
  }
});

const good = written(POD, ['a', 'b', 'c']);
const mark = ',"Nodes":null,"NodeNames":["a"]';
const BODIES: readonly (readonly [string, string])[] = [
  ['as it should be', good],
  ['no names', written(POD, [])],
  ['names that are null', written(POD, null)],
  ['a pod that holds keys of the same names', written({ ...POD, Nodes: null, NodeNames: ['x'] }, ['a'])],
  [
    'a pod that ends in keys of the same names',
    `{"Pod":{"metadata":{}${mark}},"Nodes":null,"NodeNames":["b"]}`,
  ],
  ['the keys in the pod alone', `{"Pod":{"metadata":{}${mark}}}`],
  ['the mark in a string', written({ metadata: { name: mark } }, ['a'])],
  [
    'the mark in a string, unescaped',
    `{"Pod":{"metadata":{"name":"${mark}"}},"Nodes":null,"NodeNames":["b"]}`,
  ],
  ['names twice', `{"Pod":{"metadata":{}},"Nodes":null,"NodeNames":["a"]${mark}}`],
  ['names twice, the second a key later', `{"Pod":{"metadata":{}}${mark},"Pod":{"metadata":{"name":"x"}}}`],
  ['a pod twice', `{"Pod":1,"Pod":{"metadata":{"name":"x"}}${mark}}`],
  ['a pod in two spellings', `{"pod":{"metadata":{"name":"x"}},"Pod":{"metadata":{"name":"y"}}${mark}}`],
  ['no pod', `{"pods":1${mark}}`],
  ['an empty start', `${mark}}`],
  ['a start that is a list', `[1${mark}}`],
  ['a start that is a number', `1${mark}}`],
  ['a start with a comma too many', `{"Pod":{"metadata":{}},${mark}}`],
  ['an end too many', `${good}}`],
  ['a bracket too many', good.replace(']}', ']]}')],
  ['an end missing', good.slice(0, -1)],
  ['a new line at the end', `${good}\n`],
  ['a space between names', good.replace('"a",', '"a", ')],
  ['a comma too many', good.replace('"c"]', '"c",]')],
  ['a comma first', good.replace('["a"', '[,"a"')],
  ['two commas', good.replace('"a",', '"a",,')],
  ['a comma missing', good.replace('"a",', '"a"')],
  ['only a comma', written(POD, []).replace('[]}', '[,]}')],
  ['a name that does not end', good.replace('"c"]', '"c]')],
  ['a name without quotes', good.replace('"b"', 'b')],
  ['a name that is a number', written(POD, ['a', 1])],
  ['a name that is null', written(POD, [null])],
  ['a name that is a list', written(POD, [['a']])],
  ['a name in escapes', good.replace('"b"', '"\\u0062"')],
  ['a quote in a name', written(POD, ['a"', '"b'])],
  ['a backslash in a name', written(POD, ['a\\'])],
  ['an escape that is none', good.replace('"b"', '"\\x"')],
  ['a control byte in a name', good.replace('"b"', '"\u0001"')],
  ['a tab in a name', good.replace('"b"', '"\t"')],
  ['a name in Greek', written(POD, ['νέος'])],
  ['an empty name', written(POD, ['', ''])],
  ['an owner that is no owner', written({ metadata: { ownerReferences: 7 } }, ['a'])],
  ['an owner without uid', written({ metadata: { ownerReferences: [{ controller: true }] } }, ['a'])],
  ['a uid that is a number', written({ metadata: { uid: 1 } }, ['a'])],
  ['a pod that is null', written(null, ['a'])],
  ['a key that is dangerous to merge', `{"__proto__":{"metadata":{}}${mark}}`],
  ['nothing', ''],
];
for (const [what, text] of BODIES) {
  t.test(`${what}: read from bytes as JSON.parse reads it`, async () => {
    agree(text);
  });
}

t.test('bytes that are no UTF-8 are read as JSON.parse reads them', async () => {
  const body = Buffer.from(good);
  body[body.indexOf('shop')] = 0xff;
  agree(body);
  body[body.lastIndexOf('"b"') + 1] = 0xff;
  agree(body);
});

const nodeName = fc.oneof(
  fc.stringMatching(/^[a-z0-9.-]{0,12}$/),
  fc.string({ maxLength: 4, unit: 'binary' }),
);
const body = fc
  .tuple(
    fc.oneof(fc.constant(POD), fc.record({ metadata: fc.jsonValue(), x: fc.string() })),
    fc.array(nodeName),
  )
  .map(([pod, names]) => written(pod, names));
/** One random edit: a piece cut out, doubled, or overwritten with JSON syntax. */
const change = fc.record({
  at: fc.nat(400),
  length: fc.nat(6),
  piece: fc.constantFrom(
    '',
    '"',
    ',',
    '[',
    ']',
    '{',
    '}',
    '\\',
    '\\u0061',
    ':',
    'null',
    '1',
    ' ',
    mark,
    '\n',
  ),
});

t.test('whatever is changed in a body, both ways read the same', async () => {
  fc.assert(
    fc.property(body, fc.array(change, { maxLength: 3 }), (text, changes) => {
      const changed = changes.reduce((all, { at, length, piece }) => {
        const from = all.length === 0 ? 0 : at % all.length;
        return all.slice(0, from) + piece + all.slice(from + length);
      }, text);
      agree(changed);
    }),
    { numRuns: 3_000 },
  );
});

t.test('reserved names are taken out of a list, wherever they are and however often', async () => {
  const short = fc.stringMatching(/^[ab]{0,3}$/);
  fc.assert(
    fc.property(fc.array(short), fc.uniqueArray(short), (names, reserved) => {
      const text = JSON.stringify(names);
      const bytes = Buffer.from(text);
      const plans = new Map(reserved.map((name) => [name, `plan of ${name}`]));
      const list = { bytes, from: 1, to: bytes.length - 1 };
      const parted = splitReserved(list, new ReservedNames(plans));
      const kept = JSON.parse(`[${parted?.kept.join(',')}]`);
      const found = [...(parted?.reserved ?? [])].toSorted();
      const expected = [...plans].filter(([name]) => names.includes(name)).toSorted();
      const rest = names.filter((name) => !plans.has(name));
      if (JSON.stringify([kept, found]) !== JSON.stringify([rest, expected])) {
        throw new Error(`${text} without ${reserved} became ${JSON.stringify([kept, found])}`);
      }
    }),
  );
});
