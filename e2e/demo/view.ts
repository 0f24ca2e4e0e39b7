import type { DemoState, NodeLine, NodeState } from './state.ts';

/** Draws a DemoState as lines of text; colours are for terminals, plain lines for everything else. */

const BAR = 32;
const COLOUR: Record<NodeState, string> = {
  steady: '34',
  ordered: '90',
  placeholder: '33',
  new: '32',
  draining: '31',
};
const WORD: Record<NodeState, string> = {
  steady: '',
  ordered: 'ordered',
  placeholder: 'placeholder stands',
  new: 'new',
  draining: 'draining',
};

const paint = (code: string, text: string): string => `\u001b[${code}m${text}\u001b[0m`;

const bar = (line: NodeLine): string => {
  const filled = line.room === 0 ? 0 : Math.min(BAR, Math.round((line.used / line.room) * BAR));
  const empty = line.state === 'placeholder' || line.state === 'ordered' ? '░' : '·';
  return '█'.repeat(filled) + empty.repeat(BAR - filled);
};

const nodeText = (line: NodeLine): string => {
  const percent = line.room === 0 ? 0 : Math.round((line.used / line.room) * 100);
  const figures = `${String(percent).padStart(3)} % cpu ${String(line.pods).padStart(3)} pods`;
  const name = line.name.padEnd(18).slice(0, 18);
  return `${name} ${line.instanceType.padEnd(13)} ${paint(COLOUR[line.state], bar(line))} ${figures}  ${`$${line.price.toFixed(3)}/h`.padStart(9)}  ${WORD[line.state]}`;
};

/** The whole picture, for a terminal. */
export const drawScreen = (state: DemoState, seconds: number): string[] => [
  paint('1', 'precision-packer') +
    `  ${seconds.toFixed(0).padStart(4)} s   claim ${state.claimState}   plan ${state.planState}   phase ${state.phase}`,
  `machines added ${state.created.join(' of ')}   removed ${state.deleted.join(' of ')}   pods running ${state.running}   pending ${state.pending}   ${paint('1', `$${state.price.toFixed(3)}/h`)}`,
  '',
  ...state.nodes.map(nodeText),
];

/** One line on the state, for a log; it changes only when something changes that a reader cares about. */
export const drawLine = (state: DemoState): string => {
  const count = (s: NodeState) => state.nodes.filter((n) => n.state === s).length;
  return [
    `claim ${state.claimState}`,
    `plan ${state.phase}`,
    `nodes ${state.nodes.length} (${count('placeholder')} placeholders, ${count('new')} new, ${count('draining')} draining)`,
    `added ${state.created.join('/')}`,
    `removed ${state.deleted.join('/')}`,
    `$${state.price.toFixed(3)}/h`,
  ].join(' · ');
};

export interface Screen {
  show(state: DemoState): void;
}

/** A screen that redraws itself in place on a terminal and prints a line at each change anywhere else. */
export const openScreen = (out: NodeJS.WriteStream, startedAt: number, now: () => number): Screen => {
  let last = '';
  let height = 0;
  return {
    show(state) {
      const seconds = (now() - startedAt) / 1000;
      if (!out.isTTY) {
        const line = drawLine(state);
        if (line !== last) out.write(`${seconds.toFixed(1).padStart(6)} s  ${line}\n`);
        last = line;
        return;
      }
      const lines = drawScreen(state, seconds).slice(0, Math.max(4, (out.rows ?? 50) - 1));
      const up = height > 0 ? `\u001b[${height}A` : '';
      out.write(`${up}${lines.map((l) => `\u001b[2K${l}`).join('\n')}\n\u001b[0J`);
      height = lines.length;
    },
  };
};
