import { UsageError } from './flags.ts';

/** Writes a value in the form that -o asks for. */
export const format = async (value: unknown, output: string | undefined): Promise<string> => {
  switch (output ?? 'json') {
    case 'json':
      return `${JSON.stringify(value, null, 2)}\n`;
    case 'yaml': {
      // Read when it is asked for: it takes longer to load than the planner.
      const { stringify } = await import('yaml');
      return stringify(value);
    }
    default:
      throw new UsageError(`-o takes json or yaml, not '${output}'.`);
  }
};
