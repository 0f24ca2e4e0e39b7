import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { paced } from '../../kube/testing/pace.ts';
import type { Report } from '../reportmodel.ts';
import { type Browser, findChromium, startChromium } from '../testing/browser.ts';
import { pageOf } from '../testing/pages.ts';

/** The page of 2,000 nodes in a Chromium, where this machine has one. */

const OPEN_MS = 2_000;
const TELEPHONE = 390;
/** What WCAG 2.2 asks of text, and of large text, at level AA. */
const CONTRAST = { small: 4.5, large: 3 };

/** As long as a name may be, with nothing to break it at. */
const LONG = 'x'.repeat(253);
/** What has the longest names and sentences that a report may have, beside what every page has. */
const EXTREMES = {
  warnings: [`The plan goes past consolidationPolicy WhenEmpty of NodePool ${LONG}.`],
  reason: `No cheaper set of nodes was found for ${LONG}.`,
  unseen: [`NodeClass ${LONG} could not be read: give it to the report.`],
  choices: [
    {
      keeps: [],
      monthlyAfter: 60,
      podsMoved: 3,
      monthlySavings: 4_000_000,
      savingsPercent: 40,
      isShown: true,
    },
    {
      keeps: ['capacity-type', 'architecture', 'zone', 'family'],
      monthlyAfter: 90_000_000,
      podsMoved: 200_000,
      monthlySavings: 10,
      savingsPercent: 10,
      isShown: false,
    },
  ],
  leftOut: [
    {
      kind: 'pod-budget',
      cause: `PodDisruptionBudget ${LONG} allows no disruption`,
      nodes: 3,
      nodeNames: [LONG, LONG, LONG],
      pods: [`${LONG}/${LONG}`],
      monthlyCost: 100,
      unpriced: 1,
      alone: { nodes: 2, monthlyCost: 50, unpriced: 1 },
      whatToDo: `add a replica to ${LONG}`,
    },
  ],
  moves: [
    {
      kind: LONG.slice(0, 63),
      namespace: LONG.slice(0, 63),
      name: LONG,
      pods: 1,
      podsInAll: 2,
      stopSeconds: 30,
      startSeconds: 5,
      risks: [{ kind: 'disruption-budget', message: `budget ${LONG} covers them` }],
    },
  ],
} satisfies Partial<Report>;

const program = findChromium();
const options = program ? {} : { skip: 'no Chromium here: install chromium to look at the page' };

/** The widths of the page, and what sticks out of the screen at the right. */
const SIDEWAYS = `(() => {
  const width = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll('main *')].filter((each) => {
    if (each.closest('.hidden, thead, svg, .skip')) return false;
    const { right, width: own } = each.getBoundingClientRect();
    return own > 0 && right > width + 0.5;
  });
  return { width, scrolls: document.documentElement.scrollWidth, out: out.slice(0, 5).map((each) => each.outerHTML.slice(0, 120)) };
})()`;

/** Texts whose contrast with what is behind them is too low. */
const FAINT = `(() => {
  const parts = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parts(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const seen = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest('.hidden, .skip, svg')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parts(style.color)), light(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (isLarge ? ${CONTRAST.large} : ${CONTRAST.small}))
      seen.set(element.className + ' ' + style.color, ratio.toFixed(2) + ': ' + node.data.trim().slice(0, 60));
  }
  return [...seen.values()];
})()`;

/** What has the focus, and whether that shows. */
const FOCUSED = `(() => {
  const element = document.activeElement;
  const { left, top, right, bottom } = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  return {
    tag: element.tagName,
    text: element.textContent.trim().slice(0, 40),
    id: element.id,
    isSeen: left >= 0 && right <= innerWidth && bottom > 0 && top < innerHeight,
    isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
  };
})()`;

interface Focused {
  readonly tag: string;
  readonly text: string;
  readonly id: string;
  readonly isSeen: boolean;
  readonly isMarked: boolean;
}

const UNFOLD = `document.querySelectorAll('details').forEach((each) => (each.open = true))`;

