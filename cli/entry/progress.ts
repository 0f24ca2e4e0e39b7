/** Milliseconds between lines where they can't be rewritten. */
const SPARSE_MS = 10_000;
/** Milliseconds between rewritten lines. */
const OFTEN_MS = 250;
const ERASE = '\r\x1b[K';

/** What a command tells about its work while it works. */
export interface Progress {
  /** Names what is done from now on. */
  step(what: string): void;
  /** Shows the time where it is due; called often. */
  tick(): void;
  /** Erases the line that is rewritten, before something else is printed. */
  clear(): void;
}

/** Where progress goes: 'rewrite' to a terminal, 'lines' to a file or a pipe. */
export type ProgressMode = 'rewrite' | 'lines' | 'none';

/** Progress of a command; `clock` in milliseconds. A command of less than ten seconds writes no line into a pipe. */
export const createProgress = (o: {
  readonly mode: ProgressMode;
  readonly write: (text: string) => void;
  readonly clock: () => number;
  /** Columns of the terminal. */
  readonly columns?: number;
}): Progress => {
  const { mode, write, clock, columns = 80 } = o;
  const start = clock();
  let what = '';
  let isShown = false;
  let lastAt = start;
  const show = (now: number): void => {
    lastAt = now;
    const text = `${what} (${Math.floor((now - start) / 1000)} s)`;
    if (mode === 'lines') write(`${text}\n`);
    else {
      // A line that wraps could not be erased.
      write(`${ERASE}${text.slice(0, columns - 1)}`);
      isShown = true;
    }
  };
  return {
    step: (next) => {
      if (mode === 'none' || next === what) return;
      what = next;
      if (mode === 'rewrite') show(clock());
    },
    tick: () => {
      if (mode === 'none' || what === '') return;
      const now = clock();
      if (now - lastAt >= (mode === 'rewrite' ? OFTEN_MS : SPARSE_MS)) show(now);
    },
    clear: () => {
      if (isShown) write(ERASE);
      isShown = false;
    },
  };
};
