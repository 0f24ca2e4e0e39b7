/**
 * Text from outside, as text: a terminal obeys control characters and a reader's eye bidi overrides, so names, messages
 * and prices that others wrote go through here before they are printed.
 */

/** Controls, format characters such as bidi overrides, separators of lines, and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const UNPRINTABLE_IN_LINES = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const numbered = (text: string): string =>
  Array.from(
    { length: text.length },
    (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');

/** A name or message on one line; what can't be shown is written as \u and four digits. */
export const printable = (text: string): string => text.replace(UNPRINTABLE, numbered);

/** Lines of text, or JSON, whose strings mean the same afterwards. */
export const printableLines = (text: string): string => text.replace(UNPRINTABLE_IN_LINES, numbered);