t.test('the page of 2,000 nodes in Chromium', options, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cli-'));
  const browser: Browser = await startChromium(program ?? '');
  const { tab } = browser;
  t.teardown(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const path = join(folder, 'report.html');
  const page = pageOf(2_000);
  writeFileSync(path, page);
  const url = pathToFileURL(path).href;

  await t.test('it opens within two seconds, and loads and logs nothing', async (t) => {
    await tab.show({ width: 1280 });
    await tab.open('about:blank');
    tab.events.length = 0;
    const from = performance.now();
    await tab.open(url);
    // Everything is laid out and painted once a frame has passed.
    await tab.value('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    const ms = Math.round(performance.now() - from);
    t.comment(`${page.length} characters opened in ${ms} ms`);
    t.ok(ms <= paced(OPEN_MS), `${ms} ms`);
    const asked = tab.events.filter(({ method }) => method === 'Network.requestWillBeSent');
    t.match(asked, [{ params: { request: { url } } }]);
    t.equal(asked.length, 1, 'nothing but the page itself');
    const logged = tab.events.filter(({ method }) =>
      /^(Log\.entryAdded|Runtime\.(exc|console))/.test(method),
    );
    t.same(logged, []);
  });

  const extreme = join(folder, 'extreme.html');
  writeFileSync(extreme, pageOf(60, EXTREMES));
  for (const width of [320, TELEPHONE, 700, 780, 781, 1280]) {
    await t.test(`at ${width} px nothing is wider than the screen, however long its words are`, async (t) => {
      await tab.show({ width });
      for (const each of [url, pathToFileURL(extreme).href]) {
        await tab.open(each);
        for (const how of ['folded', 'unfolded']) {
          if (how === 'unfolded') await tab.value(UNFOLD);
          t.same(await tab.value(SIDEWAYS), { width, scrolls: width, out: [] }, how);
        }
      }
    });
  }

  for (const scheme of ['light', 'dark'] as const) {
    await t.test(`on a ${scheme} screen all text can be read`, async (t) => {
      await tab.show({ width: 1280, scheme });
      await tab.open(url);
      await tab.value(UNFOLD);
      const ground = await tab.value<string>('getComputedStyle(document.body).backgroundColor');
      const lightest = Math.min(...(ground.match(/\d+/g) ?? []).map(Number));
      t.ok(scheme === 'dark' ? lightest < 60 : lightest > 200, ground);
      t.same(await tab.value(FAINT), []);
    });
  }

  await t.test('a keyboard reaches everything, and shows where it is', async (t) => {
    await tab.show({ width: 1280 });
    await tab.open(url);
    await tab.press('Tab');
    t.match(await tab.value(FOCUSED), { tag: 'A', text: 'Skip to the report', isSeen: true, isMarked: true });
    await tab.press('Enter');
    t.match(await tab.value(FOCUSED), { id: 'report' });
    await tab.open(url);
    const count = await tab.value<number>(`document.querySelectorAll('a, summary').length`);
    t.ok(count >= 10, `${count} stops`);
    const stops: Focused[] = [];
    for (let n = 0; n < count; n += 1) {
      await tab.press('Tab');
      stops.push(await tab.value<Focused>(FOCUSED));
    }
    t.same(
      stops.filter(({ isSeen, isMarked }) => !isSeen || !isMarked),
      [],
    );
    const folds = stops.filter(({ tag }) => tag === 'SUMMARY');
    t.ok(folds.length >= 2, `${folds.length} folds`);
    t.equal(stops.filter(({ tag }) => tag === 'A').length + folds.length, count);
    for (const [key, isOpen] of [
      ['Enter', true],
      [' ', false],
    ] as const) {
      await tab.value(`document.querySelector('summary').focus()`);
      await tab.press(key);
      t.equal(await tab.value('document.querySelector("details").open'), isOpen, JSON.stringify(key));
    }
  });

  await t.test('paper shows what is folded, in black on white, within its width', async (t) => {
    await tab.show({ width: 718, media: 'print', scheme: 'dark' });
    await tab.open(url);
    t.match(await tab.value(SIDEWAYS), { out: [] });
    t.equal(await tab.value('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)');
    t.same(await tab.value(FAINT), []);
    t.equal(await tab.value(`document.querySelector('nav').checkVisibility()`), false);
    t.equal(
      await tab.value(
        `[...document.querySelectorAll('details > :not(summary)')].filter((each) => each.getBoundingClientRect().height === 0).length`,
      ),
      0,
      'nothing is folded',
    );
    const { data } = await tab.call<{ data: string }>('Page.printToPDF', { printBackground: false });
    const pdf = Buffer.from(data, 'base64').toString('latin1');
    const pages = pdf.match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    t.ok(pages >= 2 && pages <= 60, `${pages} pages`);
  });
});
