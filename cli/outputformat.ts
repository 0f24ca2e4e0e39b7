import { printableLines } from '../api/text/printable.ts';
import { UsageError } from './flags.ts';

/** Formats a value for -o: json or yaml. Throws UsageError for any other format. */
export const format = async (value: unknown, output: string | undefined): Promise<string> => {
  switch (output ?? 'json') {
    case 'json':
      return `${JSON.stringify(value, null, 2)}\n`;
    case 'yaml': {
      // Loaded on demand: the module takes longer to load than the planner.
      const { stringify } = await import('yaml');
      const text = stringify(value);
      // An escape means the same within quotes only.
      return printableLines(text) === text
        ? text
        : printableLines(
            stringify(value, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' }),
          );
    }
    default:
      throw new UsageError(`-o must be json or yaml, not '${output}'.`);
  }
};
