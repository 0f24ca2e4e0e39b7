/** What a run did when: one line a file or a cluster, as a chart, so that a wait shows. */

interface Span {
  readonly what: string;
  /** Milliseconds since the run began. */
  readonly from: number;
  readonly to: number;
}

const WIDTH = 60;
/** Shorter ones are told together. */
const LEAST_MS = 10_000;

const clock = (ms: number): string => {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, '0')}`;
};

/** The chart of spans, in the order of their beginnings. */
export const chart = (spans: readonly Span[]): readonly string[] => {
  const end = Math.max(0, ...spans.map(({ to }) => to));
  const column = (ms: number): number => Math.round((ms / Math.max(end, 1)) * WIDTH);
  const took = ({ from, to }: Span): number => to - from;
  const long = spans.filter((span) => took(span) >= LEAST_MS).sort((a, b) => a.from - b.from);
  const short = spans.filter((span) => took(span) < LEAST_MS);
  const lines = long.map((span) => {
    const bar = '#'.repeat(Math.max(1, column(span.to) - column(span.from)));
    const place = `${' '.repeat(column(span.from))}${bar}`.padEnd(WIDTH + 1);
    return `${clock(span.from).padStart(6)} ${clock(took(span)).padStart(6)} |${place}| ${span.what}`;
  });
  const rest = short.reduce((sum, span) => sum + took(span), 0);
  return [
    `# schedule of ${clock(end)}: beginning, time taken, what`,
    ...lines.map((line) => `# ${line}`),
    ...(short.length === 0 ? [] : [`#   and ${short.length} shorter ones, together ${clock(rest)}`]),
  ];
};

/** Notes what takes time in a run. */
export class Schedule {
  readonly #began = performance.now();
  readonly #spans: Span[] = [];

  async during<T>(what: string, work: () => Promise<T>): Promise<T> {
    const from = performance.now() - this.#began;
    try {
      return await work();
    } finally {
      this.#spans.push({ what, from, to: performance.now() - this.#began });
    }
  }

  lines(): readonly string[] {
    return chart(this.#spans);
  }
}
