import { type DestinationStream, destination, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import { printableLines } from '../../api/text/printable.ts';

export type Logger = PinoLogger;

const GATHER_BYTES = 4096;

/** Standard output; lines are gathered for this many milliseconds and flushed at exit. */
const gathered = (gatherMs: number) =>
  destination({ dest: 1, sync: false, minLength: GATHER_BYTES, periodicFlush: gatherMs });

/** pino's number of the level warn. */
const WARN = 40;

/** Called with the level and the message of each warning and error; messages are fixed texts, details are fields. */
export type OnProblem = (level: string, message: string) => void;

/**
 * JSON lines on standard output with ISO times; the level is trace, debug, info, warn, error, fatal or silent.
 * `gatherMs` delays lines by up to that long, for components that write many. What a terminal would obey, such as escape
 * sequences in names, is escaped.
 */
export const createLogger = (o: {
  readonly component: string;
  readonly level?: string;
  readonly gatherMs?: number;
  /** Standard output when left out. */
  readonly to?: DestinationStream;
  readonly onProblem?: OnProblem;
}): Logger =>
  pino(
    {
      level: o.level ?? 'info',
      base: { component: o.component },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        streamWrite: printableLines,
        logMethod(args, method, level) {
          const [first, second] = args as readonly unknown[];
          const message = typeof first === 'string' ? first : second;
          if (level >= WARN) o.onProblem?.(this.levels.labels[level] ?? '', String(message ?? ''));
          method.apply(this, args);
        },
      },
    },
    o.to ?? (o.gatherMs === undefined ? destination({ dest: 1, sync: true }) : gathered(o.gatherMs)),
  );
