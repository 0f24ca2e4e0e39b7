import { listed } from './listed.ts';

/**
 * Lines about things that share what is said of them: 'a: fits' of one, 'Insufficient cpu: 143 nodes (a, b, c and 140
 * more)' of several. In the order in which each was said first.
 */
export const linesAlike = (
  said: readonly { readonly name: string; readonly text: string }[],
  plural: string,
): readonly string[] =>
  [...Map.groupBy(said, ({ text }) => text)].map(([text, group]) => {
    const names = group.map(({ name }) => name);
    return names.length === 1
      ? `${names[0]}: ${text}`
      : `${text}: ${names.length} ${plural} (${listed(names)})`;
  });
