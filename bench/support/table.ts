/** One line of a benchmark's table. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  readonly ratio: string;
  readonly reach: string;
  readonly isMet: boolean | undefined;
}

const HEAD = ['what', 'ours', 'peer', 'ratio', 'reach', 'met'] as const;

export const formatNumber = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);

export const formatRatio = (value: number): string => `${value.toFixed(2)} ×`;

/** The rows as a Markdown table. */
export const tableOf = (rows: readonly Row[]): string => {
  const cells = [
    HEAD as readonly string[],
    ...rows.map(({ what, ours, peer, ratio, reach, isMet }) => [
      what,
      ours,
      peer,
      ratio,
      reach,
      isMet === undefined ? '' : isMet ? 'yes' : 'no',
    ]),
  ];
  const widths = HEAD.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = cells;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join(
    '\n',
  );
};
