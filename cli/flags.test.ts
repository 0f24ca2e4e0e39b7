import t from 'tap';
import { parseFlags } from './flags.ts';

const parse = (...argv: readonly string[]) => {
  const { words, values } = parseFlags(argv, new Set(['output', 'name', 'snapshot']), new Set(['dry']));
  return { words, values: Object.fromEntries(values) };
};

const rows: readonly (readonly [string, readonly string[], object])[] = [
  [
    'words and a flag with a value',
    ['plan', '--name', 'a', 'x'],
    { words: ['plan', 'x'], values: { name: 'a' } },
  ],
  ['a value after an equals sign', ['--name=a=b'], { words: [], values: { name: 'a=b' } }],
  ['the short form of --output', ['-o', 'json'], { words: [], values: { output: 'json' } }],
  ['a dash as a value', ['--snapshot', '-'], { words: [], values: { snapshot: '-' } }],
  ['an empty value', ['--name', '', 'x'], { words: ['x'], values: { name: '' } }],
  ['a switch without a value', ['--dry', 'x'], { words: ['x'], values: { dry: 'true' } }],
  ['a switch with a value', ['--dry=false'], { words: [], values: { dry: 'false' } }],
];
for (const [what, argv, expected] of rows) {
  t.test(`${what} is parsed`, async (t) => t.same(parse(...argv), expected));
}

const invalid: readonly (readonly [readonly string[], RegExp])[] = [
  [['--colour', 'x'], /^Unknown flag --colour: see --help/],
  [['--name'], /^The flag --name needs a value\.$/],
  [['--dry=maybe'], /^--dry must be true or false, not 'maybe'\.$/],
];
for (const [argv, message] of invalid) {
  t.test(`${argv.join(' ')} is refused`, async (t) => {
    t.throws(() => parse(...argv), { name: 'UsageError', message });
  });
}
