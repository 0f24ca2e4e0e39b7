/** Names in a row, the first few of many: 'a, b, c and 140 more'. */
export const listed = (names: readonly string[], most = 3): string => {
  const more = names.length - most;
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};
