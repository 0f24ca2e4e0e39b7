import t from 'tap';
import type { Features } from '../../api/features.ts';
import {
  acceptedOf,
  type Book,
  type Data,
  drop,
  inForce,
  type News,
  openBook,
  problemsOf,
  take,
} from './book.ts';

const DYNAMIC = 'castai-agent/dynamic';
const on: Data = { 'config.yaml': 'rebalancer: {enabled: true}' };
const off: Data = { 'config.yaml': 'rebalancer: {enabled: false}' };
const wrong: Data = { 'config.yaml': 'rebalancer: [' };

/** Changes to ConfigMaps, in order; null deletes one. */
type Story = readonly (readonly [string, Data | null])[];

const tell = (story: Story, remembered: Readonly<Record<string, Data>> = {}) => {
  let book: Book = openBook(remembered);
  const news: News['kind'][] = [];
  for (const [key, data] of story) {
    const next = data === null ? drop(book, key) : take(book, key, data, key === DYNAMIC);
    book = next.book;
    news.push(next.news.kind);
  }
  return { book, news };
};

const CASES: readonly [string, Story, Readonly<Record<string, Data>>, readonly News['kind'][], Features][] = [
  ['nothing is said', [], {}, [], {}],
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
    'the same again is no news',
    [
      [DYNAMIC, off],
      [DYNAMIC, { ...off }],
    ],
    {},
    ['applied', 'unchanged'],
    { rebalancer: { enabled: false } },
  ],
  [
    'wrong: the last good one stays',
    [
      [DYNAMIC, off],
      [DYNAMIC, wrong],
    ],
    {},
    ['applied', 'refused'],
    { rebalancer: { enabled: false } },
  ],
  [
    'through several wrong ones',
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
    'until a good one comes',
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
    'even the good one from before',
    [
      [DYNAMIC, off],
      [DYNAMIC, wrong],
      [DYNAMIC, off],
    ],
    {},
    ['applied', 'refused', 'applied'],
    { rebalancer: { enabled: false } },
  ],
  ['wrong from the start: as it was started', [[DYNAMIC, wrong]], {}, ['refused'], {}],
  [
    'wrong from the start of a new leader: what the old one had',
    [[DYNAMIC, wrong]],
    { [DYNAMIC]: off },
    ['refused'],
    { rebalancer: { enabled: false } },
  ],
  ['what the old leader had of a ConfigMap that is gone does not count', [], { [DYNAMIC]: off }, [], {}],
  [
    'nor of one that is good now',
    [[DYNAMIC, on]],
    { [DYNAMIC]: off },
    ['applied'],
    { rebalancer: { enabled: true } },
  ],
  [
    'nor of one that was deleted and came back wrong',
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
    'deleted: as it was started',
    [
      [DYNAMIC, off],
      [DYNAMIC, null],
    ],
    {},
    ['applied', 'removed'],
    {},
  ],
  ['deleted before it was seen', [[DYNAMIC, null]], {}, ['unchanged'], {}],
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
    'a wrong one does not touch the others',
    [
      ['n/a', { 'nodeConsolidation.enabled': 'true' }],
      [DYNAMIC, wrong],
    ],
    {},
    ['applied', 'refused'],
    { nodeConsolidation: { enabled: true } },
  ],
];

for (const [name, story, remembered, news, expected] of CASES) {
  t.test(name, async (t) => {
    const told = tell(story, remembered);
    t.same(told.news, news);
    t.same(inForce(told.book), expected);
  });
}

t.test('the next leader is left what is in force, not what is wrong', async (t) => {
  const { book } = tell([
    [DYNAMIC, off],
    ['n/a', wrong],
    [DYNAMIC, wrong],
  ]);
  t.same(acceptedOf(book), { [DYNAMIC]: off });
  t.match(problemsOf(book), [/^castai-agent\/dynamic: .*YAML/, /^n\/a: /]);
  const next = tell([[DYNAMIC, wrong]], acceptedOf(book)).book;
  t.same(acceptedOf(next), { [DYNAMIC]: off }, 'and the one after');
});

t.test('a refusal says whether something earlier is in force', async (t) => {
  const first = take(openBook(), DYNAMIC, wrong, true);
  t.match(first.news, { kind: 'refused', keepsEarlier: false });
  t.match(take(take(openBook(), DYNAMIC, on, true).book, DYNAMIC, wrong, true).news, { keepsEarlier: true });
});
