import t from 'tap';
import { createProgress, type ProgressMode } from './progress.ts';

const ERASE = '\r\x1b[K';

const scene = (mode: ProgressMode, columns?: number) => {
  const written: string[] = [];
  let now = 5_000;
  const progress = createProgress({
    mode,
    write: (text) => written.push(text),
    clock: () => now,
    ...(columns !== undefined && { columns }),
  });
  const wait = (ms: number): void => {
    now += ms;
    progress.tick();
  };
  return { progress, wait, written };
};

t.test('a terminal sees one line, rewritten and erased at the end', async (t) => {
  const { progress, wait, written } = scene('rewrite');
  progress.step('Reading');
  wait(100);
  wait(1_000);
  progress.step('Searching');
  progress.clear();
  progress.clear();
  t.same(written, [`${ERASE}Reading (0 s)`, `${ERASE}Reading (1 s)`, `${ERASE}Searching (1 s)`, ERASE]);
});

t.test('a line never wraps', async (t) => {
  const { progress, written } = scene('rewrite', 10);
  progress.step('Searching for nodes');
  t.same(written, [`${ERASE}Searching`]);
});

t.test('a pipe sees a line every ten seconds, and none of a short command', async (t) => {
  const { progress, wait, written } = scene('lines');
  progress.step('Reading');
  wait(9_000);
  progress.step('Searching');
  t.same(written, []);
  for (let second = 0; second < 12; second++) wait(1_000);
  progress.clear();
  t.same(written, ['Searching (10 s)\n', 'Searching (20 s)\n']);
});

t.test('nobody is told anything with --quiet', async (t) => {
  const { progress, wait, written } = scene('none');
  progress.step('Reading');
  wait(60_000);
  progress.clear();
  t.same(written, []);
});
