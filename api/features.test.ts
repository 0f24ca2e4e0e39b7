import t from 'tap';
import { CONFIG_KEY, type Features, isEnabled, mergeFeatures, parseFeatures } from './features.ts';

const yaml = (text: string) => parseFeatures({ [CONFIG_KEY]: text });

const READ: readonly [string, Readonly<Record<string, string>> | undefined, Features, readonly string[]][] = [
  ['no data at all', undefined, {}, []],
  ['an empty document', { [CONFIG_KEY]: '' }, {}, []],
  ['a document of comments', { [CONFIG_KEY]: '# nothing yet\n' }, {}, []],
  ['a gate', { [CONFIG_KEY]: 'rebalancer: {enabled: false}' }, { rebalancer: { enabled: false } }, []],
  [
    'a section with nothing in it',
    { [CONFIG_KEY]: 'rebalancer:\nnodeConsolidation:\n  enabled:\n' },
    { nodeConsolidation: {} },
    [],
  ],
  [
    'all of a section',
    {
      [CONFIG_KEY]:
        'continuousRebalancing:\n  enabled: true\n  mode: drain-only\n  savingsThresholdPercent: "12.5"\n  minNodeAgeSeconds: 0\n  aggressiveModeConfig:\n    ignoreProblemJobPods: true\n    drainTimeout: 5m\n',
    },
    {
      continuousRebalancing: {
        enabled: true,
        mode: 'drain-only',
        savingsThresholdPercent: 12.5,
        minNodeAgeSeconds: 0,
        aggressiveModeConfig: { ignoreProblemJobPods: true, drainTimeout: '5m' },
      },
    },
    [],
  ],
  ['one setting a key', { 'podPinner.enabled': 'false' }, { podPinner: { enabled: false } }, []],
  [
    'a key beside the document wins over it',
    {
      'rebalancer.enabled': 'true',
      [CONFIG_KEY]: 'rebalancer: {enabled: false}\npodPinner: {enabled: true}',
    },
    { rebalancer: { enabled: true }, podPinner: { enabled: true } },
    [],
  ],
  [
    'a misspelt section is named, the others are in force',
    { [CONFIG_KEY]: 'rebalancr: {enabled: false}\nnodeConsolidation: {enabled: true}' },
    { nodeConsolidation: { enabled: true } },
    ['rebalancr'],
  ],
  [
    'so is a misspelt setting, however deep',
    { [CONFIG_KEY]: 'continuousRebalancing: {aggressiveModeConfig: {ignoreAll: true}, enable: true}' },
    { continuousRebalancing: { aggressiveModeConfig: {} } },
    ['continuousRebalancing.aggressiveModeConfig.ignoreAll', 'continuousRebalancing.enable'],
  ],
  ['keys that are no setting are named', { 'a-note': 'made by hand' }, {}, ['a-note']],
  ['and can not reach what all objects share', { '__proto__.enabled': 'true' }, {}, ['__proto__']],
];

for (const [name, data, features, unknown] of READ) {
  t.test(name, async (t) => {
    t.same(parseFeatures(data), { ok: true, features, unknown });
    t.equal(({} as { enabled?: boolean }).enabled, undefined);
  });
}

const WRONG: readonly [string, RegExp][] = [
  ['rebalancer: [', /^config\.yaml is not YAML: .* line 1/],
  ['rebalancer: {enabled: true}\nrebalancer: {enabled: false}', /not YAML: .*unique/],
  ['a: *nobody', /not YAML/],
  ['- rebalancer', /holds no map/],
  ['just words', /holds no map/],
  ['rebalancer: true', /^rebalancer: .*expected object/],
  ['rebalancer: {enabled: maybe}', /^rebalancer\.enabled: .*expected boolean/],
  ['rebalancer: {enabled: "true"}', /^rebalancer\.enabled: .*expected boolean/],
  ['continuousRebalancing: {mode: half}', /^continuousRebalancing\.mode: .*drain-only/],
  ['continuousRebalancing: {savingsThresholdPercent: 120}', /savingsThresholdPercent: 0 to 100 is expected/],
  ['continuousRebalancing: {minNodeAgeSeconds: -1}', /minNodeAgeSeconds: at least 0/],
  ['continuousRebalancing: {minNodeAgeSeconds: 5m}', /minNodeAgeSeconds: a number is expected/],
  ['continuousRebalancing: {maxNodesPerIteration: 1.5}', /whole number/],
  ['spotInterruptionPrediction: {interruptionThreshold: 2}', /0 to 1/],
  ['continuousRebalancing: {aggressiveModeConfig: {drainTimeout: soon}}', /drainTimeout/],
  ['rebalancer: {enabled: 1}\nnodeConsolidation: {enabled: 2}', /rebalancer.*; nodeConsolidation/],
];

for (const [text, problem] of WRONG) {
  t.test(`refused, with what is wrong: ${JSON.stringify(text)}`, async (t) => {
    const found = yaml(text);
    if (found.ok) return t.fail('it was taken');
    t.match(found.problem, problem);
    t.notMatch(found.problem, /\n/, 'one line');
  });
}

const MERGED: readonly [string, readonly Features[], Features][] = [
  ['nothing', [], {}],
  [
    'the later wins',
    [{ rebalancer: { enabled: true } }, { rebalancer: { enabled: false } }],
    { rebalancer: { enabled: false } },
  ],
  [
    'setting by setting',
    [
      {
        continuousRebalancing: {
          enabled: true,
          mode: 'full',
          aggressiveModeConfig: { ignoreBlockingPDB: true },
        },
      },
      { continuousRebalancing: { mode: 'drain-only', aggressiveModeConfig: { drainTimeout: '1m' } } },
      {},
    ],
    {
      continuousRebalancing: {
        enabled: true,
        mode: 'drain-only',
        aggressiveModeConfig: { ignoreBlockingPDB: true, drainTimeout: '1m' },
      },
    },
  ],
];

for (const [name, all, expected] of MERGED) {
  t.test(`merged: ${name}`, async (t) => {
    const before = JSON.stringify(all);
    t.same(mergeFeatures(all), expected);
    t.equal(JSON.stringify(all), before, 'what came in is as it was');
  });
}

t.test('a feature that no ConfigMap names is as the component was started', async (t) => {
  t.equal(isEnabled({}, 'rebalancer', true), true);
  t.equal(isEnabled({ rebalancer: {} }, 'rebalancer', false), false);
  t.equal(isEnabled({ rebalancer: { enabled: false } }, 'rebalancer', true), false);
});
