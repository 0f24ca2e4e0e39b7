import { printableLines } from '../../api/text/printable.ts';
import { isAborted, KubeError, OptionsError } from '../errors.ts';
import { createLogger, type Logger } from './log.ts';
import { HelpRequested } from './options.ts';

export interface Running {
  /** Aborted by SIGTERM or SIGINT: finish the current work and return. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

const print = (text: string, to: NodeJS.WriteStream): void => void to.write(`${printableLines(text)}\n`);

/** Prints one line that says what to do about an error, and returns the exit code. */
const explain = (e: unknown, log: Logger): number => {
  if (e instanceof HelpRequested) {
    print(e.message, process.stdout);
    return 0;
  }
  if (e instanceof OptionsError || e instanceof KubeError) print(`error: ${e.message}`, process.stderr);
  else log.fatal({ err: e }, 'stopped by an unexpected error');
  return 1;
};

/**
 * Runs a component: SIGTERM and SIGINT abort the signal, a second one ends the process at once. An error of the work,
 * or of a promise without a handler, ends in one line and exit code 1.
 */
export const runMain = async (
  work: (running: Running) => Promise<void>,
  o: { readonly component?: string; readonly log?: Logger } = {},
): Promise<void> => {
  const log = o.log ?? createLogger({ component: o.component ?? 'main' });
  const stopping = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (stopping.signal.aborted) process.exit(1);
    log.info({ signal: name }, 'stopping');
    stopping.abort(new Error(name));
  };
  const crash = (e: unknown): void => {
    if (!isAborted(e) || !stopping.signal.aborted) process.exit(explain(e, log));
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  process.on('uncaughtException', crash).on('unhandledRejection', crash);
  let code = 0;
  try {
    await work({ signal: stopping.signal, log });
  } catch (e) {
    code = isAborted(e) && stopping.signal.aborted ? 0 : explain(e, log);
  }
  process.exit(code);
};
