import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';

export type Logger = PinoLogger;

/** JSON lines on standard output with ISO times; level is one of trace, debug, info, warn, error, fatal, silent. */
export const createLogger = (o: { readonly component: string; readonly level?: string }): Logger =>
  pino({
    level: o.level ?? 'info',
    base: { component: o.component },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
