import t from 'tap';
import { CONFIG_KEY, parseFeatures } from './features.ts';
import { cpuMillisOf } from './testing/work.ts';

/** ConfigMaps made to cost us time, memory or the process: each is refused with one short sentence. */

const keys = (count: number): string => Array.from({ length: count }, (_, i) => `key${i}: v`).join('\n');
const names = 'abcdefghi'.split('');
const laughs = names.map((name, i) => {
  const items = i === 0 ? 'x' : `*${names[i - 1]}`;
  return `${name}: &${name} [${Array(10).fill(items).join(',')}]`;
});
const yaml = (text: string) => ({ [CONFIG_KEY]: text });

const ATTACKS: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
  ['700 KiB of keys, which took 50 s', yaml(keys(50_000)), /^it has \d+ bytes; at most 32768 are read$/],
  ['184 KiB of keys, which took 6 s', yaml(keys(14_000)), /^it has \d+ bytes; at most 32768 are read$/],
  [
    'bytes that count as one character each',
    yaml(`#${'€'.repeat(12_000)}`),
    /^it has 36012 bytes; at most 32768 are read$/,
  ],
  [
    'a thousand keys of data',
    Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`a${i}.b`, '1'])),
    /^it has 1000 keys; at most 100 are read$/,
  ],
  ['aliases that stand for a billion texts', yaml(laughs.join('\n')), /^config.yaml has aliases/],
  ['lists within lists, never closed', yaml('['.repeat(20_000)), /^config.yaml nests deeper than 16 levels$/],
  [
    'lists within lists',
    yaml(`x: ${'['.repeat(500)}${']'.repeat(500)}`),
    /^config.yaml nests deeper than 16 levels$/,
  ],
  [
    'maps within maps',
    yaml(`x: ${'{a: '.repeat(3000)}1${'}'.repeat(3000)}`),
    /^config.yaml nests deeper than 16 levels$/,
  ],
  ['dashes', yaml('- '.repeat(16_000)), /^config.yaml nests deeper than 16 levels$/],
  [
    'all that within one setting',
    { 'rebalancer.enabled': '['.repeat(9000) },
    /^rebalancer.enabled nests deeper than 16 levels$/,
  ],
  [
    'a second document behind a setting',
    { 'rebalancer.enabled': 'true\nx: y' },
    /^rebalancer.enabled is not/,
  ],
];

for (const [name, data, problem] of ATTACKS) {
  t.test(`a ConfigMap of ${name} is refused`, async (t) => {
    const found = parseFeatures(data);
    t.equal(found.ok, false);
    t.match(found, { problem });
  });
}

t.test('a ConfigMap as large as may be takes no time that anybody notices', async (t) => {
  const work = cpuMillisOf(() =>
    t.ok(parseFeatures(yaml(keys(2700))).ok, 'names that nobody knows are ignored'),
  );
  t.ok(work < 5000, `${work} CPU ms`);
});

t.test('an unknown tag is not printed as a warning', async (t) => {
  const warnings = t.capture(process, 'emitWarning', () => {});
  t.ok(parseFeatures(yaml(`x: !${'a'.repeat(9000)} y`)).ok);
  t.strictSame(warnings(), []);
});
