/** Titles of the tests of a file that are neither skipped nor to be written; of tables of tests, every text that stands by itself. */
export const titlesIn = (text: string): ReadonlySet<string> => {
  const hasTable = /\btest\(\s*(?:says|sentence|name)\b/.test(text);
  const literal = /(\btest\(\s*|says: |\[\s*)(['"`])((?:\\.|(?!\2).)*)\2,(?!\s*\{[^}]*\b(?:skip|todo)\b)/g;
  return new Set(
    [...text.matchAll(literal)].flatMap(([, before = '', , title = '']) =>
      before.startsWith('test(') || hasTable ? [title] : [],
    ),
  );
};
