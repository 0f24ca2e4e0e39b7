import { isAborted, messageOf } from '../errors.ts';

/**
 * fine · note: works, and is worth to know · lacks: something is to be mended · unknown: could not be seen · skipped: was not looked
 * at, since nothing was given to look with or nothing is installed yet.
 */
export type CheckState = 'fine' | 'note' | 'lacks' | 'unknown' | 'skipped';

/** One thing that a cluster has or lacks. Its message is one sentence: what, where, what to do. */
export interface Check {
  readonly name: string;
  readonly state: CheckState;
  readonly message: string;
}

/** What was read, or why it could not be read, as the end of a sentence. */
export type Found<T> = { readonly value: T } | { readonly unseen: string };

export const isSeen = <T>(found: Found<T>): found is { readonly value: T } => 'value' in found;

/** Reads one fact; a failure is one, too. */
export const look = async <T>(read: () => Promise<T>): Promise<Found<T>> => {
  try {
    return { value: await read() };
  } catch (error) {
    if (isAborted(error)) throw error;
    return { unseen: messageOf(error) };
  }
};

/** A reason as the end of a sentence. */
export const ended = (reason: string): string => (/[.?!]$/.test(reason) ? reason : `${reason}.`);

/** The checks of one name: of what was seen, or one that says why nothing was. */
export const checkFound = <T>(
  name: string,
  what: string,
  found: Found<T>,
  judge: (value: T) => readonly Omit<Check, 'name'>[],
): readonly Check[] =>
  isSeen(found)
    ? judge(found.value).map((each) => ({ name, ...each }))
    : [{ name, state: 'unknown', message: `${what} could not be seen: ${ended(found.unseen)}` }];

export const fine = (message: string) => ({ state: 'fine', message }) as const;
export const note = (message: string) => ({ state: 'note', message }) as const;
export const lacks = (message: string) => ({ state: 'lacks', message }) as const;
export const unknown = (message: string) => ({ state: 'unknown', message }) as const;
export const skipped = (message: string) => ({ state: 'skipped', message }) as const;

/** Names in a list that a person reads to its end. */
export const listed = (names: readonly string[], max = 6): string =>
  names.length <= max
    ? names.join(', ')
    : `${names.slice(0, max).join(', ')} and ${names.length - max} others`;
