import fc from 'fast-check';
import t from 'tap';
import { JsonBoundError, JsonScan, parseJson } from './jsonscan.ts';

const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? 1 + Math.max(0, ...Object.values(value).map((each) => depthOf(each)))
    : 0;

const isRefused = (pieces: readonly Uint8Array[], depth: number): boolean => {
  const scan = new JsonScan({ depth, values: 1_000_000 });
  try {
    for (const piece of pieces) scan.push(piece);
    return false;
  } catch (error) {
    if (error instanceof JsonBoundError) return true;
    throw error;
  }
};

t.test('JSON is refused when it is deeper than the limit, in whichever pieces it comes', async () => {
  const cuts = fc.array(fc.nat(400), { maxLength: 6 });
  await fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(6), cuts, (value, limit, at) => {
      const bytes = Buffer.from(JSON.stringify(value));
      const edges = [0, ...at.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
      const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
      if (isRefused(pieces, limit) !== depthOf(value) > limit) throw new Error('not as deep as it is');
    }),
    { numRuns: 2_000 },
  );
});

t.test('attack: brackets and quotes in strings count as text', async (t) => {
  for (const text of ['[[[[', '"[[[[', '\\"[[[[', '\\\\', '{"', '\\', 'a\\\\"[']) {
    t.notOk(isRefused([Buffer.from(JSON.stringify([text, text]))], 1), text);
  }
});

t.test('attack: a million brackets and a million values are refused before they are parsed', async (t) => {
  t.throws(() => parseJson(Buffer.from('['.repeat(1_000_000))), /nested more than 64 deep/);
  t.throws(() => parseJson(Buffer.from(`[${'0,'.repeat(1_000_000)}0]`)), /more than 100000 values/);
  t.same(parseJson(Buffer.from('{"a":[1,"b"]}')), { a: [1, 'b'] });
});
