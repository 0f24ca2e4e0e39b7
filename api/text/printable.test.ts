import fc from 'fast-check';
import t from 'tap';
import { printable, printableLines } from './printable.ts';

const HOSTILE: readonly [string, string, string][] = [
  ['a colour', 'node\u001b[31mred', 'node\\u001b[31mred'],
  ['a title of the window', '\u001b]0;owned\u0007', '\\u001b]0;owned\\u0007'],
  ['an escape sequence in one character', 'a\u009b2J', 'a\\u009b2J'],
  ['a line of its own', 'a\nnode ok', 'a\\u000anode ok'],
  ['a return to the line begin', 'bad\rgood', 'bad\\u000dgood'],
  ['a backspace', 'bad\b\b\bgood', 'bad\\u0008\\u0008\\u0008good'],
  ['a delete', 'a\u007f', 'a\\u007f'],
  ['letters from right to left', 'a\u202egpj.exe', 'a\\u202egpj.exe'],
  ['an isolate', '\u2066a\u2069', '\\u2066a\\u2069'],
  ['a letter without width', 'pay\u200bments', 'pay\\u200bments'],
  ['a separator of lines', 'a\u2028b', 'a\\u2028b'],
  ['a tag beyond 16 bits', 'a\u{e0041}', 'a\\udb40\\udc41'],
  ['half a character', 'a\ud800', 'a\\ud800'],
];

for (const [name, text, shown] of HOSTILE) {
  t.test(`${name} is shown as text`, async (t) => t.equal(printable(text), shown));
}

t.test('other text is as it was', async (t) => {
  const text = 'ip-10-0-0-1.ec2.internal, 2 × m5.large, Zürich, 東京, 🙂';
  t.equal(printable(text), text);
});

t.test('lines stay lines, and JSON means the same', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const lines = printableLines(JSON.stringify({ [text]: text }, null, 2));
      if (JSON.parse(lines)[text] !== text) throw new Error('another meaning');
      if (/(?!\n)[\p{Cc}\p{Cf}]/u.test(lines)) throw new Error('not printable');
    }),
    { seed: 14 },
  );
});
