import { createHash } from 'node:crypto';
import t from 'tap';
import type { Report } from '../reportmodel.ts';
import { pageOf } from '../testing/pages.ts';
import type { NodeBar } from './nodebars.ts';
import { renderPanel } from './panels.ts';
import { renderMachines } from './sections.ts';

/** What holds for the page of any cluster, small or large. */

const MANY = 2000;

const elementsIn = (page: string): number => page.match(/<[a-z]/g)?.length ?? 0;
const large = pageOf(MANY);
const small = pageOf(6);
const style = /<style>([\s\S]*)<\/style>/.exec(large)?.[1] ?? '';

t.test('a cluster of 2,000 nodes makes a page of bounded size, which says what it leaves out', async (t) => {
  t.ok(elementsIn(large) < 10_000, `${elementsIn(large)} elements`);
  t.ok(large.length < 1_000_000, `${large.length} characters`);
  t.match(large, /1,900 more nodes that cost \$[\d,]+ per month are not drawn/);
  t.match(large, /<summary>60 more workloads<\/summary>/);
  t.match(large, /920 more workloads in the output of <code>-o json<\/code>/);
  t.match(large, /<summary>667 nodes<\/summary>/);
});

t.test('nothing on the page is wider than a telephone', async (t) => {
  for (const page of [large, small]) {
    t.match(page, /<meta name="viewport" content="width=device-width,initial-scale=1">/);
    const drawn = [...page.matchAll(/<svg width="(\d+)"/g)].map(([, width]) => Number(width));
    t.ok(drawn.length > 0 && Math.max(...drawn) <= 320, 'bars are at most 320 px wide');
  }
  const fixed = [...style.matchAll(/(?<!max-)width:(\d+)px/g)].map(([, width]) => Number(width));
  t.ok(
    fixed.every((width) => width <= 320),
    'no wide box',
  );
  t.notMatch(style, /min-width/);
  t.match(
    style,
    /@media\(max-width:780px\)\{[\s\S]*table,tbody,tr,th,td\{display:block\}/,
    'tables become lists',
  );
});

t.test('each table has a caption, and each cell a name where the page is narrow', async (t) => {
  for (const table of large.match(/<table>[\s\S]*?<\/table>/g) ?? []) {
    t.match(table, /^<table><caption class="hidden">[^<]+<\/caption><thead><tr><th scope="col"/);
    t.notMatch(table, /<td(?![^>]*data-name="[^"]+")/);
  }
  t.ok((large.match(/<table>/g)?.length ?? 0) >= 5);
});

t.test('links lead to sections, and headings skip no level', async (t) => {
  const targets = [...large.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
  t.ok(targets.length >= 7);
  for (const id of targets) t.ok(large.includes(`id="${id}"`), `#${id} is there`);
  t.match(large, /<body><a class="skip" href="#report">/, 'the first link skips to the report');
  let level = 0;
  for (const [, digit] of large.matchAll(/<h(\d)/g)) {
    t.ok(Number(digit) <= level + 1, `h${digit} after h${level}`);
    level = Number(digit);
  }
});

t.test('the page has rules for dark screens, for the keyboard and for paper', async (t) => {
  t.match(style, /@media\(prefers-color-scheme:dark\)/);
  t.match(style, /:focus-visible\{outline:/);
  t.match(style, /@media print\{/);
  t.match(style, /details::details-content\{content-visibility:visible/, 'what is folded is printed');
});

t.test('the page lets in its stylesheet by hash, and nothing else', async (t) => {
  const hash = createHash('sha256').update(style).digest('base64');
  t.ok(large.includes(`content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'`));
  t.notMatch(large, /<script|https?:|\sstyle=|\son[a-z]+=/);
});

t.test('what could not be seen is on the page under the name that the table gives it', async (t) => {
  t.match(small, /<h2>What this report could not see<\/h2><ul><li>Nodes: list them\.<\/li><\/ul>/);
  t.notMatch(pageOf(6, { unseen: [] }), /could not see/);
});

t.test('what the saving is made of is told in the money of the page', async (t) => {
  const page = pageOf(6, {
    savingsBy: [
      { by: 'packing', monthly: 9_250.56 },
      { by: 'family', monthly: 412.96 },
    ],
  });
  t.match(page, /<li>\$9,251 per month by packing.*<li>\$413 per month by another family/);
});

t.test('the figures with and without other kinds of machine stand side by side', async (t) => {
  const figures = { monthlyAfter: 60, podsMoved: 3 };
  const page = pageOf(6, {
    choices: [
      { ...figures, keeps: [], monthlySavings: 40, savingsPercent: 40, isShown: true },
      {
        ...figures,
        keeps: ['capacity-type', 'architecture'],
        monthlySavings: 10,
        savingsPercent: 10,
        isShown: false,
      },
    ],
  });
  t.match(page, /any machine<\/p><p class="figure">40 %<[\s\S]*\$40 saved[\s\S]*this report shows this plan/);
  t.match(page, /the same capacity type and architecture<\/p><p class="figure">10 %</);
  t.match(page, /<code>--keep capacity-type,architecture<\/code> shows this plan/);
});

/** Nodes as bars, those of these types without a price. */
const barsOf = (types: readonly string[], unpriced: string): NodeBar[] =>
  types.map((instanceType, n) => ({
    name: `n${n}`,
    instanceType,
    price: instanceType === unpriced ? undefined : 0.1,
    cpu: 4000,
    memory: 16_384,
    shares: [],
    fate: 'kept',
  }));

t.test('nodes that are not drawn say how many of them have no known price', async (t) => {
  const types = Array.from({ length: 103 }, (_, n) => (n === 102 ? 'x9.huge' : 'm5.xlarge'));
  t.match(
    renderPanel('Today', barsOf(types, 'x9.huge'), 4000),
    /3 more nodes that cost \$146 per month without 1 of unknown price are not drawn/,
  );
  t.match(
    renderPanel('Today', barsOf(types.with(100, 'x9.huge').with(101, 'x9.huge'), 'x9.huge'), 4000),
    /3 more nodes that cost an unknown amount are not drawn/,
  );
});

t.test('the cost of like machines says how many of them have no known price', async (t) => {
  const report = { lines: [], added: [] } as unknown as Report;
  const bars = barsOf(['m5.xlarge', 'm5.xlarge', 'x9.huge'], 'x9.huge');
  const some = bars.map((bar, n) => (n === 1 ? { ...bar, price: undefined } : bar));
  const [section] = renderMachines(report, some, some);
  t.match(section?.html, /\$73<small>without 1 of unknown price<\/small>/);
  t.match(section?.html, /x9\.huge[\s\S]*planned cost per month">\?<\/td>/, 'and unknown is no sum');
});
