import type { Check, CheckState } from '../../kube/preflight/check.ts';

/** How a state is shown: what is to be mended stands out. */
const WORDS: Readonly<Record<CheckState, string>> = {
  fine: 'ok',
  note: 'note',
  lacks: 'LACKS',
  unknown: 'UNKNOWN',
  skipped: 'skipped',
};

const conclusionOf = ({ lacks, unknown }: Readonly<Record<CheckState, number>>): string => {
  const unseen = unknown === 1 ? '1 thing could not be seen' : `${unknown} things could not be seen`;
  if (lacks > 0) {
    const found = lacks === 1 ? '1 thing is lacking' : `${lacks} things are lacking`;
    return unknown > 0 ? `${found}, and ${unseen}.` : `${found}.`;
  }
  return unknown > 0 ? `Nothing seen is lacking, but ${unseen}.` : 'Nothing is lacking.';
};

/** One line a check: state, name, sentence; and how it ends. */
export const tableOf = (checks: readonly Check[], counts: Readonly<Record<CheckState, number>>): string => {
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  const lines = checks.map(
    ({ name, state, message }) => `${WORDS[state].padEnd(7)}  ${name.padEnd(width)}  ${message}`,
  );
  return `${[...lines, '', conclusionOf(counts)].join('\n')}\n`;
};
