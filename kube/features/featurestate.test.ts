import t from 'tap';
import type { Features } from '../../api/features.ts';
import {
  acceptedData,
  applyConfigMap,
  type ConfigData,
  effectiveFeatures,
  type FeatureChange,
  type FeatureState,
  initialState,
  problemsOf,
  removeConfigMap,
} from './featurestate.ts';

const DYNAMIC = 'castai-agent/dynamic';
const on: ConfigData = { 'config.yaml': 'rebalancer: {enabled: true}' };
const off: ConfigData = { 'config.yaml': 'rebalancer: {enabled: false}' };
const wrong: ConfigData = { 'config.yaml': 'rebalancer: [' };

/** Changes to ConfigMaps, in order; null deletes one. */
type History = readonly (readonly [string, ConfigData | null])[];

const replay = (story: History, inherited: Readonly<Record<string, ConfigData>> = {}) => {
  let state: FeatureState = initialState(inherited);
  const change: FeatureChange['kind'][] = [];
  for (const [key, data] of story) {
    const next =
      data === null ? removeConfigMap(state, key) : applyConfigMap(state, key, data, key === DYNAMIC);
    state = next.state;
    change.push(next.change.kind);
  }
  return { state, change };
};

const CASES: readonly [
  string,
  History,
  Readonly<Record<string, ConfigData>>,
  readonly FeatureChange['kind'][],
  Features,
][] = [
  ['no ConfigMap', [], {}, [], {}],
  [
    'off, and on again',
    [
      [DYNAMIC, off],
      [DYNAMIC, on],
    ],
    {},
    ['applied', 'applied'],
    { rebalancer: { enabled: true } },
  ],
  [
    'the same data again changes nothing',
    [
      [DYNAMIC, off],
      [DYNAMIC, { ...off }],
    ],
    {},
    ['applied', 'unchanged'],
    { rebalancer: { enabled: false } },
  ],
  [
    'invalid: the last valid data stays',
    [
      [DYNAMIC, off],
      [DYNAMIC, wrong],
    ],
    {},
    ['applied', 'refused'],
    { rebalancer: { enabled: false } },
  ],
  [
    'through several invalid ones',
    [
      [DYNAMIC, off],
      [DYNAMIC, wrong],
      [DYNAMIC, { 'config.yaml': '- x' }],
    ],
    {},
    ['applied', 'refused', 'refused'],
    { rebalancer: { enabled: false } },
  ],
  [
    'until valid data comes',
    [
      [DYNAMIC, off],
      [DYNAMIC, wrong],
      [DYNAMIC, on],
    ],
    {},
    ['applied', 'refused', 'applied'],
    { rebalancer: { enabled: true } },
  ],
  [
    'even if it is the data from before',
    [
      [DYNAMIC, off],
      [DYNAMIC, wrong],
      [DYNAMIC, off],
    ],
    {},
    ['applied', 'refused', 'applied'],
    { rebalancer: { enabled: false } },
  ],
  ['invalid from the start: the defaults', [[DYNAMIC, wrong]], {}, ['refused'], {}],
  [
    'invalid from the start of a new leader: the data that the old leader had accepted',
    [[DYNAMIC, wrong]],
    { [DYNAMIC]: off },
    ['refused'],
    { rebalancer: { enabled: false } },
  ],
  ['the data of a ConfigMap that was deleted between leaders does not count', [], { [DYNAMIC]: off }, [], {}],
  [
    'nor that of a ConfigMap that is valid now',
    [[DYNAMIC, on]],
    { [DYNAMIC]: off },
    ['applied'],
    { rebalancer: { enabled: true } },
  ],
  [
    'nor that of a ConfigMap that was deleted and came back invalid',
    [
      [DYNAMIC, on],
      [DYNAMIC, null],
      [DYNAMIC, wrong],
    ],
    { [DYNAMIC]: off },
    ['applied', 'removed', 'refused'],
    {},
  ],
  [
    'deleted: the defaults',
    [
      [DYNAMIC, off],
      [DYNAMIC, null],
    ],
    {},
    ['applied', 'removed'],
    {},
  ],
  ['deleted before it was known', [[DYNAMIC, null]], {}, ['unchanged'], {}],
  [
    'a later name wins',
    [
      ['n/b', on],
      ['n/a', off],
    ],
    {},
    ['applied', 'applied'],
    { rebalancer: { enabled: true } },
  ],
  [
    'the dynamic one wins over all names',
    [
      ['n/z', on],
      [DYNAMIC, off],
    ],
    {},
    ['applied', 'applied'],
    { rebalancer: { enabled: false } },
  ],
  [
    'an invalid one leaves the others alone',
    [
      ['n/a', { 'nodeConsolidation.enabled': 'true' }],
      [DYNAMIC, wrong],
    ],
    {},
    ['applied', 'refused'],
    { nodeConsolidation: { enabled: true } },
  ],
];

for (const [name, story, inherited, change, expected] of CASES) {
  t.test(name, async (t) => {
    const received = replay(story, inherited);
    t.same(received.change, change);
    t.same(effectiveFeatures(received.state), expected);
  });
}

t.test('the next leader inherits the accepted data, not the invalid data', async (t) => {
  const { state } = replay([
    [DYNAMIC, off],
    ['n/a', wrong],
    [DYNAMIC, wrong],
  ]);
  t.same(acceptedData(state), { [DYNAMIC]: off });
  t.match(problemsOf(state), [/^castai-agent\/dynamic: .*YAML/, /^n\/a: /]);
  const next = replay([[DYNAMIC, wrong]], acceptedData(state)).state;
  t.same(acceptedData(next), { [DYNAMIC]: off }, 'and so does the one after');
});

t.test('a refusal tells whether earlier data stays in force', async (t) => {
  const first = applyConfigMap(initialState(), DYNAMIC, wrong, true);
  t.match(first.change, { kind: 'refused', keepsEarlier: false });
  t.match(
    applyConfigMap(applyConfigMap(initialState(), DYNAMIC, on, true).state, DYNAMIC, wrong, true).change,
    { keepsEarlier: true },
  );
});
