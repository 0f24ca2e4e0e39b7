import { performance } from 'node:perf_hooks';

/** Shows a person what takes time. */
export interface Progress {
  say(line: string): void;
  /** Runs a step, showing its name and the seconds so far, then the seconds it took. */
  during<T>(step: string, work: () => Promise<T>): Promise<T>;
}

export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const TERMINAL_EVERY_MS = 1_000;
const PLAIN_EVERY_MS = 15_000;

/** On a terminal, progress is one line that counts; elsewhere it is a line now and then. */
export function progressOn(output: ProgressOutput): Progress {
  const isTerminal = output.isTTY === true;
  return {
    say: (line) => void output.write(`${line}\n`),
    async during(step, work) {
      const start = performance.now();
      const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
      const show = () => output.write(isTerminal ? `\r${step} … ${seconds()}` : `${step} … ${seconds()}\n`);
      const timer = setInterval(show, isTerminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS);
      try {
        const result = await work();
        output.write(`${isTerminal ? '\r' : ''}${step}: ${seconds()}\n`);
        return result;
      } finally {
        clearInterval(timer);
      }
    },
  };
}

/** Progress that shows nothing. */
export const SILENT: Progress = { say: () => {}, during: (_step, work) => work() };
